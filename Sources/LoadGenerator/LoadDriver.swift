// A whole run: connect everything, start all threads at one moment, watch, stop, merge.

import CPlatform
import NIOCore
import NIOPosix

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// CPU seconds, and what the server says of itself, at one moment.
package struct MeterReading: Sendable {
    /// CPU seconds that this process has used.
    package var clientSeconds: Double
    /// CPU seconds that the server has used; nil when it did not say.
    package var serverSeconds: Double?

    /// A reading of this process alone; the server's share is set afterwards.
    package init() {
        clientSeconds = Double(consent_process_cpu_nanoseconds()) / 1e9
    }
}

/// What a run gave.
package struct RunResult: Sendable {
    /// Counts and latencies of all threads.
    package var statistics = RunStatistics()
    /// Length of the measurement in seconds.
    package var measuredSeconds = 0.0
    /// CPU seconds of this process during the measurement.
    package var clientCPUSeconds = 0.0
    /// CPU seconds of the server during the measurement; nil when it did not say.
    package var serverCPUSeconds: Double?

    /// Nothing yet.
    package init() {}
}

/// Words for why there is no connection.
enum ConnectionFailure {
    static func reason(of error: any Error) -> String {
        switch error {
        case let failure as NIOConnectionError:
            if let last = failure.connectionErrors.last?.error { return reason(of: last) }
            return failure.dnsAError == nil ? "\(error)" : "the host is not known"
        case let failure as IOError: return String(cString: strerror(failure.errnoCode))
        default: return "\(error)"
        }
    }
}

