// The threads of a load that is ready to start: they start at one moment, are sampled each second, and are
// merged at the end.
//
// Invariant: the window that is measured is the same for all threads, and each second of it is in one sample.

import CPlatform
import NIOCore
import NIOPosix

/// A load that is connected and waits for its start.
package protocol ReadyLoad: Sendable {
    /// Runs it. Once, and not after `giveUp`.
    ///
    /// - Parameters:
    ///   - start: when its requests may begin, monotonic nanoseconds.
    ///   - meter: reads CPU times; called when the measurement starts and when it ends.
    ///   - progress: called about once a second; nil: never.
    func run(
        at start: UInt64, meter: @Sendable @escaping () async -> MeterReading,
        progress: (@Sendable (ProgressSample) -> Void)?
    ) async throws(LoadError) -> RunResult

    /// Lets go of everything instead.
    func giveUp() async
}

/// What happened in one second of a measurement, or in the rest of one at its end.
package struct SecondSample: Sendable {
    /// Seconds from the start of the measurement to the start of this sample.
    package var startSeconds: Double
    /// Length in seconds.
    package var seconds: Double
    /// Requests answered.
    package var requests: Int
    /// Checks or writes in them.
    package var units: Int
    /// Errors.
    package var errors: Int
    /// From the intended send time to the answer.
    package var latency: LatencySummary
    /// All latencies, where the plan keeps them.
    package var histogram: EncodedHistogram?

    /// - Parameters:
    ///   - startSeconds: from the start of the measurement to that of the sample.
    ///   - seconds: length.
    ///   - interval: what was counted in it.
    ///   - keepsHistogram: whether all latencies are kept.
    package init(
        startSeconds: Double, seconds: Double, interval: IntervalStatistics, keepsHistogram: Bool = false
    ) {
        self.startSeconds = startSeconds
        self.seconds = seconds
        requests = interval.requests
        units = interval.units
        errors = interval.errors
        latency = interval.latency.summary
        histogram = keepsHistogram ? EncodedHistogram(interval.latency) : nil
    }
}

/// Moments on the monotonic clock.
package enum RunClock {
    /// A start that all threads will hear of in time.
    package static func start() -> UInt64 { consent_monotonic_nanoseconds() + 10_000_000 }

    /// Sleeps until a moment; false when the task was cancelled.
    static func sleep(until time: UInt64) async -> Bool {
        let now = consent_monotonic_nanoseconds()
        guard time > now else { return !Task.isCancelled }
        do {
            try await Task.sleep(nanoseconds: min(time - now, UInt64(Int64.max) / 2))
            return true
        } catch {
            return false
        }
    }
}

/// The threads of one load.
struct LoadThreads<Lane: LoadLane>: ReadyLoad {
    private let plan: RunPlan
    /// Threads of this load alone; nil: others use them too.
    private let ownGroup: MultiThreadedEventLoopGroup?
    private let loops: [LoadLoop<Lane>]

    /// - Parameter group: threads that others use too, as many as the plan wants or more; nil: none.
    init(plan: RunPlan, sharing group: MultiThreadedEventLoopGroup? = nil) {
        self.plan = plan
        ownGroup = group == nil ? MultiThreadedEventLoopGroup(numberOfThreads: plan.threads) : nil
        loops =
            (group ?? ownGroup)?.makeIterator().prefix(plan.threads).enumerated().map { thread, eventLoop in
                LoadLoop(eventLoop: eventLoop, plan: plan, thread: thread)
            } ?? []
    }

    /// The thread of the lane with this number.
    func loop(of number: Int) -> LoadLoop<Lane> { loops[number % loops.count] }

    func giveUp() async {
        // A promise may not be dropped unfulfilled.
        for loop in loops { loop.over.succeed(()) }
        try? await ownGroup?.shutdownGracefully()
    }

    func run(
        at start: UInt64, meter: @Sendable @escaping () async -> MeterReading,
        progress: (@Sendable (ProgressSample) -> Void)?
    ) async throws(LoadError) -> RunResult {
        let outcome: Result<RunResult, LoadError>
        do throws(LoadError) {
            outcome = .success(try await conduct(at: start, meter: meter, progress: progress))
        } catch {
            outcome = .failure(error)
        }
        try? await ownGroup?.shutdownGracefully()
        return try outcome.get()
    }

