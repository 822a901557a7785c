// One client's connection: bytes in, frames out, on one event loop.
//
// A read burst runs through here synchronously: frames are cut in place from the read buffer, each is
// dispatched, single checks by key are gathered and answered together, and all output of the burst leaves in
// one write and one flush. Only calls that wait for the register stay open; their answers come back through
// `complete`.
//
// Everything in this class belongs to the connection's event loop.

import CPlatform
import ConsentDomain
import ConsentRegister
import Glibc
import Logging
import NIOCore
import NIOSSL
import WireProtocol

/// Handles one connection.
final class Connection: ChannelInboundHandler, @unchecked Sendable {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    let core: ServerCore
    let id: UInt64
    /// Set when the handler is added.
    private(set) var eventLoop: any EventLoop

    // What the event loop owns. Exclusive access is not checked at run time where a check passes: one thread
    // touches these, and no closure that holds one of them calls back into this class for the same one.
    @exclusivity(unchecked) var state = ServerConnectionState()
    @exclusivity(unchecked) var access = Access.nobody
    @exclusivity(unchecked) var catalogue: CatalogueSnapshot
    @exclusivity(unchecked) var output = FrameWriter(minimumCapacity: 4096)
    let scratch: CheckScratch
    let gathered: GatheredChecks
    /// Salts of the personal parts that writes bring.
    @exclusivity(unchecked) var salts = SaltPool()
    var streams: [UInt32: any ServerStream] = [:]
    @exclusivity(unchecked) private var reader = FrameReader(bodyBytesMax: Wire.Limits.helloBytesMax)
    private var unread: ByteBuffer?
    /// `unread` may hold whole frames, left there because this turn's share of the output was used up.
    private var hasBacklog = false
    private let turns: LoopTurns
    private var isInLine = false
    @exclusivity(unchecked) private var inflated = FrameWriter(minimumCapacity: 64)
    private var outgoing = ByteBuffer()
    private var context: ChannelHandlerContext?
    private var isReadingPaused = false
    @exclusivity(unchecked) private var isClosing = false
    private var isInBurst = false
    @exclusivity(unchecked) private var liveness: Liveness
    private var isOutputWatched = false
    private let burstBytesMax: Int

    init(core: ServerCore, id: UInt64, eventLoop: any EventLoop) {
        self.core = core
        self.id = id
        self.eventLoop = eventLoop
        liveness = Liveness(limits: core.limits, now: .now())
        catalogue = core.board.current
        (scratch, turns) = core.parts(of: eventLoop)
        gathered = scratch.gathered
        burstBytesMax = min(core.limits.burstOutputBytes, core.limits.outputHighWatermarkBytes)
    }