/// Runs one kind of dialogue with one server.
package struct LoadDriver<Talk: Dialogue>: Sendable {
    private let host: String
    private let port: Int
    private let plan: RunPlan

    /// - Parameters:
    ///   - host: the server's host.
    ///   - port: the server's port.
    ///   - plan: how much, how long, how regular. Checked by the caller.
    package init(host: String, port: Int, plan: RunPlan) {
        self.host = host
        self.port = port
        self.plan = plan
    }

    /// Does the run.
    ///
    /// - Parameters:
    ///   - meter: reads CPU times; called when the measurement starts and when it ends.
    ///   - progress: called about once a second; nil: never.
    ///   - dialogue: makes the dialogue of the connection with this number.
    package func run(
        meter: @Sendable @escaping () async -> MeterReading,
        progress: (@Sendable (ProgressSample) -> Void)?,
        dialogue: @Sendable @escaping (Int) -> Talk
    ) async throws(LoadError) -> RunResult {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: plan.threads)
        var loops: [LoadLoop<Talk>] = []
        for (thread, eventLoop) in group.makeIterator().enumerated() {
            loops.append(LoadLoop(eventLoop: eventLoop, plan: plan, thread: thread))
        }
        let outcome: Result<RunResult, LoadError>
        do throws(LoadError) {
            try await connect(loops, dialogue: dialogue)
            outcome = .success(try await conduct(loops, meter: meter, progress: progress))
        } catch {
            // A promise may not be dropped unfulfilled: these threads never started.
            for loop in loops { loop.over.succeed(()) }
            outcome = .failure(error)
        }
        try? await group.shutdownGracefully()
        return try outcome.get()
    }

    // MARK: Connecting

    private func connect(
        _ loops: [LoadLoop<Talk>], dialogue: @Sendable @escaping (Int) -> Talk
    ) async throws(LoadError) {
        for number in 0..<plan.connections {
            let loop = loops[number % loops.count]
            do {
                try await open(number, on: loop, dialogue: dialogue)
            } catch let error as LoadError {
                throw error
            } catch {
                throw .unreachable(address: "\(host):\(port)", why: ConnectionFailure.reason(of: error))
            }
        }
    }

    private func open(
        _ number: Int, on loop: LoadLoop<Talk>, dialogue: @Sendable @escaping (Int) -> Talk
    ) async throws {
        let ready = loop.eventLoop.makePromise(of: Void.self)
        let bootstrap = ClientBootstrap(group: loop.eventLoop)
            .connectTimeout(.seconds(5))
            .channelOption(.socketOption(.tcp_nodelay), value: 1)
            .channelOption(.maxMessagesPerRead, value: 4)
            .channelOption(.recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: 256 * 1024))
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let connection = LoadConnection(
                        loop: loop, index: loop.connectionCount, dialogue: dialogue(number), ready: ready)
                    _ = loop.add(connection)
                    try channel.pipeline.syncOperations.addHandler(connection)
                }
            }
        do {
            _ = try await bootstrap.connect(host: host, port: port).get()
        } catch {
            ready.fail(error)
            throw error
        }
        loop.eventLoop.scheduleTask(in: .seconds(10)) {
            ready.fail(LoadError.lost("the server did not answer the handshake within 10 s"))
        }
        try await ready.futureResult.get()
    }

    // MARK: Running

    private func conduct(
        _ loops: [LoadLoop<Talk>], meter: @Sendable @escaping () async -> MeterReading,
        progress: (@Sendable (ProgressSample) -> Void)?
    ) async throws(LoadError) -> RunResult {
        let start = consent_monotonic_nanoseconds() + 10_000_000
        let measureFrom = start + plan.warmUpNanoseconds
        let end = plan.durationNanoseconds.map { measureFrom + $0 } ?? .max
        for loop in loops {
            loop.eventLoop.execute { loop.start(at: start, measureFrom: measureFrom, end: end) }
        }
        let watch = Task {
            await report(loops, start: start, measureFrom: measureFrom, end: end, to: progress)
        }
        defer { watch.cancel() }

        await sleep(until: measureFrom, or: loops)
        let before = await meter()
        await sleep(until: end, or: loops)
        // First the time, then the meter: a server that died makes the meter wait.
        let stopped = min(end, consent_monotonic_nanoseconds())
        let after = await meter()

        var result = RunResult()
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
    private func sleep(until time: UInt64, or loops: [LoadLoop<Talk>]) async {
        let sleeper = Task {
            let now = consent_monotonic_nanoseconds()
            let left = min(time > now ? time - now : 0, UInt64(Int64.max) / 2)
            try? await Task.sleep(nanoseconds: left)
        }
        let ending = EventLoopFuture.andAllComplete(
            loops.map { $0.over.futureResult }, on: loops[0].eventLoop)
        ending.whenComplete { _ in sleeper.cancel() }
        await sleeper.value
    }

    private func report(
        _ loops: [LoadLoop<Talk>], start: UInt64, measureFrom: UInt64, end: UInt64,
        to progress: (@Sendable (ProgressSample) -> Void)?
    ) async {
        guard let progress else { return }
        var last = consent_monotonic_nanoseconds()
        var errors = 0
        var units = 0
        while true {
            do { try await Task.sleep(nanoseconds: 1_000_000_000) } catch { return }
            var interval = IntervalStatistics()
            for loop in loops {
                guard let part = try? await loop.eventLoop.submit({ loop.takeInterval() }).get() else {
                    return
                }
                interval.add(part)
            }
            if Task.isCancelled { return }
            let now = consent_monotonic_nanoseconds()
            errors += interval.errors
            units += interval.units
            progress(
                ProgressSample(
                    elapsedSeconds: Double(now - min(now, start)) / 1e9,
                    totalSeconds: end == .max ? nil : Double(end - start) / 1e9, isWarmUp: now < measureFrom,
                    unitsPerSecond: Double(interval.units) * 1e9 / Double(max(now - last, 1)),
                    p99Microseconds: interval.latency.microseconds(atPercentile: 99), errors: errors,
                    units: units))
            last = now
        }
    }
}

extension LoadDriver {
    /// Does a run of workloads of consentd; parameters as above.
    ///
    /// - Parameter credential: bearer token; empty: none.
    package func run<Load: Workload>(
        credential: [UInt8], meter: @Sendable @escaping () async -> MeterReading,
        progress: (@Sendable (ProgressSample) -> Void)?, workload: @Sendable @escaping (Int) -> Load
    ) async throws(LoadError) -> RunResult where Talk == ConsentDialogue<Load> {
        let plan = plan
        return try await run(meter: meter, progress: progress) { number in
            ConsentDialogue(
                workload: workload(number), plan: plan, credential: credential, connection: number)
        }
    }
}
