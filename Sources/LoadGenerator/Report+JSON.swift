// A run's report for programs: one JSON document. Keys are only ever added.

import WireProtocol

extension RunReport {
    /// The report as one JSON document.
    package var json: JSONText {
        let statistics = result.statistics
        var members: [JSONText.Member] = [
            .init("mode", .string(mode)), .init("peer", peer.map(JSONText.string) ?? .null),
            .init("loop", .string(loop)),
            .init("seed", .integer(Int(truncatingIfNeeded: plan.seed))),
            .init("connections", .integer(plan.connections)), .init("inFlight", .integer(plan.inFlight)),
            .init("threads", .integer(plan.threads)), .init("batch", .integer(batch)),
            .init("rate", plan.rate.map(JSONText.number) ?? .null),
            .init("arrivals", plan.rate == nil ? .null : .string(plan.arrivals.rawValue)),
            .init("warmUpSeconds", .number(Double(plan.warmUpNanoseconds) / 1e9)),
            .init("durationSeconds", .number(result.measuredSeconds)),
            .init("requests", .integer(statistics.requests)),
            .init("requestsPerSecond", .number(requestsPerSecond)),
            .init("checks", .integer(isWrite ? 0 : statistics.units)),
            .init("checksPerSecond", .number(checksPerSecond)),
            .init("errors", .integer(statistics.errorCount)), .init("errorsByStatus", errorsByStatus),
            .init("unanswered", .integer(statistics.unanswered)),
            .init("lostConnections", .integer(statistics.lostConnections)),
            .init("waitedForSlot", .integer(statistics.blocked)),
            .init("wrongAnswers", .integer(wrongCount)), .init("verified", .bool(isVerified)),
            .init("valid", .bool(invalidReasons.isEmpty)),
            .init("invalidReasons", .array(invalidReasons.map(JSONText.string))),
        ]
        members += workloadMembers
        members += [
            .init("profiles", profiles.map { .integer(Int(clamping: $0)) } ?? .null),
            .init("serverRecipients", serverRecipients.map { .integer(Int(clamping: $0)) } ?? .null),
            .init("serverVersion", .string(serverVersion)),
            .init(
                "latencyMicroseconds",
                RunReport.latencies(statistics)),
            .init(
                "wireBytes",
                .object([
                    .init("sent", .integer(statistics.bytesSent)),
                    .init("received", .integer(statistics.bytesReceived)),
                ])),
            .init(
                "cpuSeconds",
                .object([
                    .init("client", .number(result.clientCPUSeconds)),
                    .init("server", result.serverCPUSeconds.map(JSONText.number) ?? .null),
                ])),
        ]
        members += sideMembers
        members.append(.init("seconds", .array(result.seconds.map(RunReport.json))))
        return .object(members)
    }

    private var sideMembers: [JSONText.Member] {
        var members: [JSONText.Member] = []
        if let writes {
            let statistics = writes.result.statistics
            members.append(
                .init(
                    "writes",
                    .object([
                        .init("rate", writes.plan.rate.map(JSONText.number) ?? .null),
                        .init("connections", .integer(writes.plan.connections)),
                        .init("inFlight", .integer(writes.plan.inFlight)),
                        .init("requests", .integer(statistics.requests)),
                        .init("writesPerSecond", .number(writes.perSecond)),
                        .init("withdrawRatio", .number(withdrawRatio ?? 0)),
                        .init("errors", .integer(statistics.errorCount)),
                        .init("latencyMicroseconds", RunReport.latencies(statistics)),
                    ])))
        }
        if let notifications {
            members.append(
                .init(
                    "notifications",
                    .object([
                        .init("subscribers", .integer(notifications.subscribers)),
                        .init("count", .integer(notifications.count)),
                        .init("missing", .integer(notifications.missing)),
                        .init("gaps", .integer(notifications.gaps)),
                        .init(
                            "latencyMicroseconds",
                            .object([
                                .init(
                                    "fromSubmission", RunReport.json(notifications.fromSubmission.summary)),
                                .init(
                                    "fromAcknowledgement",
                                    RunReport.json(notifications.fromAcknowledgement.summary)),
                            ])),
                    ])))
        }
        return members
    }

    /// All latencies of a load.
    static func latencies(_ statistics: RunStatistics) -> JSONText {
        .object([
            .init("intended", json(statistics.intended.summary)),
            .init("service", json(statistics.service.summary)),
            .init("sendLag", json(statistics.sendLag.summary)),
        ])
    }

    private static func json(_ second: SecondSample) -> JSONText {
        .object([
            .init("start", .number(second.startSeconds)), .init("seconds", .number(second.seconds)),
            .init("requests", .integer(second.requests)), .init("units", .integer(second.units)),
            .init("errors", .integer(second.errors)), .init("latencyMicroseconds", json(second.latency)),
        ])
    }

    private var errorsByStatus: JSONText {
        .object(
            result.statistics.errors.sorted { $0.key < $1.key }.map { status, count in
                .init(Status(rawValue: status).description, .integer(count))
            })
    }

    private var workloadMembers: [JSONText.Member] {
        if isWrite {
            return [
                .init("writesPerSecond", .number(requestsPerSecond)),
                .init("withdrawRatio", .number(withdrawRatio ?? 0)),
                .init("acknowledged", .integer((grantsAcknowledged ?? 0) + (withdrawalsAcknowledged ?? 0))),
                .init("grantsAcknowledged", .integer(grantsAcknowledged ?? 0)),
                .init("withdrawalsAcknowledged", .integer(withdrawalsAcknowledged ?? 0)),
                .init("sequenceMax", .integer(Int(clamping: sequenceMax ?? 0))),
            ]
        }
        return [
            .init("keys", keys.map { .string($0.rawValue) } ?? .null),
            .init("recipients", recipients.map(JSONText.integer) ?? .null),
            .init("hitRatio", hitRatio.map(JSONText.number) ?? .null),
            .init("zipf", zipf.map(JSONText.number) ?? .null),
        ]
            + (checksPerConnection.map { checks in
                [
                    .init("checksPerConnection", .integer(checks)),
                    .init("connectionsPerSecond", .number(requestsPerSecond)),
                ]
            } ?? [])
    }

    static func json(_ summary: LatencySummary) -> JSONText {
        .object(summary.named.map { .init($0.name, .number($0.microseconds)) })
    }
}
