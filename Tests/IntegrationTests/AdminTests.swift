// Goal: probes say what they must, metrics are in Prometheus' form and count what happens, and settings come
// from flag, environment and file in this order.
// Method: a real daemon; HTTP by a plain socket.

import ConsentClient
import Foundation
import TestSupport
import Testing

@Suite struct AdminTests {
    /// Status line and body of a GET.
    private static func get(_ address: String, _ path: String, _ method: String = "GET") throws -> (
        String, String
    ) {
        let socket = try RawSocket(address)
        socket.send(Array("\(method) \(path) HTTP/1.1\r\nHost: consentd\r\n\r\n".utf8))
        var bytes: [UInt8] = []
        while let byte = socket.receive(1) { bytes += byte }
        let text = String(decoding: bytes, as: UTF8.self)
        let end = try #require(text.range(of: "\r\n\r\n"))
        let status = String(text.prefix { $0 != "\r" && $0 != "\r\n" })
        return (status, String(text[end.upperBound...]))
    }

    private static func value(_ metrics: String, _ series: String) -> Double? {
        metrics.split(separator: "\n").first { $0.hasPrefix("\(series) ") }
            .flatMap { Double($0.dropFirst(series.count + 1)) }
    }

    @Test func probesAndMetrics() async throws {
        let server = try await TestServer.start { $0.admin = .init(host: "127.0.0.1", port: 0) }
        let bound = try #require(server.server.adminAddress)
        let admin = "\(bound.host):\(bound.port)"
        #expect(try Self.get(admin, "/livez").0.contains("200"))
        #expect(try Self.get(admin, "/readyz") == ("HTTP/1.1 200 OK", "serving\n"))
        #expect(try Self.get(admin, "/").0.contains("404"))
        #expect(try Self.get(admin, "/metrics", "POST").0.contains("405"))

        let client = try await server.admin()
        let salon = try await Salon(client)
        _ = try await client.grant(salon.grant(["anna@example.fr"], channels: [.email]))
        for _ in 1...3 { _ = await client.check(salon.question(.email), .address("anna@example.fr")) }
        _ = await client.check(salon.question(.email), .address("ben@example.fr"))
        let late = try FrameClient(server.address)
        late.send(FrameClient.check(1, minSequence: 1_000_000))
        #expect(try late.answer(of: 1).status == .ok)
        let plain = try await server.client()
        await #expect(throws: ConsentClientError.self) {
            _ = try await plain.putController(
                Controller(id: ControllerID(rawValue: 9), code: "x", name: "X"))
        }

