// TLS 1.3 of a client: whom it trusts, who it is, and what name the server must have.
//
// The files are read for each connection, so that a certificate that was renewed is used from the next
// connection on.

import NIOCore
import NIOSSL
import WireProtocol

extension ConsentClient {
    /// How a client's connections are protected.
    public struct TLS: Hashable, Sendable {
        /// PEM file with the authorities that sign servers' certificates; nil: those that the system trusts.
        public var authority: String?
        /// PEM file with the client's certificate, followed by those between it and its authority; nil: none.
        public var certificate: String?
        /// PEM file with the private key of the certificate.
        public var key: String?
        /// Name that the server's certificate must have; nil: the host that the client connects to.
        public var serverName: String?

        /// Trusts what the system trusts, and shows no certificate.
        public init() {}
    }
}

extension ConsentClient.TLS {
    /// What connections to `host` begin with.
    /// - Throws: `.invalidRequest` for a file that is of no use.
    package func handler(host: String) throws(ConsentClientError) -> NIOSSLClientHandler {
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.minimumTLSVersion = .tlsv13
        if let authority { configuration.trustRoots = .certificates(try Self.certificates(authority)) }
        switch (certificate, key) {
        case (nil, nil): break
        case (let certificate?, let key?):
            configuration.certificateChain = try Self.certificates(certificate).map { .certificate($0) }
            do {
                configuration.privateKey = .privateKey(try NIOSSLPrivateKey(file: key, format: .pem))
            } catch {
                throw .invalidRequest("\(key) holds no private key (\(error)): name a PEM file that does")
            }
        default:
            throw .invalidRequest("a client certificate and its key go together: name both, or neither")
        }
        do {
            let context = try NIOSSLContext(configuration: configuration)
            return try NIOSSLClientHandler(context: context, serverHostname: expectedName(host: host))
        } catch {
            throw .invalidRequest("certificate and key are of no use together (\(error)): name a pair")
        }
    }

    private static func certificates(_ path: String) throws(ConsentClientError) -> [NIOSSLCertificate] {
        var why = "it is empty"
        do {
            let certificates = try NIOSSLCertificate.fromPEMFile(path)
            if !certificates.isEmpty { return certificates }
        } catch {
            why = "\(error)"
        }
        throw .invalidRequest("\(path) holds no certificate (\(why)): name a PEM file that does")
    }

    /// The name that the server of a host must have; nil: the host is an address, which its certificate must
    /// have.
    func expectedName(host: String) -> String? {
        let name = serverName ?? host
        return (try? SocketAddress(ipAddress: name, port: 0)) == nil ? name : nil
    }

    /// Whether a certificate has a DNS name, or a wildcard for its first label.
    static func certificate(_ certificate: NIOSSLCertificate, hasName name: String) -> Bool {
        let wanted = name.lowercased()
        let parent = wanted.firstIndex(of: ".").map { "*" + wanted[$0...] }
        return certificate._subjectAlternativeNames().contains { entry in
            guard entry.nameType == .dnsName else { return false }
            let text = entry.contents.withUnsafeBufferPointer { String(decoding: $0, as: UTF8.self) }
                .lowercased()
            return text == wanted || text == parent
        }
    }

    /// What a failure before the welcome means.
    static func error(_ error: any Error, address: ServerAddress) -> ConsentClientError {
        func untrusted(_ why: String) -> ConsentClientError { .untrusted(address: "\(address)", why: why) }
        func notKnown(_ why: String) -> ConsentClientError {
            .handshake(HandshakeFailure(reason: Wire.GoawayReason.badCredential.rawValue, message: why))
        }
        let text = "\(error)"
        if error as? NIOSSLExtraError == .failedToValidateHostname {
            return untrusted("the server's certificate is for another address than the one connected to")
        }
        if text.contains("CERTIFICATE_VERIFY_FAILED") {
            return untrusted(
                "the server's certificate is not signed by the authority given (--ca), or not valid now")
        }
        if text.contains("WRONG_VERSION_NUMBER") {
            return untrusted("the server speaks no TLS here: leave --ca out, or ask its TLS port")
        }
        if text.contains("CERTIFICATE_REQUIRED") {
            return notKnown("it needs a client certificate: give --cert and --key")
        }
        if text.contains("UNKNOWN_CA") || text.contains("BAD_CERTIFICATE")
            || text.contains("CERTIFICATE_EXPIRED")
        {
            return notKnown(
                "it does not trust the client certificate: one of its authority, valid now, is needed")
        }
        return error is NIOSSLError || error is BoringSSLError
            ? untrusted(text) : .unreachable(address: "\(address)", why: text)
    }
}
