// Durable writes: grants of people who were not there before, and withdrawals of some of them.
//
// Requests are made from two templates, encoded once: each request copies one and fills in event id,
// address and checksums, so that the generator allocates nothing per write. Every run has a tag of its own
// in its addresses.

import CPlatform
import Synchronization
import WireProtocol

/// Writes that were acknowledged; shared by all connections.
package final class WriteCounts: Sendable {
    private let grants = Atomic<Int>(0)
    private let withdrawals = Atomic<Int>(0)
    private let repeats = Atomic<Int>(0)
    private let highest = Atomic<UInt64>(0)
    private let failure = Mutex<String?>(nil)

    /// Nothing yet.
    package init() {}

    /// Grants acknowledged, warm-up included.
    package var grantCount: Int { grants.load(ordering: .relaxed) }
    /// Withdrawals acknowledged, warm-up included.
    package var withdrawalCount: Int { withdrawals.load(ordering: .relaxed) }
    /// Of both, those that the server had recorded before.
    package var repeatCount: Int { repeats.load(ordering: .relaxed) }
    /// Highest sequence acknowledged.
    package var sequenceMax: UInt64 { highest.load(ordering: .relaxed) }
    /// The first refusal or error, in the server's words.
    package var firstFailure: String? { failure.withLock { $0 } }

    func add(isGrant: Bool, isRepeat: Bool, sequence: UInt64) {
        if isGrant { grants.add(1, ordering: .relaxed) } else { withdrawals.add(1, ordering: .relaxed) }
        if isRepeat { repeats.add(1, ordering: .relaxed) }
        highest.max(sequence, ordering: .relaxed)
    }

    func fail(_ message: String) {
        failure.withLock { if $0 == nil { $0 = message } }
    }
}

/// A whole request frame in which event id and address are filled in.
struct WriteTemplate: Sendable {
    let frame: [UInt8]
    let eventIDOffset: Int
    let addressOffset: Int

    /// - Parameters:
    ///   - eventID: the event id that the frame was encoded with; it must occur once.
    ///   - address: the address that the frame was encoded with; it must occur once.
    init?(frame: [UInt8], eventID: [UInt8], address: [UInt8]) {
        func place(_ part: [UInt8]) -> Int? {
            let places = (0...(frame.count - part.count)).filter {
                frame[$0..<$0 + part.count].elementsEqual(part)
            }
            return places.count == 1 ? places[0] : nil
        }
        guard let eventIDOffset = place(eventID), let addressOffset = place(address) else { return nil }
        self.frame = frame
        self.eventIDOffset = eventIDOffset
        self.addressOffset = addressOffset
    }
}

/// What the writes of a run have in common.
package struct WriteShape: Sendable {
    /// Number of the controller.
    package var controller: UInt32
    /// Id of the notice, 32 bytes.
    package var notice: [UInt8]
    /// Tells this run's people from those of other runs.
    package var runTag: UInt32
    /// Share of writes that are withdrawals, 0…1.
    package var withdrawRatio = 0.0
    /// What random choices follow from.
    package var seed: UInt64
    /// Deadline of each request in microseconds; 0: none.
    package var deadlineMicroseconds: UInt32 = 0

    /// Grants only.
    package init(controller: UInt32, notice: [UInt8], runTag: UInt32, seed: UInt64) {
        self.controller = controller
        self.notice = notice
        self.runTag = runTag
        self.seed = seed
    }

    /// Digits of a person's number in an address.
    static let numberDigits = 12
    static let addressHead: StaticString = "camille.w"
    static let addressMiddle: StaticString = "."
    static let addressTail: StaticString = "@courriel.example"

    /// Writes the address of a person of this run; always the same length.
    package func writeAddress(of number: Int, into bytes: UnsafeMutableRawBufferPointer) -> Int {
        var writer = ByteAppender(bytes: bytes)
        writer.append(WriteShape.addressHead)
        writer.append(decimal: Int(runTag), digits: 10)
        writer.append(WriteShape.addressMiddle)
        writer.append(decimal: number, digits: WriteShape.numberDigits)
        writer.append(WriteShape.addressTail)
        return writer.count
    }

    /// The template of grants, or of withdrawals.
    func template(isGrant: Bool) -> WriteTemplate? {
        var address = [UInt8](repeating: 0, count: Population.addressBytesMax)
        let length = address.withUnsafeMutableBytes { writeAddress(of: 987_654_321_012, into: $0) }
        address.removeLast(address.count - length)
        let eventID: [UInt8] = (0..<16).map { 0xa5 ^ $0 &* 17 }
        let contact = Wire.WriteContact(
            kind: .email, address: String(decoding: address, as: UTF8.self))
        var writer = FrameWriter()
        let method = isGrant ? Wire.Method.grant : Wire.Method.withdraw
        let frame = writer.beginFrame(
            .request, code: method.rawValue, stream: 1, value: deadlineMicroseconds)
        if isGrant {
            Wire.GrantRequest(
                eventId: Wire.Bytes16(eventID), controller: controller, contacts: [contact],
                channels: [.email], purposes: PopulationPurpose.marketing.map(\.id),
                notice: Wire.Bytes32(notice) ?? Wire.Bytes32(), source: .widget, act: .tickedBox
            ).encode(into: &writer)
        } else {
            Wire.RefusalRequest(
                eventId: Wire.Bytes16(eventID), controller: controller, contacts: [contact], source: .widget
            ).encode(into: &writer)
        }
        writer.endFrame(frame)
        return WriteTemplate(frame: writer.withBytes { Array($0) }, eventID: eventID, address: address)
    }
}

