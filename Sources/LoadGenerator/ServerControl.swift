// Everything that a run says to the server apart from its load: through the client library, on a connection
// of its own.

import ConsentClient
import ConsentDomain
import WireProtocol

/// Which server, and as whom.
package struct ServerOptions: Sendable {
    /// Where it listens.
    package var address: ServerAddress
    /// Bearer token; empty: none.
    package var credential: [UInt8] = []
    /// nil: connections are plain.
    package var tls: ConsentClient.TLS?

    /// - Parameter address: where it listens.
    package init(address: ServerAddress) {
        self.address = address
    }
}

/// The control connection of a run.
package final class ServerControl: Sendable {
    private let client: ConsentClient
    private let address: ServerAddress

    /// Number of the controller that `write` grants to.
    package static let writeController: UInt32 = 999
    private static let writeMark = "load-write/1"

    private init(client: ConsentClient, address: ServerAddress) {
        self.client = client
        self.address = address
    }

    /// Connects.
    package static func connect(_ options: ServerOptions) async throws(LoadError) -> ServerControl {
        var configuration = ConsentClient.Configuration()
        configuration.clientName = "consent-load control"
        configuration.credential = options.credential
        configuration.tls = options.tls
        configuration.attemptsMax = 1
        do throws(ConsentClientError) {
            let client = try await ConsentClient.connect(to: options.address, configuration: configuration)
            return ServerControl(client: client, address: options.address)
        } catch {
            throw LoadError(error)
        }
    }

    /// Ends the connection.
    package func close() async {
        await client.close()
    }

    // MARK: Counts

    /// The server's counts.
    package func stats(timeout: Duration = .seconds(5)) async throws(LoadError) -> ServerStats {
        do throws(ConsentClientError) {
            return try await client.stats(timeout: timeout)
        } catch {
            throw LoadError(error)
        }
    }

    /// Reads CPU times here and there.
    package func meter() async -> MeterReading {
        let stats = try? await stats(timeout: .seconds(1))
        var reading = MeterReading()
        reading.serverSeconds = stats.map { $0.cpuTime / .seconds(1) }
        return reading
    }

    /// Refuses to go on where load tests have no business.
    package func requireTestRegister() async throws(LoadError) {
        guard try await stats().isTestRegister else { throw .notATestRegister }
    }

    // MARK: Catalogue

    /// The catalogue, without texts.
    package func catalogue() async throws(LoadError) -> CatalogueListing {
        do throws(ConsentClientError) {
            return try await client.catalogue(timeout: .seconds(10))
        } catch {
            throw LoadError(error)
        }
    }

    /// The population that was seeded here; nil: none.
    package static func population(in catalogue: CatalogueListing) -> (Population, NoticeID)? {
        for entry in catalogue.notices {
            if let population = Population(mark: entry.notice.version) { return (population, entry.id) }
        }
        return nil
    }

    /// Writes what a population needs (purposes, controllers, notice) as far as it is not there.
    ///
    /// - Parameter progress: called with the number of controllers written.
    /// - Returns: the id of the notice.
    package func prepare(
        _ population: Population, catalogue: CatalogueListing, progress: (Int) -> Void
    ) async throws(LoadError) -> NoticeID {
        try await preparePurposes(catalogue)
        let known = Set(catalogue.controllers.map(\.id.rawValue))
        var written = 0
        for index in 0..<population.controllers {
            let number = Population.firstController + UInt32(index)
            guard !known.contains(number) else { continue }
            try await put(ServerControl.controller(number, name: "Load test salon \(index + 1)"))
            written += 1
            progress(written)
        }
        let controllers = (0..<population.controllers).map { Population.firstController + UInt32($0) }
        return try await put(
            ServerControl.notice(
                version: population.mark, channels: ChannelSet([Channel.email, .sms]),
                controllers: controllers))
    }

    /// Writes what `write` needs as far as it is not there.
    ///
    /// - Returns: the id of the notice.
    package func prepareWriting() async throws(LoadError) -> NoticeID {
        let catalogue = try await catalogue()
        if let notice = catalogue.notices.first(where: { $0.notice.version == ServerControl.writeMark }) {
            return notice.id
        }
        try await preparePurposes(catalogue)
        try await put(ServerControl.controller(ServerControl.writeController, name: "Load test writes"))
        return try await put(
            ServerControl.notice(
                version: ServerControl.writeMark, channels: ChannelSet([Channel.email]),
                controllers: [ServerControl.writeController]))
    }

    private func preparePurposes(_ catalogue: CatalogueListing) async throws(LoadError) {
        let wanted =
            PopulationPurpose.marketing.map { ($0, PurposeClass.marketing) }
            + [(PopulationPurpose.service, PurposeClass.service)]
        for (purpose, purposeClass) in wanted {
            guard let id = PurposeID(rawValue: purpose.id) else { continue }
            if let existing = catalogue.purposes.first(where: { $0.id == id }) {
                guard existing.purposeClass == purposeClass && !existing.retired else {
                    throw .configuration(
                        "purpose \(purpose.id) of this register is \(existing.code), "
                            + "\(existing.retired ? "retired" : "of class \(existing.purposeClass)"): "
                            + "load tests need it to be \(purposeClass); use a register of their own")
                }
                continue
            }
            let new = Purpose(id: id, code: purpose.code, title: purpose.title, purposeClass: purposeClass)
            do throws(ConsentClientError) {
                _ = try await client.putPurpose(new)
            } catch {
                throw LoadError(error)
            }
        }
    }

    private func put(_ controller: Controller) async throws(LoadError) {
        do throws(ConsentClientError) {
            _ = try await client.putController(controller)
        } catch {
            throw LoadError(error)
        }
    }

    private func put(_ notice: Notice) async throws(LoadError) -> NoticeID {
        let recorded: NoticeID?
        do throws(ConsentClientError) {
            recorded = try await client.putNotice(notice).notice
        } catch {
            throw LoadError(error)
        }
        guard let id = recorded else {
            throw .lost("the server did not name the notice that it recorded")
        }
        return id
    }

    private static func controller(_ number: UInt32, name: String) -> Controller {
        var controller = Controller(
            id: ControllerID(rawValue: number), code: "load-\(number)", name: name)
        controller.country = "FR"
        controller.region = "FR"
        controller.retentionMonths = UInt16(Population.validityMonths)
        controller.validityMonths = UInt16(Population.validityMonths)
        return controller
    }

    private static func notice(version: String, channels: ChannelSet, controllers: [UInt32]) -> Notice {
        var notice = Notice(
            locale: "fr-FR",
            text: "J'accepte de recevoir par e-mail et par SMS la lettre d'information, les offres et les "
                + "invitations de mon salon. Je peux retirer mon accord à tout moment. (Essai de charge : "
                + "personne n'a jamais lu ce texte.)",
            channels: channels,
            purposes: PurposeSet(PopulationPurpose.marketing.compactMap { PurposeID(rawValue: $0.id) }),
            controllers: controllers.map { ControllerID(rawValue: $0) })
        notice.withdrawalExplained = true
        notice.dataUseExplained = true
        notice.policyURL = "https://salon.example/donnees"
        notice.box = .unticked
        notice.termsSeparate = true
        notice.version = version
        return notice
    }

    // MARK: Keys

    /// Keys of addresses of one controller, 16 bytes each, in order.
    package func keys(of addresses: [String], controller: UInt32, kind: RecipientKind) async throws(LoadError)
        -> [UInt8]
    {
        let answer: RecipientKeys
        do throws(ConsentClientError) {
            answer = try await client.keys(
                of: addresses, controller: ControllerID(rawValue: controller),
                kind: kind == .email ? .email : .phone, timeout: .seconds(30))
        } catch {
            throw LoadError(error)
        }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(16 * answer.keys.count)
        for key in answer.keys {
            guard let key else { throw .configuration("the server could not normalise a generated address") }
            for word in [key.low, key.high] {
                withUnsafeBytes(of: word.littleEndian) { bytes.append(contentsOf: $0) }
            }
        }
        return bytes
    }
}

extension LoadError {
    /// What the client library said, with this program's exit codes.
    init(_ error: ConsentClientError) {
        self =
            switch error {
            case .unreachable(let address, let why), .untrusted(let address, let why):
                .unreachable(address: address, why: why)
            case .handshake(let failure) where failure.isBadCredential: .turnedAway(failure.message)
            case .handshake(let failure):
                .configuration("the server refused the connection: \(failure.message)")
            case .rejected(let rejection): .rejected(rejection.status, "\(error)")
            case .invalidRequest(let what): .usage(what)
            default: .lost("\(error)")
            }
    }
}
