// TLS 1.3 on the listener: the certificate, its key, and the authority that signs clients' certificates.
//
// The files are read at the start and again on a reload. A reload that fails leaves what was there in use,
// and connections that are open keep the certificate they began with.
//
// Invariant: where an authority is named, no byte of the protocol is read from a peer before it has shown a
// certificate that the authority signed and that is valid now.

import CPlatform
import ConsentDomain
import Foundation
import NIOCore
import NIOSSL
import Synchronization

/// PEM files of a listener.
public struct TLSFiles: Hashable, Sendable {
    /// Certificate of the server, followed by those between it and the authority.
    public var certificate: String
    /// Private key of the certificate; for its owner alone (0600).
    public var key: String
    /// Certificates of the authorities that sign clients' certificates; nil: clients show none.
    public var clientAuthority: String?

    /// Files of these paths.
    public init(certificate: String, key: String, clientAuthority: String? = nil) {
        self.certificate = certificate
        self.key = key
        self.clientAuthority = clientAuthority
    }
}

/// Why TLS files cannot be used. The daemon ends with exit code 78, or keeps the files it has.
public enum TLSFailure: Error, Hashable, Sendable, CustomStringConvertible {
    /// A file is missing, or holds nothing that is of use.
    case unusable(path: String, expected: String, why: String)
    /// Others than its owner can read the key.
    case readByOthers(path: String, permissions: UInt32)
    /// The key does not belong to the certificate.
    case notAPair(certificate: String, key: String, why: String)
    /// The certificate is not valid today.
    case notValid(path: String, from: String, until: String)

    /// What is wrong and the remedy.
    public var description: String {
        switch self {
        case .unusable(let path, let expected, let why):
            "\(path) holds no \(expected) (\(why)): name a PEM file that does"
        case .readByOthers(let path, let permissions):
            "others can read the key \(path) (mode 0\(String(permissions, radix: 8))): chmod 600 \(path)"
        case .notAPair(let certificate, let key, let why):
            "\(key) is not the key of the certificate \(certificate) (\(why)): name a pair"
        case .notValid(let path, let from, let until):
            "the certificate \(path) is valid from \(from) until \(until): renew it, or set the clock"
        }
    }
}

/// What TLS connections begin with.
final class TransportSecurity: Sendable {
    private struct Material {
        let context: NIOSSLContext
        let validUntil: Timestamp
    }

    private let files: TLSFiles
    private let material: Mutex<Material>

    /// Reads the files.
    init(_ files: TLSFiles, now: Timestamp) throws(TLSFailure) {
        self.files = files
        material = Mutex(try Self.read(files, now: now))
    }

    /// Reads the files anew; what was there stays in use when they are of no use.
    func reload(now: Timestamp) throws(TLSFailure) {
        let new = try Self.read(files, now: now)
        material.withLock { $0 = new }
    }

    /// Makes the handler of one connection.
    func handler() -> NIOSSLServerHandler { NIOSSLServerHandler(context: material.withLock { $0.context }) }

    /// Whether clients have to show a certificate.
    var verifiesClients: Bool { files.clientAuthority != nil }

    /// When the server's certificate ends.
    var validUntil: Timestamp { material.withLock { $0.validUntil } }

    private static func read(_ files: TLSFiles, now: Timestamp) throws(TLSFailure) -> Material {
        let chain = try certificates(files.certificate)
        guard let leaf = chain.first else {
            throw .unusable(path: files.certificate, expected: "certificate", why: "it is empty")
        }
        let from = Timestamp(seconds: leaf.notValidBefore)
        let until = Timestamp(seconds: leaf.notValidAfter)
        guard from <= now && now < until else {
            throw .notValid(path: files.certificate, from: from.rfc3339, until: until.rfc3339)
        }
        var status = stat()
        if stat(files.key, &status) == 0, status.st_mode & 0o077 != 0 {
            throw .readByOthers(path: files.key, permissions: status.st_mode & 0o777)
        }
        let key: NIOSSLPrivateKey
        do {
            key = try NIOSSLPrivateKey(file: files.key, format: .pem)
        } catch {
            throw .unusable(path: files.key, expected: "private key", why: "\(error)")
        }
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(key))
        configuration.minimumTLSVersion = .tlsv13
        if let authority = files.clientAuthority {
            configuration.trustRoots = .certificates(try certificates(authority))
            // Clients have names, but no host of theirs is known: the name is read from the certificate.
            configuration.certificateVerification = .noHostnameVerification
        }
        do {
            return Material(context: try NIOSSLContext(configuration: configuration), validUntil: until)
        } catch {
            throw .notAPair(certificate: files.certificate, key: files.key, why: "\(error)")
        }
    }

    private static func certificates(_ path: String) throws(TLSFailure) -> [NIOSSLCertificate] {
        do {
            let certificates = try NIOSSLCertificate.fromPEMFile(path)
            if !certificates.isEmpty { return certificates }
        } catch {
            throw .unusable(path: path, expected: "certificate", why: "\(error)")
        }
        throw .unusable(path: path, expected: "certificate", why: "it is empty")
    }
}

/// Who a peer is by its certificate.
enum CertificateName {
    /// It showed none.
    case none
    /// The one URI or DNS name of its certificate.
    case name(String)
    /// Its certificate has no name of these kinds, or several.
    case ambiguous(count: Int)

    /// Reads the certificate that the peer of a channel has shown.
    static func of(_ channel: any NIOCore.Channel) -> CertificateName {
        guard let certificate = try? channel.pipeline.syncOperations.nioSSL_peerCertificate() else {
            return .none
        }
        var names: [String] = []
        for name in certificate._subjectAlternativeNames()
        where name.nameType == .uri || name.nameType == .dnsName {
            names.append(name.contents.withUnsafeBufferPointer { String(decoding: $0, as: UTF8.self) })
        }
        return names.count == 1 ? .name(names[0]) : .ambiguous(count: names.count)
    }
}

extension Timestamp {
    /// Of a certificate's date: seconds since the Unix epoch, none after the year 9999.
    fileprivate init(seconds: Int) {
        self.init(microseconds: Int64(min(max(seconds, 0), 253_402_300_799)) * 1_000_000)
    }
}
