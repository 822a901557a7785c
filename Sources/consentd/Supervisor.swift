// What a service supervisor is told: that the server serves, that it is alive, that it stops. The protocol is
// sd_notify's: datagrams of text to the socket that NOTIFY_SOCKET names.

import Foundation

/// The supervisor that started this process, systemd for instance.
struct Supervisor: Sendable {
    /// Path of its socket; one that begins with @ has no place in the file system.
    let path: String
    /// Time after which a process that said nothing is ended; nil: none is.
    let watchdog: Duration?

    /// The one that the environment names; nil: there is none.
    static var fromEnvironment: Supervisor? {
        let environment = ProcessInfo.processInfo.environment
        guard let path = environment["NOTIFY_SOCKET"], path.hasPrefix("/") || path.hasPrefix("@") else {
            return nil
        }
        let isMine = environment["WATCHDOG_PID"].map { $0 == "\(getpid())" } ?? true
        let time = environment["WATCHDOG_USEC"].flatMap { Int64($0) }.map { Duration.microseconds($0) }
        return Supervisor(path: path, watchdog: isMine ? time : nil)
    }

    /// Sends one line. A supervisor that does not listen is no reason to stop.
    func tell(_ text: String) {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        guard bytes.count < MemoryLayout.size(ofValue: address.sun_path) else { return }
        withUnsafeMutableBytes(of: &address.sun_path) { room in
            room.copyBytes(from: bytes)
            if bytes.first == UInt8(ascii: "@") { room[0] = 0 }
        }
        let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        let length = socklen_t(MemoryLayout<sa_family_t>.size + bytes.count)
        _ = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                sendto(descriptor, text, text.utf8.count, 0, $0, length)
            }
        }
    }

    /// Tells twice in each interval that the server is alive, as long as it is.
    func watch(isAlive: @Sendable (Duration) async -> Bool) async {
        guard let watchdog else { return }
        let interval = watchdog / 2
        while !Task.isCancelled {
            if await isAlive(interval) { tell("WATCHDOG=1") }
            try? await Task.sleep(for: interval)
        }
    }
}
