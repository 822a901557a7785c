// Certificates of an authority of their own, made by the script that `make dev-certs` runs.

import ConsentClient
import ConsentServer
import Foundation

/// A folder with an authority, a server's pair for 127.0.0.1 and localhost, and clients' pairs.
public struct TestCertificates: Sendable {
    /// Where they lie.
    public let folder: String

    /// Why there are none.
    public enum Failure: Error {
        case script(code: Int32, output: String)
    }

    /// Makes them.
    /// - Parameters:
    ///   - clients: names of clients; each gets one URI name.
    ///   - names: further names of the server.
    public init(in folder: String, clients: [String] = ["newsletter"], names: [String] = []) throws {
        self.folder = folder
        try make(clients: clients, names: names)
    }

    /// Makes new pairs, signed by the same authority.
    public func make(clients: [String] = ["newsletter"], names: [String] = []) throws {
        let script = Process()
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        script.executableURL = root.appendingPathComponent("tools/scripts/dev-certs.sh")
        script.environment = ProcessInfo.processInfo.environment.merging([
            "CERTS": folder, "CLIENTS": clients.joined(separator: " "), "NAMES": names.joined(separator: " "),
        ]) { $1 }
        let output = Pipe()
        (script.standardOutput, script.standardError) = (output, output)
        try script.run()
        let text = output.fileHandleForReading.readDataToEndOfFile()
        script.waitUntilExit()
        guard script.terminationStatus == 0 else {
            throw Failure.script(
                code: script.terminationStatus, output: String(decoding: text, as: UTF8.self))
        }
    }

    /// The path of a file.
    public func file(_ name: String) -> String { "\(folder)/\(name)" }

    /// What a server is started with.
    /// - Parameter verifiesClients: whether clients must have a certificate.
    public func server(verifiesClients: Bool = true) -> TLSFiles {
        TLSFiles(
            certificate: file("server.pem"), key: file("server.key"),
            clientAuthority: verifiesClients ? file("ca.pem") : nil)
    }

    /// What a client connects with.
    /// - Parameter name: which client it is; nil: it has no certificate.
    public func client(_ name: String? = "newsletter") -> ConsentClient.TLS {
        var tls = ConsentClient.TLS()
        tls.authority = file("ca.pem")
        tls.certificate = name.map { file("\($0).pem") }
        tls.key = name.map { file("\($0).key") }
        return tls
    }
}
