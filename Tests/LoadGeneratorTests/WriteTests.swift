// Goal: write requests made from templates are valid and each about somebody new; only acknowledged events
// reach the list that an audit trusts.
//
// Method: the generated decoders read the frames back; answers are made by hand.

import LoadGenerator
import Testing
import WireProtocol

#if canImport(Glibc)
    import Glibc
#endif

@Suite struct WriteTests {
    static func shape(ratio: Double = 0) -> WriteShape {
        var shape = WriteShape(
            controller: 999, notice: (0..<32).map { UInt8($0) }, runTag: 4_000_000_000, seed: 3)
        shape.withdrawRatio = ratio
        return shape
    }

    static func workload(
        ratio: Double = 0, connection: Int = 0, counts: WriteCounts = WriteCounts(),
        log: AcknowledgementLog? = nil
    ) throws -> WriteWorkload {
        let shape = shape(ratio: ratio)
        return WriteWorkload(
            shape: shape, templates: try #require(WriteTemplates(shape)), connection: connection, inFlight: 4,
            counts: counts, log: log)
    }

    /// Reads a workload's next request.
    static func next(
        _ workload: WriteWorkload, slot: Int = 0
    ) throws -> (method: Wire.Method, eventID: [UInt8], address: String) {
        var writer = FrameWriter()
        #expect(workload.appendRequest(slot: slot, stream: UInt32(slot + 1), to: &writer))
        var reader = FrameReader(bodyBytesMax: 1 << 16)
        let frame = try #require(try reader.next(writer.bytes))
        #expect(frame.header.stream == UInt32(slot + 1) && reader.consumed == writer.count)
        let body = writer.bytes.extracting(frame.body)
        try frame.header.verifyBody(body)
        let method = Wire.Method(rawValue: frame.header.code)
        if method == .grant {
            let grant = try Wire.GrantRequest(decoding: body)
            #expect(grant.controller == 999 && grant.purposes == [1, 2, 3] && grant.channels == [.email])
            #expect(grant.notice.bytes == (0..<32).map { UInt8($0) })
            return (method, grant.eventId?.bytes ?? [], grant.contacts.first?.address ?? "")
        }
        let withdrawal = try Wire.RefusalRequest(decoding: body)
        #expect(withdrawal.controller == 999 && withdrawal.channels.isEmpty && withdrawal.purposes.isEmpty)
        return (method, withdrawal.eventId?.bytes ?? [], withdrawal.contacts.first?.address ?? "")
    }

    static func answer(
        _ workload: WriteWorkload, slot: Int = 0, _ status: Wire.WriteStatus, sequence: UInt64
    ) -> Reply {
        var writer = FrameWriter()
        Wire.WriteResponse(
            status: status, sequence: sequence, eventIds: [Wire.Bytes16()], sequences: [sequence],
            tokens: [[1, 2, 3]]
        ).encode(into: &writer)
        return workload.judge(slot: slot, status: .ok, payload: writer.bytes)
    }

    @Test func everyGrantIsAboutSomebodyNew() throws {
        var addresses: Set<String> = []
        var ids: Set<[UInt8]> = []
        for connection in [0, 1, 99] {
            let workload = try Self.workload(connection: connection)
            var last: [UInt8] = []
            for _ in 0..<5_000 {
                let (method, id, address) = try Self.next(workload)
                #expect(method == .grant && id.count == 16 && id[6] >> 4 == 7)
                #expect(ids.insert(id).inserted && addresses.insert(address).inserted)
                #expect(last.lexicographicallyPrecedes(id), "ids ascend on a connection")
                #expect(address.hasPrefix("camille.w4000000000.") && address.hasSuffix("@courriel.example"))
                last = id
            }
        }
    }

    @Test func withdrawalsFollowAcknowledgedGrants() throws {
        let counts = WriteCounts()
        let workload = try Self.workload(ratio: 0.3, counts: counts)
        var granted: Set<String> = []
        var withdrawals = 0
        for sequence in 1...UInt64(5_000) {
            let (method, _, address) = try Self.next(workload)
            if method == .withdraw {
                withdrawals += 1
                #expect(granted.remove(address) != nil, "withdrawn twice, or never granted")
            } else {
                granted.insert(address)
            }
            #expect(Self.answer(workload, .recorded, sequence: sequence) == .answered(units: 1, wrong: 0))
        }
        #expect((1_200...1_800).contains(withdrawals))
        #expect(counts.withdrawalCount == withdrawals && counts.grantCount == 5_000 - withdrawals)
        #expect(counts.sequenceMax == 5_000)
    }

    @Test func nothingIsWithdrawnBeforeItsGrantIsAcknowledged() throws {
        let workload = try Self.workload(ratio: 0.9)
        for slot in 0..<4 { #expect(try Self.next(workload, slot: slot).method == .grant) }
        #expect(Self.answer(workload, slot: 2, .refused, sequence: 0) == .failed)
        for slot in 0..<4 { #expect(try Self.next(workload, slot: slot).method == .grant) }
    }

    @Test func onlyAcknowledgedEventsAreListed() throws {
        let path = "/tmp/consent-load-\(getpid())-\(UInt64.random(in: 0...(.max))).txt"
        defer { unlink(path) }
        var expected = ""
        do {
            let log = try AcknowledgementLog(path: path)
            let counts = WriteCounts()
            let workload = try Self.workload(counts: counts, log: log)
            for (sequence, status) in [(7, Wire.WriteStatus.recorded), (0, .refused), (9, .repeated)] {
                let id = try Self.next(workload).eventID
                let isDone = Self.answer(workload, status, sequence: UInt64(sequence)) != .failed
                #expect(isDone == (status != .refused))
                let hex = id.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
                if isDone { expected += "\(sequence) \(hex)\n" }
            }
            _ = try Self.next(workload)
            #expect(workload.judge(slot: 0, status: .unavailable, payload: RawSpan()) == .failed)
            workload.endOfBurst()
            #expect(!log.hasFailed && counts.repeatCount == 1 && counts.firstFailure != nil)
        }
        let file = try #require(fopen(path, "r"))
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 4_096)
        let count = fread(&bytes, 1, bytes.count, file)
        #expect(String(decoding: bytes[..<count], as: UTF8.self) == expected)
    }

    @Test func aLogThatCannotBeOpenedSaysWhy() {
        #expect(throws: LoadError.self) { try AcknowledgementLog(path: "/nowhere/at/all") }
    }
}
