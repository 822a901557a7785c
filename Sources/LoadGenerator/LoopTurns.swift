// How an open loop waits for a request that is due in a moment: it lets the event loop look at its sockets
// and come back at once, over and over.
//
// Why not `execute`: an event loop runs tasks until there are none, and only then looks at its sockets. A
// task that asked for the next one would keep answers waiting for as long as requests are close to each
// other. A byte through a pipe comes back by way of the selector, beside the answers that came meanwhile.
//
// Invariant: at most one byte is in the pipe.

import NIOCore
import NIOPosix

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Turns of an event loop. Confined to it.
package final class LoopTurns: ChannelInboundHandler {
    package typealias InboundIn = ByteBuffer
    package typealias OutboundOut = ByteBuffer

    private let turned: () -> Void
    private let byte = ByteBuffer(bytes: [0])
    private var context: ChannelHandlerContext?
    private var isAsked = false

    private init(turned: @escaping () -> Void) {
        self.turned = turned
    }

    /// Prepares turns.
    ///
    /// - Parameters:
    ///   - loop: the event loop; the call comes from it.
    ///   - turned: called after each turn that was asked for.
    ///   - ready: called with the turns, or with nil where the system has no descriptor left.
    package static func open(
        on loop: any EventLoop, turned: @escaping () -> Void, ready: @escaping (LoopTurns?) -> Void
    ) {
        loop.preconditionInEventLoop()
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else {
            ready(nil)
            return
        }
        let turns = NIOLoopBound(LoopTurns(turned: turned), eventLoop: loop)
        let done = NIOLoopBound(ready, eventLoop: loop)
        NIOPipeBootstrap(group: loop)
            .channelOption(.maxMessagesPerRead, value: 1)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(turns.value)
                }
            }
            .takingOwnershipOfDescriptors(input: ends[0], output: ends[1])
            .whenComplete { outcome in
                switch outcome {
                case .success: done.value(turns.value)
                case .failure: done.value(nil)
                }
            }
    }

    /// Asks for a turn; one is enough.
    package func ask() {
        guard !isAsked, let context else { return }
        isAsked = true
        context.writeAndFlush(wrapOutboundOut(byte), promise: nil)
    }

    package func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    package func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    package func channelRead(context: ChannelHandlerContext, data: NIOAny) { isAsked = false }

    package func channelReadComplete(context: ChannelHandlerContext) {
        if !isAsked { turned() }
    }
}
