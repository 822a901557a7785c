// Who is calling, and what it may do.
//
// Two kinds of caller exist: one without a credential, which this server accepts on loopback only, and the
// bearer of the admin token that `--init` wrote. Erase, catalogue and admin need the token even on loopback.

import ConsentDomain
import Crypto
import WireProtocol

/// What a caller may do.
struct ScopeSet: OptionSet, Sendable {
    let rawValue: UInt16
    static let check = ScopeSet(rawValue: 1 << 0)
    static let read = ScopeSet(rawValue: 1 << 1)
    static let record = ScopeSet(rawValue: 1 << 2)
    static let erase = ScopeSet(rawValue: 1 << 3)
    static let catalogue = ScopeSet(rawValue: 1 << 4)
    static let watch = ScopeSet(rawValue: 1 << 5)
    static let admin = ScopeSet(rawValue: 1 << 6)
    static let all: ScopeSet = [.check, .read, .record, .erase, .catalogue, .watch, .admin]

    /// Whether a method of this scope may be called.
    func allows(_ scope: Wire.Scope) -> Bool {
        switch scope {
        case .none: true
        case .check: contains(.check)
        case .read: contains(.read)
        case .record: contains(.record)
        case .erase: contains(.erase)
        case .catalogue: contains(.catalogue)
        case .watch: contains(.watch)
        case .admin: contains(.admin)
        }
    }
}

/// A caller after its handshake.
struct Access: Sendable {
    /// The caller's name, for logs and events; at most 64 bytes.
    var clientName: String
    var scopes: ScopeSet

    /// What a caller without a credential may do.
    static let withoutCredential: ScopeSet = [.check, .read, .record, .watch]
}

/// Tells callers apart by their credential.
struct Authorisation: Sendable {
    private let adminTokenHash: SHA256.Digest

    /// - Parameter adminToken: the bearer token as text.
    init(adminToken: String) {
        adminTokenHash = SHA256.hash(data: Array(adminToken.utf8))
    }

    /// Returns nil when the credential is unknown. Hashes are compared in constant time.
    func access(credential: [UInt8], clientName: String) -> Access? {
        let name = Self.truncated(clientName)
        if credential.isEmpty { return Access(clientName: name, scopes: Access.withoutCredential) }
        guard SHA256.hash(data: credential) == adminTokenHash else { return nil }
        return Access(clientName: name, scopes: .all)
    }

    /// The first characters of a name, at most 64 bytes of UTF-8, without control characters. A name that
    /// holds an address is none: names are logged and stand in events that are never erased.
    private static func truncated(_ name: String) -> String {
        var result = ""
        var evidence = Evidence()
        evidence.userAgent = name
        guard TextRules.problem(evidence: evidence, reference: "", staff: "") == nil else { return "unnamed" }
        for character in name
        where !character.unicodeScalars.contains(where: { $0.properties.generalCategory == .control }) {
            guard result.utf8.count + character.utf8.count <= 64 else { break }
            result.append(character)
        }
        return result
    }
}
