// Who is calling, and what it may do.
//
// A caller is known by the bearer token of its hello, or by its certificate. The token that `--init` wrote
// may do everything. Without a credentials file, whoever is let in at all (this machine alone, or those with
// a certificate) may check, read, record and watch; erase, catalogue and admin need a credential even on
// loopback. With a credentials file nobody may do more than it says.
//
// Invariant: a connection reaches a controller only through its own view of the catalogue, in which those of
// other clients do not exist.

import ConsentDomain
import Crypto
import Synchronization
import WireProtocol

/// What a caller may do.
struct ScopeSet: OptionSet, Hashable, Sendable {
    let rawValue: UInt16
    static let check = ScopeSet(rawValue: 1 << 0)
    static let read = ScopeSet(rawValue: 1 << 1)
    static let record = ScopeSet(rawValue: 1 << 2)
    static let erase = ScopeSet(rawValue: 1 << 3)
    static let catalogue = ScopeSet(rawValue: 1 << 4)
    static let watch = ScopeSet(rawValue: 1 << 5)
    static let admin = ScopeSet(rawValue: 1 << 6)
    static let all: ScopeSet = [.check, .read, .record, .erase, .catalogue, .watch, .admin]
    /// What a caller may do without a credentials file.
    static let withoutCredential: ScopeSet = [.check, .read, .record, .watch]
    /// By the names of the schema.
    static let names: [String: ScopeSet] = [
        "check": .check, "read": .read, "record": .record, "erase": .erase, "catalogue": .catalogue,
        "watch": .watch, "admin": .admin,
    ]

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

/// How a caller is known.
enum CallerIdentity: Hashable, Sendable {
    /// It showed nothing.
    case none
    /// By the SHA-256 of its token.
    case token([UInt8])
    /// By the name of its certificate.
    case certificate(String)
}

/// A client, with what it has left of its quotas; shared by its connections.
final class Client: Sendable {
    let definition: ClientDefinition
    /// nil: no quota.
    let checks: TokenBucket?
    let misses: TokenBucket?
    let writes: TokenBucket?
    /// Its part of the newest catalogue that was asked for.
    private let part = Mutex<CatalogueSnapshot?>(nil)

    init(_ definition: ClientDefinition) {
        self.definition = definition
        checks = definition.quotas.checks.map { TokenBucket(perSecond: $0) }
        misses = definition.quotas.misses.map { TokenBucket(perSecond: $0) }
        writes = definition.quotas.writes.map { TokenBucket(perSecond: $0) }
    }

    /// Whether checks are counted.
    var isMetered: Bool { checks != nil || misses != nil }

    /// What of a catalogue the client may see.
    func view(of snapshot: CatalogueSnapshot, _ keyring: RecipientKeyring) -> CatalogueSnapshot {
        guard definition.controllers != .all else { return snapshot }
        return part.withLock { part in
            if let part, part.version == snapshot.version { return part }
            let catalogue = snapshot.catalogue.limited { definition.controllers.covers($0.code) }
            let new = CatalogueSnapshot(version: snapshot.version, catalogue: catalogue, keyring: keyring)
            part = new
            return new
        }
    }
}

/// A caller after its handshake.
struct Access: Sendable {
    /// The caller's name, for logs and events; at most 64 bytes.
    var clientName: String
    var identity: CallerIdentity
    var client: Client
    /// Those of `client`, at hand for every call.
    var scopes: ScopeSet
    /// Whether `client` counts checks.
    var isMetered: Bool

    init(clientName: String, identity: CallerIdentity, client: Client) {
        self.clientName = clientName
        self.identity = identity
        self.client = client
        scopes = client.definition.scopes
        isMetered = client.isMetered
    }

    /// Before a handshake: nothing may be done.
    static let nobody = Access(
        clientName: "", identity: .none,
        client: Client(ClientDefinition(name: "", controllers: .codes([]), scopes: [])))
}

/// Tells callers apart.
final class Authorisation: Sendable {
    private struct Policy {
        /// nil: there is no credentials file.
        var clients: [Client]?
    }

    private let adminTokenHash: SHA256.Digest
    private let admin = Client(ClientDefinition(name: "", scopes: .all))
    /// Whoever is let in without a credentials file.
    private let anyone = Client(ClientDefinition(name: "", scopes: .withoutCredential))
    private let policy: Mutex<Policy>

    /// - Parameters:
    ///   - adminToken: the bearer token as text.
    ///   - clients: those of the credentials file; nil: there is none.
    init(adminToken: String, clients: [ClientDefinition]?) {
        adminTokenHash = SHA256.hash(data: Array(adminToken.utf8))
        policy = Mutex(Policy(clients: clients.map { $0.map { Client($0) } }))
    }

    /// Takes what a credentials file says now. Clients that are as before keep what they have used.
    func replace(_ definitions: [ClientDefinition]) {
        policy.withLock { policy in
            let known = Dictionary(
                (policy.clients ?? []).map { ($0.definition, $0) }, uniquingKeysWith: { first, _ in first })
            policy.clients = definitions.map { known[$0] ?? Client($0) }
        }
    }

    /// How many clients the credentials file has; nil: there is none.
    var clientCount: Int? { policy.withLock { $0.clients?.count } }

    /// Finds out who a caller is.
    /// - Parameters:
    ///   - credential: the token of its hello; empty: none.
    ///   - certificate: the name of its certificate; nil: none.
    ///   - clientName: what it calls itself.
    /// - Returns: nil when it is not known.
    func access(credential: [UInt8], certificate: String?, clientName: String) -> Access? {
        let identity: CallerIdentity =
            credential.isEmpty
            ? certificate.map { .certificate($0) } ?? .none : .token(Array(SHA256.hash(data: credential)))
        return access(identity, clientName: clientName)
    }

    /// What a caller that is known already may do now; nil: nothing any more.
    func access(_ identity: CallerIdentity, clientName: String) -> Access? {
        if case .token(let hash) = identity, adminTokenHash == hash {
            return Access(clientName: Self.truncated(clientName), identity: identity, client: admin)
        }
        guard let clients = policy.withLock({ $0.clients }) else {
            switch identity {
            case .none:
                return Access(clientName: Self.truncated(clientName), identity: identity, client: anyone)
            case .certificate(let name):
                return Access(clientName: Self.truncated(name), identity: identity, client: anyone)
            case .token: return nil
            }
        }
        let client: Client? =
            switch identity {
            case .none: nil
            case .certificate(let name): clients.first { $0.definition.certificates.contains(name) }
            case .token(let hash):
                clients.first { client in
                    client.definition.tokenHashes.contains { Self.isEqual($0, hash) }
                }
            }
        return client.map { Access(clientName: $0.definition.name, identity: identity, client: $0) }
    }

    /// Compares hashes of one length in a time that does not depend on where they differ.
    private static func isEqual(_ left: [UInt8], _ right: [UInt8]) -> Bool {
        left.count == right.count && zip(left, right).reduce(UInt8(0)) { $0 | ($1.0 ^ $1.1) } == 0
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
