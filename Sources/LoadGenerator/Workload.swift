// What a connection asks consentd and how it judges the answers. The dialogue knows frames; a workload knows
// requests. A new mode is a new workload.

import WireProtocol

/// What an answer was worth.
package enum Reply: Hashable, Sendable {
    /// As it should be: so many checks (or writes), of which so many were wrong.
    case answered(units: Int, wrong: Int)
    /// An error.
    case failed
    /// Not done, and worth sending again a little later.
    case retry
}

/// Requests of one connection. Confined to the connection's event loop.
package protocol Workload: AnyObject, SendableMetatype {
    /// Appends the frame of the next request.
    ///
    /// - Parameters:
    ///   - slot: place among the requests in flight; given back with the answer.
    ///   - stream: the frame's stream number.
    ///   - writer: where to append.
    /// - Returns: false when there is nothing left to send; nothing was appended.
    func appendRequest(slot: Int, stream: UInt32, to writer: inout FrameWriter) -> Bool

    /// Judges an answer.
    ///
    /// - Parameters:
    ///   - slot: that of the request.
    ///   - status: how the call ended.
    ///   - payload: the answer's bytes, checksum verified, not compressed.
    func judge(slot: Int, status: Status, payload: RawSpan) -> Reply

    /// All answers of one read were judged: the moment to write what was gathered from them.
    func endOfBurst()
}

extension Workload {
    package func endOfBurst() {}
}

/// Where a run stands in time and how much of it goes on at once.
package struct RunPlan: Sendable {
    /// Connections, spread evenly over the threads.
    package var connections = 50
    /// Requests in flight on each connection.
    package var inFlight = 1
    /// Event loop threads.
    package var threads = 1
    /// Time before the measurement starts.
    package var warmUpNanoseconds: UInt64 = 2_000_000_000
    /// Length of the measurement; nil: until the workloads have nothing left.
    package var durationNanoseconds: UInt64? = 10_000_000_000
    /// Requests a second of an open loop; nil: closed loop.
    package var rate: Double?
    /// How an open loop's requests are spread.
    package var arrivals = ArrivalPattern.poisson
    /// What random choices follow from.
    package var seed: UInt64 = 1
    /// How long answers are waited for after the end.
    package var drainNanoseconds: UInt64 = 5_000_000_000
    /// Deadline of each request in microseconds; 0: none.
    package var deadlineMicroseconds: UInt32 = 0

    /// Whether the latencies of each second are kept whole, for an interval log.
    package var keepsHistograms = false

    /// The defaults: 50 connections, one in flight each, 2 s and 10 s.
    package init() {}

    /// What is wrong with the plan.
    package func check() throws(LoadError) {
        guard (1...10_000).contains(connections) else {
            throw .usage("--connections must be 1 to 10000, not \(connections)")
        }
        guard (1...Wire.Limits.inFlightMax).contains(inFlight) else {
            throw .usage("--in-flight must be 1 to \(Wire.Limits.inFlightMax), not \(inFlight)")
        }
        guard (1...64).contains(threads), threads <= connections else {
            throw .usage("--threads must be 1 to 64 and at most --connections, not \(threads)")
        }
        if let rate, !(rate > 0 && rate <= 1e8) {
            throw .usage("--rate must be more than 0 and at most 100000000 requests a second")
        }
        if let durationNanoseconds, durationNanoseconds == 0 {
            throw .usage("--duration must be more than 0")
        }
    }
}

/// What was counted and measured: of one thread, or of all after merging.
package struct RunStatistics: Sendable {
    /// Requests answered without an error.
    package var requests = 0
    /// Checks or writes in them.
    package var units = 0
    /// Wrong answers, those of the warm-up included.
    package var wrong = 0
    /// Requests answered with an error, by status.
    package var errors: [UInt16: Int] = [:]
    /// Requests without an answer: the connection broke, or the drain was over.
    package var unanswered = 0
    /// Requests of an open loop that were due while every slot was taken.
    package var blocked = 0
    /// Time in which requests were due and no slot was free, of all threads together.
    package var blockedNanoseconds: UInt64 = 0
    /// Processor time that the generator used in that time: where it is nearly all of it, the generator was
    /// too slow to take its answers, and not the server to give them.
    package var blockedBusyNanoseconds: UInt64 = 0
    /// Bytes that went out during the measurement, without what TCP adds.
    package var bytesSent = 0
    /// Bytes that came in during the measurement.
    package var bytesReceived = 0
    /// Connections that broke.
    package var lostConnections = 0
    /// Why, in the server's or the system's words; the first one.
    package var lostReason: String?
    /// From the intended send time to the answer.
    package var intended = LatencyHistogram()
    /// From the actual send time to the answer.
    package var service = LatencyHistogram()
    /// From the intended to the actual send time, as far as the generator was late and not the server.
    package var sendLag = LatencyHistogram()

    /// Nothing yet.
    package init() {}

    /// Requests that got no answer, or an error.
    package var errorCount: Int { errors.values.reduce(0, +) + unanswered }

    /// Adds what another thread counted.
    package mutating func add(_ other: RunStatistics) {
        requests += other.requests
        units += other.units
        wrong += other.wrong
        errors.merge(other.errors, uniquingKeysWith: +)
        unanswered += other.unanswered
        blocked += other.blocked
        blockedNanoseconds += other.blockedNanoseconds
        blockedBusyNanoseconds += other.blockedBusyNanoseconds
        bytesSent += other.bytesSent
        bytesReceived += other.bytesReceived
        lostConnections += other.lostConnections
        lostReason = lostReason ?? other.lostReason
        intended.add(other.intended)
        service.add(other.service)
        sendLag.add(other.sendLag)
    }
}
