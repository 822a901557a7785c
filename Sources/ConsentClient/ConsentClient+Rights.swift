// A person's rights: erasure and access; and what an operator hands over or keeps: dumps and journals.

import ConsentDomain
import ConsentWire
import WireProtocol

/// The erasure of a person's data at one controller. The denial stays.
public struct Erasure: Hashable, Sendable {
    /// Name of the event; nil: the client makes one.
    public var eventID: EventID?
    /// Whose data.
    public var controller: ControllerID
    /// Contact points, at most 8, or a reference, which reaches every contact point recorded under it.
    public var subject: Subject
    /// Restrict first: until then only an administrator can read the personal parts, then they are
    /// destroyed (at the start of the first UTC day that begins no earlier); nil: destroy at once.
    public var restrictUntil: Timestamp?

    /// An erasure at once.
    public init(controller: ControllerID, subject: Subject) {
        self.controller = controller
        self.subject = subject
    }
}

/// What a step of `retireLapsed` did, or would do.
public struct RetirementStep: Hashable, Sendable {
    /// Contact points looked at.
    public var examined: Int
    /// Contact points whose personal parts were destroyed, or would be.
    public var contacts: Int
    /// Events whose personal parts were destroyed, or would be.
    public var events: Int
    /// Where the next step goes on; nil: all were looked at.
    public var next: UInt64?

    /// Nothing yet.
    public init() { (examined, contacts, events, next) = (0, 0, 0, nil) }
}

/// The form of an export.
public enum ExportFormat: String, CaseIterable, Sendable {
    /// Everything on file, with proofs.
    case json
    /// Kantara Consent Receipt 1.1.
    case kantara
    /// Consent records after ISO/IEC TS 27560.
    case iso27560
}

/// A piece of a file that the server sends.
public struct FileChunk: Hashable, Sendable {
    /// Position of the first byte.
    public var offset: UInt64
    /// The bytes.
    public var bytes: [UInt8]
}

/// The pieces of an export, dump or journal, in order.
public struct ChunkSequence: AsyncSequence, Sendable {
    private let open: @Sendable () -> (ConsentClient, OpenStream)

    init(_ open: @escaping @Sendable () -> (ConsentClient, OpenStream)) { self.open = open }

    /// One call.
    public struct AsyncIterator: AsyncIteratorProtocol {
        /// Kept, so that the connection stays while the stream is read.
        let client: ConsentClient
        let stream: OpenStream
        private var offset: UInt64 = 0

        init(client: ConsentClient, stream: OpenStream) {
            self.client = client
            self.stream = stream
        }

        /// The next piece; nil after the last. A gap between two pieces is an error.
        public mutating func next(
            isolation actor: isolated (any Actor)?
        ) async throws(ConsentClientError) -> FileChunk? {
            guard let body = try await stream.next() else { return nil }
            let chunk: Wire.Chunk = try ConsentClient.decode(body)
            guard chunk.offset == offset else {
                throw .malformedAnswer("a piece begins at byte \(chunk.offset), not at \(offset)")
            }
            offset += UInt64(chunk.bytes.count)
            return FileChunk(offset: chunk.offset, bytes: chunk.bytes)
        }

        /// The next piece; nil after the last.
        public mutating func next() async throws(ConsentClientError) -> FileChunk? {
            try await next(isolation: nil)
        }
    }

    /// Makes the call.
    public func makeAsyncIterator() -> AsyncIterator {
        let (client, stream) = open()
        return AsyncIterator(client: client, stream: stream)
    }

    /// All pieces in one.
    public func bytes() async throws(ConsentClientError) -> [UInt8] {
        var all: [UInt8] = []
        var iterator = makeAsyncIterator()
        while let chunk = try await iterator.next() { all += chunk.bytes }
        return all
    }
}

extension ConsentClient {
    /// Erases a person's data at one controller; the denial stays. When this returns `.recorded`, the
    /// personal parts are out of the register's files (or restricted, where that was asked).
    ///
    /// - Returns: `.repeated` where there was nothing left to erase.
    /// - Throws: any `ConsentClientError`; making it again with the same `eventID` is safe.
    public func erase(
        _ erasure: Erasure, timeout: Duration? = nil
    ) async throws(ConsentClientError) -> WriteResult {
        var request = Wire.EraseRequest()
        request.eventId = Wire.Bytes16(erasure.eventID ?? EventID.makeVersion7())
        request.controller = erasure.controller.rawValue
        request.restrictUntil = erasure.restrictUntil?.microseconds
        switch erasure.subject {
        case .contacts(let contacts): request.contacts = contacts.map(Wire.WriteContact.init(client:))
        case .reference(let reference): request.reference = reference
        case .key: throw .invalidRequest("a write names an address or a reference, never a key")
        }
        return try await write(.erase, request, timeout)
    }

    /// Destroys the personal parts of contact points of which nothing has been in force for the proof period;
    /// the denial stays. Does a part of the work: call it again with the step's `next` until that is nil.
    ///
    /// - Parameters:
    ///   - proofMonths: calendar months for which proof is kept once nothing is in force, 1 to 65,535.
    ///   - dryRun: only count.
    ///   - after: `next` of the step before; nil: from the beginning.
    /// - Throws: any `ConsentClientError`; making it again is safe.
    public func retireLapsed(
        controller: ControllerID, proofMonths: UInt16 = 36, dryRun: Bool, after: UInt64? = nil,
        timeout: Duration? = nil
    ) async throws(ConsentClientError) -> RetirementStep {
        guard proofMonths > 0 else { throw .invalidRequest("a proof period is a month at least") }
        let request = Wire.RetireLapsedRequest(
            controller: controller.rawValue, proofMonths: proofMonths, dryRun: dryRun,
            after: after)
        let answer = try await call(
            .retireLapsed, request, as: Wire.RetireLapsedResponse.self, timeout: timeout)
        var step = RetirementStep()
        step.examined = Int(answer.examined)
        step.contacts = Int(answer.contacts)
        step.events = Int(answer.events)
        step.next = answer.next
        return step
    }

    /// All that is on file about a person, in one of three forms.
    ///
    /// - Returns: the pieces of a JSON document; iteration throws `ConsentClientError`.
    public func export(
        controller: ControllerID, of subject: Subject, format: ExportFormat = .json, timeout: Duration? = nil
    ) throws(ConsentClientError) -> ChunkSequence {
        var request = Wire.ExportRequest()
        request.controller = controller.rawValue
        request.format = format.rawValue
        (request.contact, request.reference) = try Self.contact(subject)
        let finished = request
        return ChunkSequence { (self, self.stream(.export, finished, timeout: timeout)) }
    }

    /// Every event of a controller, with the notices and a signed head.
    ///
    /// - Returns: the pieces of a file of JSON lines; iteration throws `ConsentClientError`.
    public func dump(controller: ControllerID) -> ChunkSequence {
        var request = Wire.DumpRequest()
        request.controller = controller.rawValue
        let finished = request
        return ChunkSequence { (self, self.stream(.dump, finished, timeout: nil)) }
    }

    /// Refusals and erasures after a sequence, to be replayed when a backup is restored.
    ///
    /// - Returns: the pieces of a file of JSON lines; iteration throws `ConsentClientError`.
    public func journal(after sequence: UInt64) -> ChunkSequence {
        var request = Wire.JournalRequest()
        request.after = sequence
        let finished = request
        return ChunkSequence { (self, self.stream(.journal, finished, timeout: nil)) }
    }
}