/// The requests of a run, encoded once.
package struct WriteTemplates: Sendable {
    let grant: WriteTemplate
    let withdrawal: WriteTemplate

    /// Nil when a request has no unique place for an event id or an address.
    package init?(_ shape: WriteShape) {
        guard let grant = shape.template(isGrant: true), let withdrawal = shape.template(isGrant: false)
        else {
            return nil
        }
        self.grant = grant
        self.withdrawal = withdrawal
    }
}

/// One connection's writes.
package final class WriteWorkload: Workload {
    private struct Pending {
        var eventID: (UInt64, UInt64) = (0, 0)
        var number = 0
        var isGrant = true
        /// When it was submitted; 0 where nobody asks.
        var submitted: UInt64 = 0
    }

    private let shape: WriteShape
    private let templates: WriteTemplates
    private let connection: Int
    private let counts: WriteCounts
    private let log: AcknowledgementLog?
    private let times: AcknowledgementTimes?
    private var generator: SeededGenerator
    private var pending: [Pending]
    /// Numbers of people whose grant was acknowledged and who may withdraw; the latest few.
    private var granted: [Int] = []
    private var lines: [UInt8] = []
    private var counter: UInt64 = 0
    private let startMilliseconds: UInt64

    private static let grantedMax = 4_096
    /// People that one connection may have in a run.
    private static let numbersPerConnection = 100_000_000

    /// - Parameters:
    ///   - shape: what the writes have in common.
    ///   - templates: its requests.
    ///   - connection: number of the connection; it has people of its own.
    ///   - inFlight: requests in flight.
    ///   - counts: where to count.
    ///   - log: where acknowledged events are listed; nil: nowhere.
    ///   - times: where it is noted when each was submitted and acknowledged; nil: nowhere.
    package init(
        shape: WriteShape, templates: WriteTemplates, connection: Int, inFlight: Int, counts: WriteCounts,
        log: AcknowledgementLog?, times: AcknowledgementTimes? = nil
    ) {
        self.times = times
        self.shape = shape
        self.templates = templates
        self.connection = connection
        self.counts = counts
        self.log = log
        generator = SeededGenerator(seed: shape.seed, stream: UInt64(shape.runTag) << 20 | UInt64(connection))
        pending = Array(repeating: Pending(), count: inFlight)
        granted.reserveCapacity(WriteWorkload.grantedMax)
        startMilliseconds = consent_wall_nanoseconds() / 1_000_000
    }

    package func appendRequest(slot: Int, stream: UInt32, to writer: inout FrameWriter) -> Bool {
        var write = Pending()
        if generator.unit() < shape.withdrawRatio, let number = granted.popLast() {
            write.isGrant = false
            write.number = number
        } else {
            write.number = connection * WriteWorkload.numbersPerConnection + Int(counter)
        }
        write.eventID = EventNames.words(
            milliseconds: startMilliseconds, counter: counter, bits: generator.next())
        counter += 1
        if times != nil { write.submitted = consent_monotonic_nanoseconds() }
        pending[slot] = write
        append(write.isGrant ? templates.grant : templates.withdrawal, write, stream: stream, to: &writer)
        return true
    }

    private func append(
        _ template: WriteTemplate, _ write: Pending, stream: UInt32, to writer: inout FrameWriter
    ) {
        let start = writer.count
        template.frame.withUnsafeBytes { writer.append(RawSpan(_unsafeBytes: $0)) }
        let checksum = writer.withMutableBytes(at: start, count: template.frame.count) { frame in
            frame.storeBytes(of: write.eventID.0, toByteOffset: template.eventIDOffset, as: UInt64.self)
            frame.storeBytes(of: write.eventID.1, toByteOffset: template.eventIDOffset + 8, as: UInt64.self)
            let rest = UnsafeMutableRawBufferPointer(rebasing: frame[template.addressOffset...])
            _ = shape.writeAddress(of: write.number, into: rest)
            let body = UnsafeRawBufferPointer(rebasing: frame[FrameHeader.byteCount...])
            return consent_crc32c(0, body.baseAddress, body.count)
        }
        writer.store(checksum, at: start + 16)
        writer.address(start, toStream: stream)
    }

    package func judge(slot: Int, status: Status, payload: RawSpan) -> Reply {
        guard status == .ok, let answer = WriteAnswer(payload), answer.isDone else {
            noteFailure(status, payload)
            return .failed
        }
        let write = pending[slot]
        counts.add(isGrant: write.isGrant, isRepeat: answer.isRepeat, sequence: answer.sequence)
        if let times {
            times.add(
                AcknowledgedWrite(
                    sequence: answer.sequence, submitted: write.submitted,
                    acknowledged: consent_monotonic_nanoseconds()))
        }
        if log != nil {
            AcknowledgementLog.format(sequence: answer.sequence, eventID: write.eventID, into: &lines)
        }
        if write.isGrant && shape.withdrawRatio > 0 && granted.count < WriteWorkload.grantedMax {
            granted.append(write.number)
        }
        return .answered(units: 1, wrong: 0)
    }

    package func endOfBurst() {
        guard let log, !lines.isEmpty else { return }
        log.append(lines)
        lines.removeAll(keepingCapacity: true)
    }

    private func noteFailure(_ status: Status, _ payload: RawSpan) {
        if status == .ok {
            let answer = try? Wire.WriteResponse(decoding: payload)
            counts.fail((answer?.refusals ?? []).map(\.sentence).joined(separator: " "))
        } else {
            let detail = try? Wire.ErrorDetail(decoding: payload)
            counts.fail("\(status): \(detail?.message ?? "")")
        }
    }
}

/// Status and sequence of a WriteResponse, read in place: the generated decoder makes arrays of what is not
/// needed here.
struct WriteAnswer {
    private(set) var status: UInt8 = 0
    private(set) var sequence: UInt64 = 0

    var isDone: Bool { status == Wire.WriteStatus.recorded.rawValue || isRepeat }
    var isRepeat: Bool { status == Wire.WriteStatus.repeated.rawValue }

    /// Nil when the bytes are not fields back to back.
    init?(_ payload: RawSpan) {
        var offset = 0
        while offset < payload.byteCount {
            guard payload.byteCount - offset >= 2 else { return nil }
            let tag = payload.load(UInt16.self, at: offset)
            offset += 2
            var length: Int
            switch tag & 7 {
            case 0...5: length = 1 << Int(tag & 7)
            case 6:
                guard payload.byteCount - offset >= 4 else { return nil }
                length = Int(payload.load(UInt32.self, at: offset))
                offset += 4
            default: return nil
            }
            guard payload.byteCount - offset >= length else { return nil }
            switch tag {
            case 1 << 3: status = payload.load(UInt8.self, at: offset)
            case 2 << 3 | 3: sequence = payload.load(UInt64.self, at: offset)
            default: break
            }
            offset += length
        }
    }
}