    private func conduct(
        at start: UInt64, meter: @Sendable @escaping () async -> MeterReading,
        progress: (@Sendable (ProgressSample) -> Void)?
    ) async throws(LoadError) -> RunResult {
        let measureFrom = start + plan.warmUpNanoseconds
        let end = plan.durationNanoseconds.map { measureFrom + $0 } ?? .max
        for loop in loops {
            loop.eventLoop.execute { loop.start(at: start, measureFrom: measureFrom, end: end) }
        }
        let sampler = Task {
            await sample(start: start, measureFrom: measureFrom, end: end, progress: progress)
        }

        var result = RunResult()
        await sleep(until: measureFrom)
        result.startedAt = Double(consent_wall_nanoseconds()) / 1e9
        let before = await meter()
        await sleep(until: end)
        // First the time, then the meter: a server that died makes the meter wait.
        let stopped = min(end, consent_monotonic_nanoseconds())
        sampler.cancel()
        result.seconds = await sampler.value
        let after = await meter()
        do {
            for loop in loops {
                try await loop.over.futureResult.get()
                let part = try await loop.eventLoop.submit { loop.result() }.get()
                result.statistics.add(part)
            }
        } catch {
            throw .lost("\(error)")
        }
        if plan.rate == nil { result.statistics.intended = result.statistics.service }
        result.measuredSeconds = Double(stopped - min(stopped, measureFrom)) / 1e9
        result.clientCPUSeconds = after.clientSeconds - before.clientSeconds
        if let first = before.serverSeconds, let last = after.serverSeconds {
            result.serverCPUSeconds = last - first
        }
        return result
    }

    /// Sleeps until a time, or until all threads are over.
    private func sleep(until time: UInt64) async {
        let sleeper = Task { _ = await RunClock.sleep(until: time) }
        let ending = EventLoopFuture.andAllComplete(
            loops.map { $0.over.futureResult }, on: loops[0].eventLoop)
        ending.whenComplete { _ in sleeper.cancel() }
        await sleeper.value
    }

    // MARK: Samples

    /// Takes a sample each second until it is cancelled; returns those of the measurement.
    private func sample(
        start: UInt64, measureFrom: UInt64, end: UInt64, progress: (@Sendable (ProgressSample) -> Void)?
    ) async -> [SecondSample] {
        let second: UInt64 = 1_000_000_000
        var samples: [SecondSample] = []
        var last = start
        var errors = 0
        var units = 0
        var isCancelled = false
        while !isCancelled && last < end {
            var next = last + second
            if last < measureFrom && next > measureFrom { next = measureFrom }
            isCancelled = await !RunClock.sleep(until: min(next, end))
            let interval = await takeInterval()
            let now = consent_monotonic_nanoseconds()
            errors += interval.errors
            units += interval.units
            if last >= measureFrom {
                samples.append(
                    SecondSample(
                        startSeconds: Double(last - measureFrom) / 1e9, seconds: Double(now - last) / 1e9,
                        interval: interval, keepsHistogram: plan.keepsHistograms))
            }
            if let progress, !isCancelled {
                progress(
                    ProgressSample(
                        elapsedSeconds: Double(now - min(now, start)) / 1e9,
                        totalSeconds: end == .max ? nil : Double(end - start) / 1e9,
                        isWarmUp: last < measureFrom,
                        unitsPerSecond: Double(interval.units) * 1e9 / Double(max(now - last, 1)),
                        p99Microseconds: interval.latency.microseconds(atPercentile: 99), errors: errors,
                        units: units))
            }
            last = now
        }
        // The end of a second that has hardly begun tells nothing.
        if let shortest = samples.last, samples.count > 1 && shortest.seconds < 0.25 && !plan.keepsHistograms
        {
            samples.removeLast()
        }
        return samples
    }

    private func takeInterval() async -> IntervalStatistics {
        var interval = IntervalStatistics()
        for loop in loops {
            if let part = try? await loop.eventLoop.submit({ loop.takeInterval() }).get() {
                interval.add(part)
            }
        }
        return interval
    }
}
