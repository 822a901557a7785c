// The dialogue with consentd: handshake, frames, and a workload that makes requests and judges answers.
//
// Invariant: stream number = slot + 1, so that an answer finds its request by an index.

import WireProtocol

/// One connection's conversation with consentd.
package final class ConsentDialogue<Load: Workload>: Dialogue {
    private let workload: Load
    private let hello: Wire.Hello
    private let inFlight: Int
    @exclusivity(unchecked) private var reader = FrameReader(bodyBytesMax: Wire.Limits.helloBytesMax)
    /// The answer found last.
    @exclusivity(unchecked) private var header = FrameHeader(kind: .ping)
    @exclusivity(unchecked) private var body = 0..<0
    @exclusivity(unchecked) private var isReady = false
    package private(set) var farewell: String?

    /// - Parameters:
    ///   - workload: what is asked.
    ///   - plan: the run's plan.
    ///   - credential: bearer token; empty: none.
    ///   - connection: number of the connection.
    package init(workload: Load, plan: RunPlan, credential: [UInt8], connection: Int) {
        self.workload = workload
        inFlight = plan.inFlight
        var generator = SeededGenerator(seed: plan.seed, stream: UInt64(connection) | 1 << 40)
        // No compression: inflating would measure the generator.
        hello = Handshake.hello(
            featuresOptional: 0, inFlightMax: plan.inFlight, clientName: "consent-load",
            credential: credential, using: &generator)
    }

    package func open(to writer: inout FrameWriter) -> Bool {
        writer.appendPrefaceAndHello(hello)
        return false
    }

    @inline(__always)
    package func appendRequest(slot: Int, to writer: inout FrameWriter) -> Bool {
        workload.appendRequest(slot: slot, stream: UInt32(slot + 1), to: &writer)
    }

    @inline(__always)
    package func next(_ bytes: RawSpan, writer: inout FrameWriter) throws(DialogueFailure) -> Arrival? {
        let other: Frame
        do throws(FrameError) {
            guard let frame = try reader.next(bytes) else { return nil }
            if frame.header.kind == .response && isReady {
                header = frame.header
                body = frame.body
                return .answer(slot: Int(frame.header.stream) - 1)
            }
            other = frame
        } catch {
            throw DialogueFailure("the server broke the protocol: \(error)")
        }
        return try takeOther(other.header, bytes.extracting(other.body), writer: &writer)
    }

    @inline(__always)
    package func judge(_ bytes: RawSpan) -> (Reply, Status) {
        let body = bytes.extracting(body)
        do throws(WireError) {
            try header.verifyBody(body)
            guard !header.flags.contains(.compressed) else { return (.failed, header.status) }
            let range = try header.payloadRange(in: body)
            let reply = workload.judge(
                slot: Int(header.stream) - 1, status: header.status, payload: body.extracting(range))
            return (reply, header.status)
        } catch {
            return (.failed, header.status)
        }
    }

    @inline(__always)
    package func rebase() -> Int { reader.rebase() }

    package func endOfBurst() { workload.endOfBurst() }

    /// Everything but answers in an open connection: rare, so out of line.
    @inline(never)
    private func takeOther(
        _ header: FrameHeader, _ body: RawSpan, writer: inout FrameWriter
    ) throws(DialogueFailure) -> Arrival {
        switch header.kind {
        case .welcome where !isReady: try takeWelcome(body)
        case .ping:
            writer.appendFrame(.pong, value: header.value)
            return .aside
        case .pong: return .aside
        case .goaway:
            guard let goaway = try? Wire.Goaway(decoding: body) else {
                throw DialogueFailure("the server broke the protocol: its goodbye cannot be read")
            }
            let reason = goaway.reason.name ?? "\(goaway.reason.rawValue)"
            farewell = goaway.message.isEmpty ? reason : "\(goaway.message) (\(reason))"
            return .aside
        default:
            throw DialogueFailure("the server broke the protocol: \(FrameError.unexpectedFrame(header.kind))")
        }
        return .ready
    }

    private func takeWelcome(_ body: RawSpan) throws(DialogueFailure) {
        let agreement: Agreement
        do {
            agreement = try Handshake.accept(try Wire.Welcome(decoding: body), hello: hello)
        } catch {
            throw DialogueFailure("\(error)")
        }
        guard agreement.inFlightMax >= inFlight else {
            throw DialogueFailure(
                "it takes \(agreement.inFlightMax) requests in flight a connection: lower --in-flight")
        }
        reader.bodyBytesMax = agreement.bodyBytesMax
        isReady = true
    }
}
