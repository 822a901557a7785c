// The report of a `callers` run: that of any run, and how the callers ran.

/// What callers measured.
package struct CallerReport: Sendable {
    /// Counts, latencies and costs; its one connection has `inFlight` callers.
    package var run: RunReport
    /// Callers ran on the client's event loop.
    package var runsOnLoop: Bool
    /// The client could send checks together as one batch.
    package var coalesces: Bool
    /// Callers asked about one controller, channel and purpose at a time.
    package var isCampaign: Bool

    /// How the program ends.
    package var exitCode: RunExit { run.exitCode }

    /// The report for people, lines with their ends.
    package var text: String {
        "\(run.plan.inFlight) callers, tasks on \(runsOnLoop ? "the client's event loop" : "Swift's threads"), "
            + "coalescing \(coalesces ? "on" : "off"), \(isCampaign ? "one campaign at a time" : "mixed")\n"
            + run.text
    }

    /// The report as one JSON document: the keys of every run, and four of its own.
    package var json: JSONText {
        guard case .object(let members) = run.json else { return run.json }
        return .object(
            members + [
                .init("callers", .integer(run.plan.inFlight)), .init("onLoop", .bool(runsOnLoop)),
                .init("coalescing", .bool(coalesces)), .init("campaign", .bool(isCampaign)),
            ])
    }
}
