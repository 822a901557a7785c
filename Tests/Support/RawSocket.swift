// A TCP connection without anything on top, for tests that speak in bytes.

import Foundation
import Glibc

/// A blocking socket connected to a server on loopback.
public final class RawSocket: @unchecked Sendable {
    private let descriptor: Int32

    /// Connects to `HOST:PORT`, HOST being an IPv4 address.
    public init(_ address: String) throws {
        let parts = address.split(separator: ":")
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var target = sockaddr_in()
        target.sin_family = sa_family_t(AF_INET)
        guard parts.count == 2, let port = UInt16(parts[1]),
            inet_pton(AF_INET, String(parts[0]), &target.sin_addr) == 1
        else { throw RawSocketError.badAddress(address) }
        target.sin_port = port.bigEndian
        let result = withUnsafePointer(to: &target) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard result == 0 else { throw RawSocketError.failed("connect", errno) }
        // No test waits longer than this for a byte.
        var timeout = timeval(tv_sec: 10, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
    }

    deinit {
        close(descriptor)
    }

    /// Sends all bytes; returns false when the peer has closed.
    @discardableResult
    public func send(_ bytes: [UInt8]) -> Bool { Self.send(bytes, to: descriptor) }

    static func send(_ bytes: [UInt8], to descriptor: Int32) -> Bool {
        var sent = 0
        while sent < bytes.count {
            let count = bytes.withUnsafeBytes {
                Glibc.send(
                    descriptor, $0.baseAddress?.advanced(by: sent), bytes.count - sent, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { return false }
            sent += count
        }
        return true
    }

    /// Receives exactly that many bytes; nil when the connection ends before, or nothing comes for 10 s.
    public func receive(_ count: Int) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: count)
        var received = 0
        while received < count {
            let got = bytes.withUnsafeMutableBytes {
                recv(descriptor, $0.baseAddress?.advanced(by: received), count - received, 0)
            }
            guard got > 0 else { return nil }
            received += got
        }
        return bytes
    }

    /// Whatever comes next; nil at the end of the connection, however long it takes.
    func receiveSome() -> [UInt8]? {
        while true {
            if let bytes = Self.receiveSome(descriptor) { return bytes }
            // Nothing for the time that other calls wait is no end.
            guard errno == EAGAIN else { return nil }
        }
    }

    static func receiveSome(_ descriptor: Int32) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: 64 << 10)
        errno = 0
        let count = recv(descriptor, &bytes, bytes.count, 0)
        return count > 0 ? Array(bytes[..<count]) : nil
    }

    /// Says that nothing more will be sent.
    func endSending() { shutdown(descriptor, Int32(SHUT_WR)) }

    /// Whether the peer closes without sending anything more.
    public func isAtEnd() -> Bool {
        var byte: UInt8 = 0
        return recv(descriptor, &byte, 1, 0) == 0
    }
}

/// Why a raw socket could not be used.
public enum RawSocketError: Error {
    case badAddress(String)
    case failed(String, Int32)
}
