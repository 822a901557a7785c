// A TCP relay that keeps what passes: what somebody on the network between client and server would have
// captured, without a tool and without a right to capture.

import Foundation
import Glibc

/// Listens on a free port of loopback and passes every connection on, both ways, as bytes.
///
/// Invariant: a byte is noted before it is passed on, so what either side acts on was captured.
public final class RecordingRelay: @unchecked Sendable {
    /// `HOST:PORT` for clients.
    public let address: String
    private let target: String
    private let listener: Int32
    // Under `lock`.
    private let lock = NSLock()
    private var towardsServer = Data()
    private var towardsClient = Data()

    /// - Parameter target: `HOST:PORT` of the server, an IPv4 address.
    public init(to target: String) throws {
        self.target = target
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        self.listener = listener
        var place = sockaddr_in()
        place.sin_family = sa_family_t(AF_INET)
        place.sin_addr.s_addr = in_addr_t(0x7f00_0001).bigEndian
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let code = withUnsafeMutablePointer(to: &place) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { place in
                bind(listener, place, size) == 0 && listen(listener, 64) == 0
                    && getsockname(listener, place, &size) == 0 ? 0 : errno
            }
        }
        guard code == 0 else { throw RawSocketError.failed("listen", code) }
        address = "127.0.0.1:\(UInt16(bigEndian: place.sin_port))"
        Thread.detachNewThread { [weak self] in
            while true {
                let client = accept(listener, nil, nil)
                guard client >= 0, let self else { return }
                self.join(client)
            }
        }
    }

    deinit {
        shutdown(listener, Int32(SHUT_RDWR))
        close(listener)
    }

    /// What was sent so far, in the order in which it passed; of several connections in turn.
    public var captured: (towardsServer: Data, towardsClient: Data) {
        lock.withLock { (towardsServer, towardsClient) }
    }

    private func join(_ client: Int32) {
        guard let server = try? RawSocket(target) else { return _ = close(client) }
        // The client's end is closed when both directions have ended.
        let ends = Ends(client: client, server: server)
        Thread.detachNewThread { [self] in
            while let bytes = ends.receiveFromClient() {
                lock.withLock { towardsServer.append(contentsOf: bytes) }
                guard server.send(bytes) else { break }
            }
            server.endSending()
        }
        Thread.detachNewThread { [self] in
            while let bytes = server.receiveSome() {
                lock.withLock { towardsClient.append(contentsOf: bytes) }
                guard ends.sendToClient(bytes) else { break }
            }
            ends.endSendingToClient()
        }
    }
}

/// The two sockets of a connection that is passed on.
private final class Ends: @unchecked Sendable {
    private let client: Int32
    private let server: RawSocket

    init(client: Int32, server: RawSocket) {
        self.client = client
        self.server = server
    }

    deinit { close(client) }

    func receiveFromClient() -> [UInt8]? { RawSocket.receiveSome(client) }

    func sendToClient(_ bytes: [UInt8]) -> Bool { RawSocket.send(bytes, to: client) }

    func endSendingToClient() { shutdown(client, Int32(SHUT_WR)) }
}
