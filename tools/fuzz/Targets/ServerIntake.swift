// What a server does with the bytes of a connection until a handler has them: the same steps in the same
// order as ConsentServer's Connection and Dispatcher, without socket, credential and register.

import CPlatform
import WireProtocol

/// One connection that reads.
final class ServerIntake {
    /// What came of the bytes so far; equal for equal bytes, however they were cut.
    enum Step: Hashable {
        case frame(FrameHeader)
        case action(ServerConnectionState.Action)
        case welcome(Wire.Welcome)
        case turnedAway(Wire.Goaway)
        case admission(ServerConnectionState.Admission)
        case payload(byteCount: Int, checksum: UInt32, isTaken: Bool)
        case wrongBody(WireError)
        case failed(FrameError)
    }

    private(set) var steps: [Step] = []
    /// A frame came through whose header and body both had their checksum.
    private(set) var isPast = false
    /// Frames whose header had its checksum.
    private(set) var frameCount = 0
    /// A compressed payload of this many bytes came through.
    private(set) var inflatedBytes = 0

    private var state = ServerConnectionState()
    private var reader = FrameReader(bodyBytesMax: Wire.Limits.helloBytesMax)
    private var inflated = FrameWriter(minimumCapacity: 64)
    private var unread: [UInt8] = []
    private var isClosed = false
    private var openStreams: [UInt32] = []

    /// A connection of which nothing was read yet.
    init() {}

    /// A connection that is open already.
    init(_ agreement: Agreement, isDraining: Bool) {
        let preface = Handshake.preface
        _ = state.receivedPreface(preface.span.bytes)
        _ = state.received(FrameHeader(kind: .hello))
        state.accept(agreement)
        reader.bodyBytesMax = agreement.bodyBytesMax
        if isDraining { _ = state.beginDrain(pingValue: 1) }
    }

    // MARK: Bytes

    /// Takes up a piece of what the peer sent.
    func read(_ piece: RawSpan) throws(Finding) {
        guard !isClosed else { return }
        guard !unread.isEmpty else {
            let taken = try process(piece)
            unread = piece.array(taken..<piece.byteCount)
            return
        }
        let bytes = unread + piece.array
        let taken = try process(bytes.span.bytes)
        unread = Array(bytes[taken...])
    }

    /// - Returns: how many bytes are done with.
    private func process(_ bytes: RawSpan) throws(Finding) -> Int {
        var dropped = 0
        if state.phase == .awaitingPreface {
            switch state.receivedPreface(bytes) {
            case .readMore: return 0
            case .drop(let byteCount): dropped = byteCount
            case .fail(let error):
                fail(error)
                return bytes.byteCount
            }
        }
        let readable = bytes.extracting(droppingFirst: dropped)
        do throws(FrameError) {
            while !isClosed, let frame = try reader.next(readable) {
                try take(frame, readable)
            }
        } catch {
            fail(error)
        }
        if let finding { throw finding }
        guard reader.bytesNeeded - reader.consumed <= FrameHeader.byteCount + reader.bodyBytesMax else {
            throw Finding("the reader waits for \(reader.bytesNeeded) bytes, more than any frame has")
        }
        return isClosed ? bytes.byteCount : dropped + reader.rebase()
    }

    /// What a frame broke; kept until the loop that has errors of its own ends.
    private var finding: Finding?

    private func take(_ frame: Frame, _ readable: RawSpan) throws(FrameError) {
        do throws(Finding) {
            try received(frame.header, readable.extracting(frame.body))
        } catch {
            finding = error
            isClosed = true
        }
    }

    // MARK: Frames

    private func received(_ header: FrameHeader, _ body: RawSpan) throws(Finding) {
        steps.append(.frame(header))
        frameCount += 1
        try checkHeader(header)
        if header.flags.contains(.bodyChecksum), (try? header.verifyBody(body)) != nil { isPast = true }
        let action = state.received(header)
        steps.append(.action(action))
        switch action {
        case .request: try request(header, body)
        case .hello: hello(header, body)
        case .finishDrain(_, let thenClose), .clientLeaves(let thenClose): isClosed = isClosed || thenClose
        case .fail(let error): fail(error)
        case .cancel(let stream):
            if state.endCall(stream) { isClosed = true }
        case .credit(let stream):
            while state.takeCredit(stream), state.credit(stream) % 8 != 0 {}
        case .ignore, .pong: break
        }
        guard state.openCallCount <= max(0, state.agreement.inFlightMax) else {
            throw Finding("\(state.openCallCount) calls are open, \(state.agreement.inFlightMax) may be")
        }
    }

