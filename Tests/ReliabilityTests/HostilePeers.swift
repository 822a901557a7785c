// Peers that mean harm, by the thousand: sockets that never wait, driven by the test's own thread.

import CPlatform
import Foundation
import Glibc
import TestSupport
import WireProtocol

/// A non-blocking socket on its way to a server of loopback.
final class HostileSocket: @unchecked Sendable {
    private let descriptor: Int32
    /// The server has closed, or refuses more.
    private(set) var isGone = false

    /// - Parameter receiveBytesMax: what the system may keep of what nobody reads; nil: as it likes.
    init(port: UInt16, receiveBytesMax: Int32? = nil) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0)
        guard descriptor >= 0 else { throw RawSocketError.failed("socket", errno) }
        if var bytes = receiveBytesMax {
            setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &bytes, socklen_t(MemoryLayout<Int32>.size))
        }
        var target = sockaddr_in()
        target.sin_family = sa_family_t(AF_INET)
        target.sin_port = port.bigEndian
        target.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        let result = withUnsafePointer(to: &target) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard result == 0 || errno == EINPROGRESS else { throw RawSocketError.failed("connect", errno) }
    }

    deinit { close(descriptor) }

    /// Sends what the socket takes now.
    /// - Returns: how many bytes it took.
    func send(_ bytes: ArraySlice<UInt8>) -> Int {
        guard !isGone else { return 0 }
        let count = bytes.withUnsafeBytes {
            Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
        }
        if count < 0 && errno != EAGAIN && errno != ENOTCONN { isGone = true }
        return max(0, count)
    }

    /// What has come and was not read yet.
    func receive() -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: 512)
        let count = bytes.withUnsafeMutableBytes { recv(descriptor, $0.baseAddress, $0.count, 0) }
        if count == 0 || (count < 0 && errno != EAGAIN && errno != ENOTCONN) { isGone = true }
        return Array(bytes.prefix(max(0, count)))
    }
}

/// Hostile peers of one server. Each call keeps a thread busy until it returns.
struct HostilePeers: Sendable {
    private let port: UInt16

    /// - Parameter address: `HOST:PORT` of a server on loopback.
    init(_ address: String) throws {
        guard let port = address.split(separator: ":").last.flatMap({ UInt16($0) }) else {
            throw RawSocketError.badAddress(address)
        }
        self.port = port
        // The usual limit of a process is far below what an attack takes.
        consent_raise_descriptor_limit()
    }

    /// Bytes of a preface and a hello.
    static let hello: [UInt8] = {
        var writer = FrameWriter(minimumCapacity: 512)
        writer.appendPrefaceAndHello(
            Wire.Hello(
                versionMin: Wire.protocolVersion, versionMax: Wire.protocolVersion, clientName: "hostile"))
        return writer.withBytes { Array($0) }
    }()

    /// A frame with a long body, of which only the start is ever sent.
    private static let longFrame = FrameClient.request(
        .import, 1,
        Wire.ImportRequest(
            rows: (0..<200).map { _ in Wire.ImportRow(contacts: [Wire.WriteContact(address: "x@example.fr")])
            }
        ))

    /// Connections that say nothing.
    func connect(_ count: Int) throws -> [HostileSocket] {
        try (0..<count).map { _ in try HostileSocket(port: port) }
    }

    // MARK: Too slow

    /// Peers of three kinds that send one byte now and then: of the preface, of the hello, and of a frame
    /// after a proper handshake. They go on until the server has closed them or the time is up.
    /// - Returns: how many were still served then.
    func dribble(_ count: Int, seconds: Double) throws -> Int {
        var peers: [(socket: HostileSocket, bytes: [UInt8], sent: Int)] = []
        for number in 0..<count {
            let start = [0, 8 + FrameHeader.byteCount, Self.hello.count + FrameHeader.byteCount][number % 3]
            peers.append((try HostileSocket(port: port), Self.hello + Self.longFrame, -start))
        }
        let end = Date().addingTimeInterval(seconds)
        while Date() < end {
            for place in peers.indices where !peers[place].socket.isGone {
                _ = peers[place].socket.receive()
                var next = peers[place].sent
                // What comes before the dribble goes out at once, as soon as there is a connection.
                let slice = next < 0 ? peers[place].bytes[..<(-next)] : peers[place].bytes[next..<next + 1]
                let taken = peers[place].socket.send(slice)
                if next < 0 {
                    if taken > 0 { next = taken }
                } else {
                    next += taken
                }
                peers[place].sent = next
            }
            if peers.allSatisfy(\.socket.isGone) { break }
            usleep(100_000)
        }
        return peers.count { !$0.socket.isGone }
    }

    // MARK: Never reading

    /// Peers that ask for answers as long as the server listens, and read none.
    /// - Returns: the sockets, to be kept open.
    func askAndNeverRead(_ count: Int) throws -> [HostileSocket] {
        var requests = Self.hello
        for stream in 1...20_000 {
            requests += FrameClient.request(.memo, UInt32(stream), Wire.MemoRequest(locale: "fr"))
        }
        var peers = try (0..<count).map { _ in
            (socket: try HostileSocket(port: port, receiveBytesMax: 4_096), sent: 0, full: 0)
        }
        // Full: the server has not taken a byte for a second.
        while peers.contains(where: { $0.full < 10 && !$0.socket.isGone && $0.sent < requests.count }) {
            for place in peers.indices where peers[place].sent < requests.count {
                let taken = peers[place].socket.send(requests[peers[place].sent...])
                peers[place].sent += taken
                peers[place].full = taken == 0 ? peers[place].full + 1 : 0
            }
            usleep(100_000)
        }
        return peers.map(\.socket)
    }

    // MARK: Too many

    /// Connects and says nothing.
    /// - Returns: with what the server ended each connection; nil where it did not within the time.
    func flood(_ count: Int, seconds: Double) throws -> [Wire.GoawayReason?] {
        let sockets = try connect(count)
        var heard = [[UInt8]](repeating: [], count: count)
        let end = Date().addingTimeInterval(seconds)
        while Date() < end, sockets.contains(where: { !$0.isGone }) {
            for place in sockets.indices where !sockets[place].isGone {
                heard[place] += sockets[place].receive()
            }
            usleep(200_000)
        }
        return heard.map { bytes in
            guard bytes.count > FrameHeader.byteCount else { return nil }
            let body = Array(bytes[FrameHeader.byteCount...])
            return try? Wire.Goaway(decoding: body.span.bytes).reason
        }
    }
}