        let metrics = try Self.get(admin, "/metrics").1
        #expect(Self.value(metrics, "consentd_checks_total{decision=\"allow\"}") == 3)
        #expect(Self.value(metrics, "consentd_checks_total{decision=\"deny\"}") == 1)
        #expect(Self.value(metrics, "consentd_checks_total{decision=\"indeterminate\"}") == 1)
        let sequence = Double(try await client.stats().sequence)
        #expect(Self.value(metrics, "consentd_register_sequence") == sequence)
        #expect(Self.value(metrics, "consentd_access_refused_total{reason=\"scope\"}") == 1)
        #expect(Self.value(metrics, "consentd_connections") == 3)
        #expect(Self.value(metrics, "consentd_recipients") == 1)
        let commits = try #require(Self.value(metrics, "consentd_commits_total"))
        #expect(Self.value(metrics, "consentd_commit_duration_seconds_count") == commits)
        #expect(Self.value(metrics, "consentd_commit_duration_seconds_bucket{le=\"+Inf\"}") == commits)
        #expect((Self.value(metrics, "consentd_process_open_fds") ?? 0) > 5)
        // Each series has its help and its type before it, once.
        var typed: [String] = []
        for line in metrics.split(separator: "\n") {
            if line.hasPrefix("# TYPE ") { typed.append(String(line.split(separator: " ")[2])) }
            guard !line.hasPrefix("#"), let family = typed.last else { continue }
            #expect(line.hasPrefix(family), "\(line)")
        }
        #expect(Set(typed).count == typed.count)
        #expect(await server.server.isAlive(within: .seconds(10)))
        await client.close()
        await plain.close()
        await server.server.drain()
    }

    @Test func aSupervisorIsTold() async throws {
        let folder = try TemporaryFolder()
        let path = folder.file("notify")
        let listener = try #require(DatagramSocket(path))
        let daemon = try DaemonUnderTest(
            stateFolder: folder.file("state"), ["--init"],
            environment: ["NOTIFY_SOCKET": path, "WATCHDOG_USEC": "400000"])
        #expect(listener.receive() == "READY=1")
        #expect(listener.receive() == "WATCHDOG=1")
        #expect(listener.receive() == "WATCHDOG=1")
        // A process that stands still says nothing.
        daemon.program.signal(SIGTERM)
        var last: String?
        while let text = listener.receive(), text != "STOPPING=1" { last = text }
        #expect(last == nil || last == "WATCHDOG=1")
        #expect(daemon.program.wait().code == 0)
    }

    @Test func aFlagBeatsTheEnvironmentWhichBeatsTheFile() throws {
        let folder = try TemporaryFolder()
        let file = folder.file("consentd.yaml")
        try Credentials.write(
            "listen: 127.0.0.1:1\nloops: 3\nquiet: true\nlimits:\n  connections-max: 9\n  streams-max: 5\n",
            to: file)
        func show(_ arguments: [String], _ environment: [String: String] = [:]) throws -> (
            Int32, String, String
        ) {
            let program = try ProgramUnderTest(
                "consentd", ["config", "show", "--origin"] + arguments, environment: environment)
            let (code, output, errors) = program.wait()
            return (code, output, errors)
        }
        func line(_ text: String, _ name: String) -> [Substring] {
            text.split(separator: "\n").first { $0.hasPrefix("\(name) =") }?.split(separator: " ") ?? []
        }
        let (code, output, _) = try show(
            ["--config", file, "--listen", "127.0.0.1:3", "--limit", "streams-max=7"],
            ["CONSENTD_LISTEN": "127.0.0.1:2", "CONSENTD_LOOPS": "2", "CONSENTD_LIMIT_STREAMS_MAX": "6"])
        #expect(code == 0)
        #expect(line(output, "listen") == ["listen", "=", "127.0.0.1:3", "flag"])
        #expect(line(output, "loops") == ["loops", "=", "2", "environment", "CONSENTD_LOOPS"])
        #expect(line(output, "quiet").prefix(4) == ["quiet", "=", "true", "file"])
        #expect(line(output, "log-level") == ["log-level", "=", "info", "default"])
        #expect(line(output, "limits.streams-max") == ["limits.streams-max", "=", "7", "flag"])
        #expect(
            line(output, "limits.connections-max").prefix(4) == ["limits.connections-max", "=", "9", "file"])

        for (text, words) in [
            ("lisen: 127.0.0.1:1\n", "\"lisen\" is not known here"),
            ("limits:\n  conections: 1\n", "\"conections\" is not known here"),
            ("limits:\n  streams-max: 0\n", "a number from 1"),
            ("- 7\n", "name: value"),
        ] {
            try Credentials.write(text, to: file)
            let (code, _, errors) = try show(["--config", file])
            #expect(code == 78 && errors.contains(words), "\(code): \(errors)")
        }
        let missing = try show(["--config", folder.file("none.yaml")])
        #expect(missing.0 == 78 && missing.2.contains("cannot be read"))
        let unknown = try show(["--limit", "speed=3"])
        #expect(unknown.0 == 64 && unknown.2.contains("connections-max"))
    }
}

/// A datagram socket of the file system.
private final class DatagramSocket {
    private let descriptor: Int32

    init?(_ path: String) {
        descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.utf8)) }
        let size = socklen_t(MemoryLayout<sockaddr_un>.size)
        let code = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, size) }
        }
        guard code == 0 else { return nil }
        var limit = timeval(tv_sec: 20, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    }

    deinit { close(descriptor) }

    /// The next datagram; nil after twenty silent seconds.
    func receive() -> String? {
        var bytes = [UInt8](repeating: 0, count: 256)
        let count = recv(descriptor, &bytes, bytes.count, 0)
        return count > 0 ? String(decoding: bytes[..<count], as: UTF8.self) : nil
    }
}