    /// A header that was read is written as it was.
    private func checkHeader(_ header: FrameHeader) throws(Finding) {
        var bytes = [UInt8](repeating: 0, count: FrameHeader.byteCount)
        bytes.withUnsafeMutableBytes { header.encode(into: $0) }
        let again = try? FrameHeader.decode(bytes.span.bytes, bodyBytesMax: Wire.Limits.bodyBytesMax)
        guard again == header else { throw Finding("the header \(header) does not come back") }
        guard Int(header.bodyLength) <= reader.bodyBytesMax else {
            throw Finding("a body of \(header.bodyLength) bytes, over the limit of \(reader.bodyBytesMax)")
        }
    }

    private func hello(_ header: FrameHeader, _ body: RawSpan) {
        let hello: Wire.Hello
        do {
            try header.verifyBody(body)
            hello = try Wire.Hello(decoding: body)
        } catch {
            return fail(.badHandshake(error))
        }
        switch Handshake.negotiate(hello, server: Handshake.ServerOffer()) {
        case .reject(let goaway):
            steps.append(.turnedAway(goaway))
            state.close()
            isClosed = true
        case .accept(let welcome):
            steps.append(.welcome(welcome))
            state.accept(Agreement(welcome))
            reader.bodyBytesMax = state.agreement.bodyBytesMax
        }
    }

    // MARK: Calls

    private func request(_ header: FrameHeader, _ body: RawSpan) throws(Finding) {
        let limit = state.agreement.bodyBytesMax
        var broken: Finding?
        do throws(WireError) {
            try header.withPayload(of: body, bodyBytesMax: limit, scratch: &inflated) {
                payload throws(WireError) in
                do throws(Finding) {
                    try dispatch(header, payload, limit: limit)
                } catch {
                    broken = error
                }
            }
        } catch {
            steps.append(.wrongBody(error))
            if state.isOpen(header.stream) { fail(.badStream(header.stream)) }
        }
        if let broken { throw broken }
    }

    private func dispatch(_ header: FrameHeader, _ payload: RawSpan, limit: Int) throws(Finding) {
        guard payload.byteCount <= limit else {
            throw Finding("a payload of \(payload.byteCount) bytes, over the limit of \(limit)")
        }
        if header.flags.contains(.compressed) { inflatedBytes = payload.byteCount }
        let method = Wire.Method(rawValue: header.code)
        guard let info = method.info, payload.byteCount <= info.bodyBytesMax,
            let type = Self.requests[method]
        else { return }
        let admission =
            info.isStreaming
            ? state.beginCall(header.stream, credit: 64) : state.checkSynchronousCall(header.stream)
        steps.append(.admission(admission))
        switch admission {
        case .fail(let error): return fail(error)
        case .reject: return
        case .takeUp: break
        }
        let isTaken = try MessageTarget.check(type, payload)
        let sum = payload.withUnsafeBytes { consent_crc32c(0, $0.baseAddress, $0.count) }
        steps.append(.payload(byteCount: payload.byteCount, checksum: sum, isTaken: isTaken))
    }

    private func fail(_ error: FrameError) {
        steps.append(.failed(error))
        state.close()
        isClosed = true
    }

    /// What each method reads.
    static let requests: [Wire.Method: any WireMessage.Type] = [
        .check: Wire.CheckRequest.self, .checkBatch: Wire.CheckBatchRequest.self,
        .keys: Wire.KeysRequest.self, .preferences: Wire.PreferencesRequest.self,
        .explain: Wire.ExplainRequest.self, .checkAt: Wire.CheckAtRequest.self,
        .grant: Wire.GrantRequest.self, .confirm: Wire.ConfirmRequest.self,
        .withdraw: Wire.RefusalRequest.self, .refuse: Wire.RefusalRequest.self,
        .object: Wire.RefusalRequest.self, .record: Wire.RecordRequest.self,
        .import: Wire.ImportRequest.self, .putController: Wire.PutControllerRequest.self,
        .putPurpose: Wire.PutPurposeRequest.self, .putNotice: Wire.PutNoticeRequest.self,
        .invalidateNotice: Wire.InvalidateNoticeRequest.self, .catalogue: Wire.CatalogueRequest.self,
        .memo: Wire.MemoRequest.self, .history: Wire.HistoryRequest.self, .proof: Wire.ProofRequest.self,
        .export: Wire.ExportRequest.self, .dump: Wire.DumpRequest.self, .erase: Wire.EraseRequest.self,
        .review: Wire.ReviewRequest.self, .watch: Wire.WatchRequest.self, .head: Wire.HeadRequest.self,
        .retireLapsed: Wire.RetireLapsedRequest.self, .backup: Wire.Empty.self,
        .journal: Wire.JournalRequest.self, .health: Wire.Empty.self, .stats: Wire.Empty.self,
    ]
}
