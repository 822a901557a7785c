// Options that commands share, and how their words become values.

import ArgumentParser
import ConsentClient

/// Where the server is and how the answer is printed.
struct ConnectionOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The server's address (default: $CONSENTD_SERVER, else 127.0.0.1:7447).", valueName: "host:port"))
    var server: String?

    @Option(help: ArgumentHelp("File that holds the credential.", valueName: "file"))
    var tokenFile: String?

    @Option(
        help: ArgumentHelp(
            "Certificates of the authority that the server's is signed by: TLS.", valueName: "file"))
    var ca: String?

    @Option(help: ArgumentHelp("Certificate that says who this client is.", valueName: "file"))
    var cert: String?

    @Option(help: ArgumentHelp("Private key of the certificate.", valueName: "file"))
    var key: String?

    @Option(
        help: ArgumentHelp(
            "Name that the server's certificate must have, if not the host.", valueName: "name"))
    var serverName: String?

    @Option(help: ArgumentHelp("Time for each call, such as 500ms or 10s.", valueName: "duration"))
    var timeout: String?

    @Flag(help: "Print JSON.")
    var json = false

    var address: String { server ?? Terminal.environment("CONSENTD_SERVER") ?? "127.0.0.1:7447" }

    func validate() throws {
        guard ServerAddress(address) != nil else {
            throw ValidationError(
                "\"\(address)\" is not HOST:PORT; write for example --server 127.0.0.1:7447")
        }
        _ = try duration(timeout, "--timeout")
        guard (cert == nil) == (key == nil) else {
            throw ValidationError("--cert and --key go together: give both, or neither")
        }
        guard ca != nil || (cert == nil && serverName == nil) else {
            throw ValidationError("--cert, --key and --server-name are of use with TLS only: give --ca too")
        }
    }

    func client() throws -> (ServerAddress, ConsentClient.Configuration) {
        var configuration = ConsentClient.Configuration()
        configuration.clientName = "consentctl"
        configuration.acceptsAnyRegister = true
        configuration.timeout = try duration(timeout, "--timeout")
        if let ca {
            var tls = ConsentClient.TLS()
            tls.authority = ca
            tls.certificate = cert
            tls.key = key
            tls.serverName = serverName
            configuration.tls = tls
        }
        if let tokenFile {
            configuration.credential = try Files.readAll(tokenFile)
            while let last = configuration.credential.last, last <= 0x20 {
                configuration.credential.removeLast()
            }
            guard !configuration.credential.isEmpty else {
                throw CommandFailure(.configuration, "\(tokenFile) is empty: it must hold the token")
            }
        }
        guard let address = ServerAddress(address) else { throw CommandFailure(.usage, "no server address") }
        return (address, configuration)
    }

    func connect() async throws -> ConsentClient {
        let (address, configuration) = try client()
        return try await ConsentClient.connect(to: address, configuration: configuration)
    }
}

/// Reads a duration option.
func duration(_ text: String?, _ option: String) throws -> Duration? {
    guard let text else { return nil }
    guard let duration = Duration(text: text), duration > .zero else {
        throw ValidationError("\(option) \"\(text)\" is not a duration; write for example 500ms, 10s or 7h")
    }
    return duration
}

/// Reads a time option.
func time(_ text: String?, _ option: String) throws -> Timestamp? {
    guard let text else { return nil }
    guard let time = Timestamp(rfc3339: text) else {
        throw ValidationError(
            "\(option) \"\(text)\" is not a time; write for example 2026-03-29T10:15:30+02:00")
    }
    return time
}

/// Reads an id of 32 bytes.
func digest(_ text: String, _ option: String) throws -> Digest32 {
    guard let bytes = [UInt8](hexadecimal: text), let digest = Digest32(bytes) else {
        throw ValidationError("\(option) is 64 hexadecimal digits")
    }
    return digest
}

/// Reads one name of an enumeration.
func named<Value: CaseIterable>(_ text: String, _ option: String, _ nameOf: (Value) -> String) throws -> Value
{
    guard let value = Names.value(text, nameOf) else {
        throw ValidationError("\(option) \"\(text)\" is not one of \(Names.all(nameOf))")
    }
    return value
}

