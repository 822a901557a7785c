// A whole run: connect everything, start all threads at one moment, take a sample each second, stop, merge.

import CPlatform
import ConsentClient
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
    /// What happened in each second of the measurement.
    package var seconds: [SecondSample] = []
    /// When the measurement began, seconds since the Unix epoch.
    package var startedAt = 0.0
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
    private let tls: ConsentClient.TLS?
    private let plan: RunPlan
    private let group: MultiThreadedEventLoopGroup?

    /// - Parameters:
    ///   - host: the server's host.
    ///   - port: the server's port.
    ///   - tls: nil: connections are plain.
    ///   - plan: how much, how long, how regular. Checked by the caller.
    ///   - group: threads that other loads use too, the plan's or more, which the caller ends; nil: threads
    ///     of its own. Two loads that wait for the right moment on threads of their own would each want a
    ///     core.
    package init(
        host: String, port: Int, tls: ConsentClient.TLS? = nil, plan: RunPlan,
        group: MultiThreadedEventLoopGroup? = nil
    ) {
        self.host = host
        self.port = port
        self.tls = tls
        self.plan = plan
        self.group = group
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
        try await prepare(dialogue: dialogue).run(
            at: RunClock.start(), meter: meter, progress: progress)
    }

    /// Connects everything and sends nothing yet, so that several loads may start at one moment.
    ///
    /// - Parameter dialogue: makes the dialogue of the connection with this number.
    /// - Returns: what must be run, or given up.
    package func prepare(dialogue: @Sendable @escaping (Int) -> Talk) async throws(LoadError)
        -> some ReadyLoad
    {
        let threads = LoadThreads<LoadConnection<Talk>>(plan: plan, sharing: group)
        do throws(LoadError) {
            for number in 0..<plan.connections {
                try await open(number, on: threads.loop(of: number), dialogue: dialogue)
            }
        } catch {
            await threads.giveUp()
            throw error
        }
        return threads
    }

    private func open(
        _ number: Int, on loop: LoadLoop<LoadConnection<Talk>>,
        dialogue: @Sendable @escaping (Int) -> Talk
    ) async throws(LoadError) {
        let ready = loop.eventLoop.makePromise(of: Void.self)
        let bootstrap = LoadSockets.bootstrap(on: loop.eventLoop) { [host, tls] channel in
            try LoadSockets.secure(channel, tls, host: host)
            let connection = LoadConnection(
                loop: loop, index: loop.laneCount, dialogue: dialogue(number), ready: ready)
            loop.add(connection)
            try channel.pipeline.syncOperations.addHandler(connection)
        }
        do {
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
        } catch let error as LoadError {
            throw error
        } catch {
            throw .unreachable(address: "\(host):\(port)", why: ConnectionFailure.reason(of: error))
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
        try await prepare(credential: credential, workload: workload).run(
            at: RunClock.start(), meter: meter, progress: progress)
    }

    /// Connects workloads of consentd; parameters as above.
    package func prepare<Load: Workload>(
        credential: [UInt8], workload: @Sendable @escaping (Int) -> Load
    ) async throws(LoadError) -> some ReadyLoad where Talk == ConsentDialogue<Load> {
        let plan = plan
        return try await prepare { number in
            ConsentDialogue(
                workload: workload(number), plan: plan, credential: credential, connection: number)
        }
    }
}

/// How the load tester's sockets are set up.
enum LoadSockets {
    /// Adds TLS to a channel, where there is to be TLS.
    static func secure(_ channel: any NIOCore.Channel, _ tls: ConsentClient.TLS?, host: String) throws {
        guard let tls else { return }
        try channel.pipeline.syncOperations.addHandler(try tls.handler(host: host))
    }

    static func bootstrap(
        on loop: any EventLoop, initializer: @Sendable @escaping (any NIOCore.Channel) throws -> Void
    ) -> ClientBootstrap {
        ClientBootstrap(group: loop)
            .connectTimeout(.seconds(5))
            .channelOption(.socketOption(.tcp_nodelay), value: 1)
            .channelOption(.maxMessagesPerRead, value: 4)
            .channelOption(.recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: 256 * 1024))
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try initializer(channel) }
            }
    }
}
