// Who may call, and what each may do: the file `credentials.yaml`.
//
//     clients:
//       - name: newsletter                      # in logs, and as actor in events
//         token-sha256: 6b86b273ff34fce1…       # of the bearer token; or a list, while one is replaced
//         certificate: newsletter.example.net   # the one URI or DNS name of a client certificate; or a list
//         controllers: [salon-lyon]             # codes; or all
//         scopes: [check, read, record]
//         sources: [widget, salon]              # which it may claim for what it records; or all
//         actors: [Marie]                       # staff in whose name it may record; or all
//         quotas: {checks: 200000, misses: 100, writes: 500}      # a second; none where absent
//
// Tokens are not in it, only their hashes: who reads the file cannot call. `consentctl credential new` makes
// an entry.

import ConsentDomain
import ConsentWire
import Foundation
import WireProtocol

/// The controllers that a client may act for.
enum ControllerClaim: Hashable, Sendable {
    case all
    case codes(Set<String>)

    func covers(_ code: String) -> Bool {
        switch self {
        case .all: true
        case .codes(let codes): codes.contains(code)
        }
    }

    /// Whether an event may be shown: one about a controller that is among them, or about purposes, which are
    /// everyone's.
    func covers(_ event: ConsentEvent, in catalogue: Catalogue) -> Bool {
        guard self != .all else { return true }
        if let notice = event.kind.isCatalogue ? event.notice : nil {
            return catalogue.notices[notice]?.controllers.contains { covers($0, in: catalogue) } ?? false
        }
        return event.kind == .purposePut || event.kind == .restored || covers(event.controller, in: catalogue)
    }

    /// Whether a controller of a catalogue is among them; one that is not in the catalogue is only in `all`.
    func covers(_ id: ControllerID, in catalogue: Catalogue) -> Bool {
        switch self {
        case .all: true
        case .codes(let codes): catalogue.controllers[id].map { codes.contains($0.code) } ?? false
        }
    }
}

/// The staff in whose name a client may record.
enum ActorClaim: Hashable, Sendable {
    case all
    case names(Set<String>)

    func covers(_ name: String) -> Bool {
        switch self {
        case .all: true
        case .names(let names): name.isEmpty || names.contains(name)
        }
    }
}

/// What a client may use a second; nil: as much as it likes.
struct Quotas: Hashable, Sendable {
    var checks: Double?
    /// Checks and reads about contact points of which nothing is on file: whoever tries out addresses has
    /// many of them.
    var misses: Double?
    var writes: Double?
}

/// One client of the file.
struct ClientDefinition: Hashable, Sendable {
    /// At most 64 bytes.
    var name: String
    /// SHA-256 of each of its tokens, 32 bytes.
    var tokenHashes: [[UInt8]] = []
    /// URI or DNS names of its certificates.
    var certificates: [String] = []
    var controllers = ControllerClaim.all
    var scopes: ScopeSet
    /// nil: any.
    var sources: Set<Source>?
    var actors = ActorClaim.all
    var quotas = Quotas()

    /// Whether it may say that a consent came from there. What the wire cannot name is unspecified.
    func claims(_ source: Wire.Source) -> Bool {
        let source = Source(rawValue: source.rawValue) ?? .unspecified
        return sources.map { source == .unspecified || $0.contains(source) } ?? true
    }
}

/// Reads the file.
enum CredentialsFile {
    /// Clients that one file may hold: each token that is shown is compared with all of them.
    static let clientsMax = 1_000

    /// - Throws: `YAMLFailure`, or `ServerFailure` (78) where others can read the file.
    static func read(_ path: String) throws -> [ClientDefinition] {
        var status = stat()
        guard stat(path, &status) == 0 else {
            throw ServerFailure(
                exitCode: 78,
                message: "there is no credentials file \(path): make it, or leave --credentials out")
        }
        guard status.st_mode & 0o077 == 0 else {
            throw ServerFailure(
                exitCode: 78,
                message: "others can read the credentials file \(path) "
                    + "(mode 0\(String(status.st_mode & 0o777, radix: 8))): chmod 600 \(path)")
        }
        let file = try YAMLFields(file: path, known: ["clients"])
        let entries = try file.list("clients", known: keys)
        guard entries.count <= clientsMax else {
            throw file.failure("clients", "are \(entries.count); the limit is \(clientsMax)")
        }
        var clients: [ClientDefinition] = []
        var names = Set<String>()
        var hashes = Set<[UInt8]>()
        var certificates = Set<String>()
        for entry in entries {
            let client = try definition(entry)
            guard names.insert(client.name).inserted else {
                throw entry.failure("name", "\(client.name) is there twice: one entry a client")
            }
            for hash in client.tokenHashes where !hashes.insert(hash).inserted {
                throw entry.failure("token-sha256", "of \(client.name) is another client's too")
            }
            for name in client.certificates where !certificates.insert(name).inserted {
                throw entry.failure("certificate", "\(name) is another client's too")
            }
            clients.append(client)
        }
        return clients
    }