    // MARK: Life

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        if context.channel.isActive { begin() }
    }

    func channelActive(context: ChannelHandlerContext) {
        begin()
        context.fireChannelActive()
    }

    private func begin() {
        liveness.heard(.now())
        guard core.connectionOpened(self) else {
            core.metrics.shed.count("connections")
            return sendAndClose(
                Wire.Goaway(
                    reason: .tooManyConnections, lastStream: 0,
                    message:
                        "\(core.limits.connectionsMax) connections are open: use fewer, or raise the limit"))
        }
        eventLoop.scheduleTask(in: .seconds(Int64(core.limits.handshakeSeconds))) { [weak self] in
            self?.handshakeTimedOut()
        }
        scheduleLivenessCheck()
    }

    func channelInactive(context: ChannelHandlerContext) {
        state.close()
        isClosing = true
        for stream in streams.values { stream.cancel() }
        streams.removeAll()
        core.connectionClosed(self)
        self.context = nil
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if error is NIOSSLError || error is BoringSSLError { core.metrics.closedConnections.count("tls") }
        core.logger.debug("connection failed", metadata: ["connection": "\(id)", "error": "\(error)"])
        context.close(promise: nil)
    }

    // MARK: Reading

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isClosing else { return }
        liveness.heard(.now())
        readBurst(unwrapInboundIn(data))
    }

    private func readBurst(_ data: ByteBuffer) {
        var bytes = data
        isInBurst = true
        if core.board.isNewer(than: catalogue) { takeCatalogue() }
        gathered.begin(now: core.clock.now)
        if var kept = unread.take() {
            kept.writeBuffer(&bytes)
            process(&kept)
            if kept.readableBytes > 0 {
                kept.discardReadBytes()
                unread = kept
            }
        } else {
            process(&bytes)
            if bytes.readableBytes > 0 { keep(bytes) }
        }
        if unread == nil || hasBacklog {
            liveness.frameEnded()
        } else {
            liveness.frameWaits()
        }
        CheckHandler.answerGathered(self)
        isInBurst = false
    }

    /// Keeps the start of a frame whose rest is still to come, in a buffer that is large enough for the
    /// whole.
    private func keep(_ rest: ByteBuffer) {
        var kept = ByteBufferAllocator().buffer(capacity: max(reader.bytesNeeded, rest.readableBytes))
        kept.writeImmutableBuffer(rest)
        unread = kept
    }

    private func process(_ buffer: inout ByteBuffer) {
        if state.phase == .awaitingPreface {
            switch state.receivedPreface(buffer.readableBytesSpan) {
            case .readMore: return
            case .drop(let byteCount): buffer.moveReaderIndex(forwardBy: byteCount)
            case .fail(let error): return fail(error)
            }
        }
        do {
            let readable = buffer.readableBytesSpan
            while !isClosing, output.count < burstBytesMax, let frame = try reader.next(readable) {
                received(frame.header, readable.extracting(frame.body))
            }
            hasBacklog = output.count >= burstBytesMax
        } catch {
            fail(error)
        }
        let taken = reader.rebase()
        if taken > 0 { liveness.frameEnded() }
        buffer.moveReaderIndex(forwardBy: taken)
        if isClosing { buffer.clear() }
    }

    /// Goes on with frames that were left when it is this connection's turn, and not until the socket has
    /// taken the output. Nothing more is read meanwhile.
    private func takeUpBacklog() {
        guard hasBacklog, !isInLine, !isClosing, isWritable else {
            if isReadingPaused { adjustReading() }
            return
        }
        isInLine = true
        adjustReading()
        turns.lineUp(self)
    }

    /// Goes on for as long as a turn is.
    func takeTurn() {
        isInLine = false
        guard hasBacklog, !isClosing, isWritable else { return adjustReading() }
        readBurst(ByteBuffer())
        flushOutput()
        takeUpBacklog()
    }

    @inline(__always)
    private func received(_ header: FrameHeader, _ body: RawSpan) {
        switch state.received(header) {
        case .request: request(header, body)
        case .ignore: break
        case .pong(let value): output.appendFrame(.pong, value: value)
        case .hello: hello(header, body)
        case .cancel(let stream): streams[stream]?.cancel()
        case .credit(let stream): streams[stream]?.resume()
        case .finishDrain(let lastStream, let thenClose): finishDrain(lastStream, thenClose)
        case .clientLeaves(let thenClose): if thenClose { closeAfterFlush() }
        case .fail(let error): fail(error)
        }
    }

    private func request(_ header: FrameHeader, _ body: RawSpan) {
        do throws(WireError) {
            try header.withPayload(
                of: body, bodyBytesMax: state.agreement.bodyBytesMax, scratch: &inflated
            ) { payload throws(WireError) in
                try Dispatcher.dispatch(self, header, payload)
            }
        } catch {
            // The number of an open call: an answer would be taken for that call's.
            if state.isOpen(header.stream) { return fail(.badStream(header.stream)) }
            core.metrics.rejectedFrames.count(error == .bodyChecksum ? "body_checksum" : "body")
            reject(
                header.stream, error == .bodyChecksum ? .dataLoss : .invalidArgument, "\(error)",
                notExecuted: true)
        }
    }

    // MARK: Handshake

    private func hello(_ header: FrameHeader, _ body: RawSpan) {
        let hello: Wire.Hello
        do {
            try header.verifyBody(body)
            hello = try Wire.Hello(decoding: body)
        } catch {
            return fail(.badHandshake(error))
        }
        switch Handshake.negotiate(hello, server: core.offer()) {
        case .reject(let goaway): sendAndClose(goaway)
        case .accept(let welcome):
            switch Caller(hello, on: context?.channel, of: core) {
            case .known(let access): self.access = access
            case .turnedAway(let message): return turnAway(message)
            }
            takeCatalogue()
            state.accept(Agreement(welcome))
            reader.bodyBytesMax = state.agreement.bodyBytesMax
            output.appendWelcome(welcome)
            core.logger.debug(
                "connection open", metadata: ["connection": "\(id)", "client": "\(access.clientName)"])
        }
    }

    private func turnAway(_ message: String) {
        core.metrics.refusedAccess.count("credential")
        core.logger.notice(
            "caller refused", metadata: ["audit": "hello", "connection": "\(id)", "reason": "\(message)"])
        sendAndClose(Wire.Goaway(reason: .badCredential, lastStream: 0, message: message))
    }

    /// Takes up the newest catalogue, as far as the client may see it.
    private func takeCatalogue() {
        catalogue = access.client.view(of: core.board.current, core.keyring)
    }

    /// The credentials file changed: from now on the client has the rights that it has there. What it reads
    /// in streams it has to ask for anew; one that is no longer known is told so and cut off.
    func refreshAccess() {
        guard !isClosing, state.phase == .open else { return }
        guard let now = core.authorisation.access(access.identity, clientName: access.clientName) else {
            return closing(.badCredential, "the credential is not known here any more")
        }
        guard now.client !== access.client else { return }
        access = now
        takeCatalogue()
        for stream in streams.values {
            complete(
                Completion(
                    stream.call, kind: .end, .unavailable,
                    "the client's rights have changed: ask again"))
            stream.cancel()
        }
        flushOutput()
    }

    private func handshakeTimedOut() {
        switch state.phase {
        case .awaitingPreface, .awaitingHello, .negotiating:
            closing(.handshakeTimeout, "no hello came in time")
        default: break
        }
    }

    // MARK: Answers

    /// Whether the frame begun last is longer than was agreed; if so it is taken back, for an error instead.
    func takeBackIfTooLong(_ frame: OpenFrame) -> Bool {
        guard output.count - frame.start - FrameHeader.byteCount > state.agreement.bodyBytesMax else {
            return false
        }
        output.abandonFrame(frame)
        return true
    }

    /// What is said instead of an answer that is too long.
    var tooLongMessage: String {
        "the answer is longer than \(state.agreement.bodyBytesMax) bytes: ask for less at a time"
    }

    /// Answers a call with an error.
    func reject(
        _ stream: UInt32, _ status: Status, _ message: String, notExecuted: Bool = false,
        refusals: [Wire.RefusalDetail] = [], retryAfterMicroseconds: Int64 = 0
    ) {
        let flags: FrameFlags = notExecuted ? .notExecuted : []
        let frame = output.beginFrame(.response, flags: flags, code: status.rawValue, stream: stream)
        Wire.ErrorDetail(message: message, retryAfter: retryAfterMicroseconds, refusals: refusals)
            .encode(into: &output)
        output.endFrame(frame)
    }

    /// Answers a call whose work was done elsewhere. The frames leave with the next `flushOutput`.
    func complete(_ completion: Completion) {
        guard state.isOpen(completion.call.stream) else { return }
        // What a stream sends may come late: it was cancelled, and its number belongs to another call now.
        if completion.kind != .response,
            streams[completion.call.stream]?.call.arrival != completion.call.arrival
        {
            return
        }
        let spent = (consent_monotonic_nanoseconds() &- completion.call.arrival) / 1000
        let frame = output.beginFrame(
            completion.kind, flags: completion.flags, code: completion.status.rawValue,
            stream: completion.call.stream, value: completion.kind == .item ? 0 : UInt32(clamping: spent))
        completion.encode(&output)
        if takeBackIfTooLong(frame) {
            // Late items of the stream go nowhere, since its call is over.
            streams[completion.call.stream]?.cancel()
            return complete(
                Completion(
                    completion.call, kind: completion.kind == .response ? .response : .end,
                    .resourceExhausted, tooLongMessage))
        }
        output.endFrame(frame, compressIfUseful: state.agreement.allowsCompression)
        if completion.kind != .item { endCall(completion.call.stream) }
    }

    /// Forgets a call that was answered.
    func endCall(_ stream: UInt32) {
        streams.removeValue(forKey: stream)
        if state.endCall(stream) { closeAfterFlush() }
    }

    // MARK: Writing

    func channelReadComplete(context: ChannelHandlerContext) {
        flushOutput()
        takeUpBacklog()
    }

    /// Sends what was written since the last flush.
    func flushOutput() {
        guard let context, output.count > 0, !isInBurst else { return }
        outgoing.clear(minimumCapacity: output.count)
        output.withBytes { _ = outgoing.writeBytes($0) }
        output.removeAll()
        context.writeAndFlush(wrapOutboundOut(outgoing), promise: nil)
        if !context.channel.isWritable { adjustReading() }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        for stream in streams.values where context.channel.isWritable { stream.resume() }
        takeUpBacklog()
        context.fireChannelWritabilityChanged()
    }

    /// Whether streams may add to the output.
    var isWritable: Bool { context?.channel.isWritable ?? false }

    /// Reads on where the socket takes the output and every frame that was read has been answered.
    private func adjustReading() {
        guard let context else { return }
        if isWritable {
            liveness.outputTaken()
        } else if !liveness.isOutputWaiting {
            liveness.outputWaits(bufferedBytes, .now())
            watchOutput()
        }
        let pauses = !isWritable || hasBacklog
        guard pauses != isReadingPaused else { return }
        isReadingPaused = pauses
        // What was not read meanwhile is not the peer's delay.
        if !pauses { liveness.readsAgain(.now()) }
        context.channel.setOption(.autoRead, value: !pauses).whenFailure { _ in }
    }

    /// Output that the socket has not taken yet.
    private var bufferedBytes: Int {
        (try? context?.channel.syncOptions?.getOption(.bufferedWritableBytes)) ?? 0
    }

    // MARK: Ending

    /// Tells the client that no more calls should come; calls under way are finished.
    func beginDrain() {
        guard !isClosing else { return }
        let ping = UInt32(truncatingIfNeeded: id) | 1
        if state.beginDrain(pingValue: ping) {
            output.appendGoaway(
                Wire.Goaway(reason: .drain, lastStream: .max, message: "the server is stopping"))
            output.appendFrame(.ping, value: ping)
            flushOutput()
            eventLoop.scheduleTask(in: .seconds(1)) { [weak self] in
                guard let self, case .finishDrain(let lastStream, let thenClose) = state.finishDrain() else {
                    return
                }
                finishDrain(lastStream, thenClose)
                flushOutput()
            }
        } else if state.phase == .closed {
            closeAfterFlush()
        } else {
            // The client is leaving already.
            for stream in streams.values { stream.drain() }
        }
    }

    private func finishDrain(_ lastStream: UInt32, _ thenClose: Bool) {
        CheckHandler.answerGathered(self)
        output.appendGoaway(
            Wire.Goaway(reason: .drain, lastStream: lastStream, message: "the server is stopping"))
        // Watches never end on their own.
        for stream in streams.values { stream.drain() }
        if thenClose { closeAfterFlush() }
    }

    func fail(_ error: FrameError) {
        let goaway = Handshake.goaway(error, lastStream: state.lastStream)
        core.metrics.rejectedFrames.count("\(goaway.reason)")
        core.logger.info(
            "connection ended by a bad frame", metadata: ["connection": "\(id)", "reason": "\(error)"])
        CheckHandler.answerGathered(self)
        sendAndClose(goaway)
    }

    /// - Parameter seconds: that the peer has to take what waits for it; nil: as long as a slow reader has.
    private func closing(_ reason: Wire.GoawayReason, _ message: String, cutAfter seconds: Int? = nil) {
        core.metrics.closedConnections.count("\(reason)")
        core.logger.info("connection ended", metadata: ["connection": "\(id)", "reason": "\(message)"])
        sendAndClose(
            Wire.Goaway(reason: reason, lastStream: state.lastStream, message: message), cutAfter: seconds)
    }

    /// Sends a goaway and closes.
    func sendAndClose(_ goaway: Wire.Goaway, cutAfter seconds: Int? = nil) {
        state.close()
        output.appendGoaway(goaway)
        closeAfterFlush(cutAfter: seconds)
    }

    private func closeAfterFlush(cutAfter seconds: Int? = nil) {
        guard !isClosing else { return }
        isClosing = true
        let wasInBurst = isInBurst
        isInBurst = false
        CheckHandler.answerGathered(self)
        flushOutput()
        isInBurst = wasInBurst
        guard let context else { return }
        // Half-close first and read on for a moment: closing with unread input would reset the connection and
        // could take the goaway with it.
        let channel = context.channel
        let patience = TimeAmount.seconds(Int64(seconds ?? core.limits.slowReaderSeconds))
        let cut = eventLoop.scheduleTask(in: patience) {
            // What the socket still holds is let go with it: nobody reads it.
            (channel as? any SocketOptionProvider)?.setSoLinger(Self.abortively).whenFailure { _ in }
            channel.close(promise: nil)
        }
        // Succeeds once the socket has taken all output.
        let halfClosed = eventLoop.makePromise(of: Void.self)
        halfClosed.futureResult.whenComplete { [eventLoop] result in
            cut.cancel()
            // It fails when the connection is gone.
            guard case .success = result else { return }
            eventLoop.scheduleTask(in: .milliseconds(250)) { channel.close(promise: nil) }
        }
        context.close(mode: .output, promise: halfClosed)
    }

    private static let abortively = linger(l_onoff: 1, l_linger: 0)

    // MARK: Liveness

    private func scheduleLivenessCheck() {
        eventLoop.scheduleTask(in: liveness.pause) { [weak self] in self?.checkLiveness() }
    }

    private func checkLiveness() {
        guard !isClosing, context != nil else { return }
        let now = NIODeadline.now()
        if let fault = liveness.inputFault(unread?.readableBytes ?? 0, isReading: !isReadingPaused, now) {
            return closing(fault.reason, fault.message)
        }
        if liveness.isSilent(now) && state.phase == .open {
            output.appendFrame(.ping, value: 1)
            flushOutput()
        }
        scheduleLivenessCheck()
    }

    /// Looks every second whether the socket takes the output that waits.
    private func watchOutput() {
        guard !isOutputWatched else { return }
        isOutputWatched = true
        eventLoop.scheduleTask(in: .seconds(1)) { [weak self] in
            guard let self else { return }
            isOutputWatched = false
            guard !isClosing, liveness.isOutputWaiting else { return }
            guard let fault = liveness.outputFault(bufferedBytes, .now()) else { return watchOutput() }
            // What is said stands behind what is not read yet, and is cut off with it.
            closing(fault.reason, fault.message, cutAfter: 1)
        }
    }
}
