// `consent-load seed` and `check` with `--peer`: the same population and the same questions, put to another
// server, by the same engine.

import CPlatform
import WireProtocol

/// Loads and measures peers.
package enum PeerRun {
    /// What a loading came to.
    package struct SeedReport: Sendable {
        /// What was loaded.
        package var population: Population
        /// Name of the peer and its command.
        package var name: String
        /// Seconds that it took.
        package var seconds: Double

        /// One JSON document.
        package var json: JSONText {
            .object([
                .init("mode", .string("seed")), .init("peer", .string(name)),
                .init("seed", .integer(Int(truncatingIfNeeded: population.seed))),
                .init("recipients", .integer(population.recipients)),
                .init("controllers", .integer(population.controllers)),
                .init("anchorDay", .integer(population.anchorDay)),
                .init("durationSeconds", .number(seconds)),
            ])
        }

        /// For people, lines with their ends.
        package var text: String {
            "seed \(population.seed): \(TextFormat.grouped(population.recipients)) recipients "
                + "for \(name), in \(TextFormat.fixed(seconds, 1)) s\n"
        }
    }

    /// Loads the keys of a population into a peer.
    package static func seed(
        _ peer: PeerOptions, _ options: SeedOptions
    ) async throws(LoadError) -> SeedReport {
        let asked = try Population(
            seed: options.seed, recipients: options.recipients, controllers: options.controllers,
            anchorDay: CalendarDays.day(ofMicroseconds: Int64(consent_wall_nanoseconds() / 1_000)))
        let known = try await peer.population()
        if let known, !asked.isSame(as: known) {
            throw .configuration(
                "this peer was loaded with --seed \(known.seed) --recipients \(known.recipients) "
                    + "--controllers \(known.controllers): use these, or empty it first")
        }
        let population = known ?? asked
        var plan = RunPlan()
        plan.connections = options.connections
        plan.inFlight = options.inFlight ?? 16
        plan.threads = options.threads
        plan.warmUpNanoseconds = 0
        plan.durationNanoseconds = nil
        try plan.check()
        let final = plan
        let printer = ProgressPrinter(forced: options.forcesProgress)
        let started = consent_monotonic_nanoseconds()
        let result = try await LoadDriver<PeerDialogue<PeerLoading>>(
            host: peer.host, port: peer.port, plan: final
        ).run(meter: { MeterReading() }, progress: printer.live(unit: "recipients")) { number in
            let first = population.recipients * number / final.connections
            let end = population.recipients * (number + 1) / final.connections
            return PeerDialogue(
                requests: PeerLoading(
                    population: population, format: peer.format, range: first..<end,
                    inFlight: final.inFlight),
                format: peer.format, inFlight: final.inFlight)
        }
        printer.clear()
        guard result.statistics.units == population.recipients else {
            let why = result.statistics.lostReason ?? "the peer did not answer"
            throw .lost(
                "\(why); \(TextFormat.grouped(result.statistics.units)) of "
                    + "\(TextFormat.grouped(population.recipients)) recipients were loaded")
        }
        try await peer.mark(population)
        return SeedReport(
            population: population, name: peer.format.name(batch: 2),
            seconds: Double(consent_monotonic_nanoseconds() - started) / 1e9)
    }

    /// Measures checks against a peer.
    package static func check(
        _ peer: PeerOptions, _ options: CheckOptions
    ) async throws(LoadError) -> RunReport {
        try options.check()
        guard options.shape.keys == .digest else {
            throw .usage("--keys raw is for consentd alone: a peer is asked by key")
        }
        guard let population = try await peer.population() else {
            throw .configuration(
                "no population was loaded into this peer: run `consent-load seed --peer "
                    + "\(peer.format.kind.rawValue) --peer-command \(peer.format.command.rawValue)` first")
        }
        let printer = ProgressPrinter(forced: options.forcesProgress)
        let shape = try options.shape(for: population)
        printer.show("preparing \(TextFormat.grouped(shape.items)) questions")
        let pool = PeerQuestionPool(
            population: population, shape: shape, format: peer.format, seed: options.plan.seed)
        printer.clear()
        let plan = options.plan
        let wrongAnswers = WrongAnswers()
        let result = try await LoadDriver<PeerDialogue<PeerChecks>>(
            host: peer.host, port: peer.port, plan: plan
        ).run(meter: { peer.meter() }, progress: printer.live(unit: "checks")) { number in
            PeerDialogue(
                requests: PeerChecks(
                    pool: pool, connection: number, plan: plan, verifies: shape.verifies,
                    wrongAnswers: wrongAnswers),
                format: peer.format, inFlight: plan.inFlight)
        }
        printer.clear()
        var report = RunReport(mode: "check", plan: plan, result: result)
        report.describe(shape, wrongAnswers)
        report.peer = peer.format.name(batch: shape.itemsPerQuestion)
        return report
    }
}