    private static let keys = [
        "name", "token-sha256", "certificate", "controllers", "scopes", "sources", "actors", "quotas",
    ]

    private static func definition(_ entry: YAMLFields) throws(YAMLFailure) -> ClientDefinition {
        guard let name = try entry.text("name"), isName(name) else {
            throw entry.failure("name", "is 1 to 64 letters, digits, dots, hyphens, underscores")
        }
        var client = ClientDefinition(name: name, scopes: try scopes(entry))
        for text in try entry.texts("token-sha256") ?? [] {
            guard let hash = Hexadecimal.bytes(of: text.lowercased()), hash.count == 32 else {
                throw entry.failure(
                    "token-sha256", "is 64 hexadecimal digits: consentctl credential new makes it")
            }
            client.tokenHashes.append(hash)
        }
        client.certificates = try entry.texts("certificate") ?? []
        guard !client.tokenHashes.isEmpty || !client.certificates.isEmpty else {
            throw entry.failure("name", "\(name) has neither token-sha256 nor certificate: how is it known?")
        }
        guard let controllers = try entry.texts("controllers"), !controllers.isEmpty else {
            throw entry.failure("controllers", "is missing: a list of codes, or all")
        }
        client.controllers = controllers == ["all"] ? .all : .codes(Set(controllers))
        guard client.controllers == .all || !client.scopes.contains(.admin) else {
            throw entry.failure(
                "controllers", "must be all for a client with scope admin: its methods reach every controller"
            )
        }
        client.sources = try sources(entry, of: client)
        let actors = try entry.texts("actors") ?? []
        client.actors = actors == ["all"] ? .all : .names(Set(actors))
        client.quotas = try quotas(entry)
        return client
    }

    private static func isName(_ name: String) -> Bool {
        (1...64).contains(name.utf8.count)
            && name.utf8.allSatisfy {
                (0x30...0x39).contains($0) || (0x41...0x5A).contains($0) || (0x61...0x7A).contains($0)
                    || $0 == 0x2E || $0 == 0x2D || $0 == 0x5F
            }
    }

    private static func scopes(_ entry: YAMLFields) throws(YAMLFailure) -> ScopeSet {
        var scopes = ScopeSet()
        for name in try entry.texts("scopes") ?? [] {
            guard let scope = ScopeSet.names[name] else {
                throw entry.failure(
                    "scopes",
                    "has no \(name): there are \(ScopeSet.names.keys.sorted().joined(separator: ", "))")
            }
            scopes.insert(scope)
        }
        guard !scopes.isEmpty else { throw entry.failure("scopes", "is missing: what may the client do?") }
        return scopes
    }

    /// Whoever may record says where from: a source is what the consent's proof rests on.
    private static func sources(
        _ entry: YAMLFields, of client: ClientDefinition
    ) throws(YAMLFailure) -> Set<Source>? {
        let names = try entry.texts("sources")
        guard let names else {
            guard !client.scopes.contains(.record) else {
                throw entry.failure("sources", "is missing: a client with scope record needs a list, or all")
            }
            return []
        }
        if names == ["all"] { return nil }
        var sources = Set<Source>()
        for name in names {
            let words = name.replacing("-", with: "_")
            guard let source = Source.allCases.first(where: { EventText.name($0) == words }) else {
                let known = Source.allCases.map { EventText.name($0) }.joined(separator: ", ")
                throw entry.failure("sources", "has no \(name): there are \(known)")
            }
            sources.insert(source)
        }
        return sources
    }

    private static func quotas(_ entry: YAMLFields) throws(YAMLFailure) -> Quotas {
        guard let fields = try entry.fields("quotas", known: ["checks", "misses", "writes"]) else {
            return Quotas()
        }
        func rate(_ name: String) throws(YAMLFailure) -> Double? {
            guard let text = try fields.text(name) else { return nil }
            guard let rate = Double(text), rate > 0, rate <= 1e9 else {
                throw fields.failure(name, "is a number a second above 0; leave it out for no quota")
            }
            return rate
        }
        return Quotas(checks: try rate("checks"), misses: try rate("misses"), writes: try rate("writes"))
    }
}