/// The words of a list option: `email,sms`.
func words(_ text: String?) -> [String] {
    (text ?? "").split { $0 == "," || $0 == "|" }.map { String($0).trimmingASCIISpaces }.filter {
        !$0.isEmpty
    }
}

/// Reads a list of channels; `all` where that is allowed gives the empty set, which means all.
func channels(_ text: String?, mayBeAll: Bool) throws -> ChannelSet {
    let names = words(text)
    if mayBeAll && names.contains("all") { return ChannelSet() }
    return ChannelSet(try names.map { try named($0, "--channels", Names.channel) })
}

/// Reads a list of attestations.
func attestations(_ text: String?) throws -> Attestations {
    var set = Attestations()
    for word in words(text) {
        guard let found = Names.attestations.first(where: { $0.name == word }) else {
            throw ValidationError("--attest \"\(word)\" is not one of \(Tooling.attestationNames)")
        }
        set.formUnion(found.value)
    }
    return set
}

/// The catalogue as a command needs it: codes to numbers, and back for printing.
struct CatalogueView: Sendable {
    let listing: CatalogueListing
    let codes: CatalogueCodes

    init(_ client: ConsentClient) async throws {
        listing = try await client.catalogue()
        codes = CatalogueCodes(controllers: listing.controllers, purposes: listing.purposes)
    }

    func controller(_ text: String) throws -> ControllerID {
        guard let id = codes.controller(text) else {
            throw CommandFailure(.badData, Tooling.noController(text))
        }
        return id
    }

    func purpose(_ text: String) throws -> PurposeID {
        guard let id = codes.purpose(text) else { throw CommandFailure(.badData, Tooling.noPurpose(text)) }
        return id
    }

    /// Reads a list of purposes; `all` where that is allowed gives the empty set, which means all.
    func purposes(_ text: String?, mayBeAll: Bool) throws -> PurposeSet {
        let names = words(text)
        if mayBeAll && names.contains("all") { return PurposeSet() }
        return PurposeSet(try names.map(purpose))
    }

    func name(_ id: ControllerID) -> String {
        if id.rawValue == 0 { return "-" }
        return listing.controllers.first { $0.id == id }?.code ?? String(id.rawValue)
    }

    func name(_ id: PurposeID) -> String {
        listing.purposes.first { $0.id == id }?.code ?? String(id.rawValue)
    }

    func names(_ set: PurposeSet) -> [String] { (set.isAll ? ["all"] : []) + set.named.map(name) }
}

func names(_ set: ChannelSet) -> [String] { (set.isAll ? ["all"] : []) + set.named.map(Names.channel) }

/// Whom a command is about: addresses, one address, or a reference.
struct SubjectOptions: ParsableArguments {
    @Argument(help: ArgumentHelp("The address; better read from stdin.", valueName: "address"))
    var addresses: [String] = []

    @Flag(help: "Read the address from stdin.")
    var stdin = false

    @Option(
        help: ArgumentHelp("The operator's own id of the person, instead of an address.", valueName: "ref"))
    var reference: String?

    func validate() throws {
        if reference != nil && (stdin || !addresses.isEmpty) {
            throw ValidationError("name an address or a --reference, not both")
        }
    }

    func subject(mayBeSeveral: Bool = false) throws -> Subject {
        if let reference { return .reference(reference) }
        let addresses = self.addresses + (stdin || self.addresses == ["-"] ? try Terminal.inputLines() : [])
        let named = addresses.filter { $0 != "-" }
        guard let first = named.first else {
            throw CommandFailure(
                .usage, "name an address, or give it on stdin with --stdin, or use --reference")
        }
        guard mayBeSeveral || named.count == 1 else {
            throw CommandFailure(.usage, "name one address; there are \(named.count)")
        }
        return .contacts(mayBeSeveral ? named.map { WriteContact($0) } : [WriteContact(first)])
    }
}
