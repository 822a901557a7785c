// `consent-load watch`: how soon subscribers hear of a write, and whether they hear of all of them.

import CPlatform
import NIOCore
import NIOPosix
import WireProtocol

/// Who listens and what is written.
package struct WatchOptions: Sendable {
    /// The writes; an open loop where their plan has a rate.
    package var writes: WriteOptions
    /// Subscribers, each on a connection of its own.
    package var subscribers = 10

    /// Ten subscribers.
    package init(writes: WriteOptions) {
        self.writes = writes
    }
}

/// What subscribers heard.
package struct Notifications: Sendable {
    /// Subscribers.
    package var subscribers = 0
    /// Notifications of writes that were submitted within the measurement.
    package var count = 0
    /// Notifications of acknowledged writes that never came.
    package var missing = 0
    /// Items that said that one before them was left out.
    package var gaps = 0
    /// Why a watch ended early; the first one.
    package var failure: String?
    /// From the submission of a write to its notification.
    package var fromSubmission = LatencyHistogram()
    /// From the acknowledgement of a write to its notification; 0 where the news came first.
    package var fromAcknowledgement = LatencyHistogram()

    /// Nothing heard.
    package init() {}
}

/// Measures notifications.
package enum WatchRun {
    /// How long subscribers may take to catch up after the last write.
    private static let drainNanoseconds: UInt64 = 5_000_000_000

    /// Does it.
    package static func run(_ options: WatchOptions) async throws(LoadError) -> RunReport {
        try options.writes.plan.check()
        guard (1...1_000).contains(options.subscribers) else {
            throw .usage("--subscribers must be 1 to 1000, not \(options.subscribers)")
        }
        let plan = options.writes.plan
        let server = options.writes.server
        let printer = ProgressPrinter(forced: options.writes.forcesProgress)
        let control = try await ServerControl.connect(server)
        let writes = try await PreparedWrites.prepare(options.writes, control)
        let times = (0..<plan.connections).map { _ in AcknowledgementTimes() }
        let audience = try await Audience.gather(options.subscribers, server, writes)
        let outcome: Result<(RunResult, UInt64), LoadError>
        do throws(LoadError) {
            let ready = try await LoadDriver<ConsentDialogue<WriteWorkload>>(
                host: server.address.host, port: server.address.port, tls: server.tls, plan: plan
            ).prepare(credential: server.credential) { writes.workload($0, of: plan, times: times[$0]) }
            let start = RunClock.start()
            let result = try await ready.run(
                at: start, meter: { await control.meter() }, progress: printer.live(unit: "writes"))
            outcome = .success((result, start + plan.warmUpNanoseconds))
        } catch {
            outcome = .failure(error)
        }
        if case .success = outcome {
            await audience.catchUp(to: writes.counts.sequenceMax, within: drainNanoseconds)
        }
        printer.clear()
        let heard = await audience.dismiss()
        let (result, measureFrom) = try outcome.get()
        await control.close()

        var report = RunReport(mode: "watch", plan: plan, result: result)
        writes.describe(&report)
        let end = plan.durationNanoseconds.map { measureFrom + $0 } ?? .max
        report.notifications = notifications(
            of: times.flatMap(\.writes).filter { $0.submitted >= measureFrom && $0.submitted < end },
            heardBy: heard)
        return report
    }

    /// Looks up each write with each subscriber.
    static func notifications(
        of writes: [AcknowledgedWrite], heardBy subscribers: [WatchSubscriber.Heard]
    ) -> Notifications {
        var notifications = Notifications()
        notifications.subscribers = subscribers.count
        for subscriber in subscribers {
            notifications.gaps += subscriber.gaps
            notifications.failure = notifications.failure ?? subscriber.failure
            var arrivedAt: [UInt64: UInt64] = [:]
            arrivedAt.reserveCapacity(subscriber.arrivals.count)
            for arrival in subscriber.arrivals { arrivedAt[arrival.sequence] = arrival.at }
            for write in writes {
                guard let time = arrivedAt[write.sequence] else {
                    notifications.missing += 1
                    continue
                }
                notifications.count += 1
                notifications.fromSubmission.record(nanoseconds: time - min(time, write.submitted))
                notifications.fromAcknowledgement.record(nanoseconds: time - min(time, write.acknowledged))
            }
        }
        return notifications
    }
}

/// All subscribers of a run, on a thread of their own.
private struct Audience: Sendable {
    private let group: MultiThreadedEventLoopGroup
    private let loop: any EventLoop
    private let members: NIOLoopBound<Members>

    private final class Members {
        var subscribers: [WatchSubscriber] = []
    }

    /// Connects subscribers and asks for all that is written from now on.
    static func gather(
        _ count: Int, _ server: ServerOptions, _ writes: PreparedWrites
    ) async throws(LoadError) -> Audience {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let loop = group.next()
        do {
            let members = try await loop.submit { NIOLoopBound(Members(), eventLoop: loop) }.get()
            for number in 0..<count {
                var generator = SeededGenerator(seed: writes.shape.seed, stream: UInt64(number) | 1 << 41)
                let hello = Handshake.hello(
                    featuresOptional: 0, inFlightMax: 1, clientName: "consent-load watch",
                    credential: server.credential, using: &generator)
                let ready = loop.makePromise(of: Void.self)
                do {
                    _ = try await LoadSockets.bootstrap(on: loop) { channel in
                        try LoadSockets.secure(channel, server.tls, host: server.address.host)
                        let subscriber = WatchSubscriber(
                            after: writes.sequenceBefore, controller: writes.shape.controller, hello: hello,
                            ready: ready)
                        members.value.subscribers.append(subscriber)
                        try channel.pipeline.syncOperations.addHandler(subscriber)
                    }.connect(host: server.address.host, port: server.address.port).get()
                } catch {
                    ready.fail(error)
                }
                try await ready.futureResult.get()
            }
            return Audience(group: group, loop: loop, members: members)
        } catch {
            try? await group.shutdownGracefully()
            throw error as? LoadError
                ?? .unreachable(
                    address: "\(server.address)", why: ConnectionFailure.reason(of: error))
        }
    }

    /// Waits until all have heard of a sequence, or the time is over.
    func catchUp(to sequence: UInt64, within nanoseconds: UInt64) async {
        let end = consent_monotonic_nanoseconds() + nanoseconds
        while consent_monotonic_nanoseconds() < end {
            let isDone = try? await loop.submit {
                members.value.subscribers.allSatisfy { $0.complete >= sequence || $0.failure != nil }
            }.get()
            if isDone != false { return }
            _ = await RunClock.sleep(until: consent_monotonic_nanoseconds() + 5_000_000)
        }
    }

    /// Ends all watches.
    func dismiss() async -> [WatchSubscriber.Heard] {
        let heard = try? await loop.submit { members.value.subscribers.map(\.heard) }.get()
        try? await group.shutdownGracefully()
        return heard ?? []
    }
}
