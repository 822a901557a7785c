// The streams of a person's rights and of the operator's duties: Export, Journal; Dump (DumpSource.swift).
// Each keeps a position and sends pieces of one text; all run on the writer thread, a few events a step.
//
// A head is signed when a stream begins, and the stream tells of the events that it covers: what is recorded
// meanwhile is not in it, and does not wait for it. The seal at its end is over all of its text.

import ConsentDomain
import ConsentProof
import ConsentRegister
import ConsentWire
import WireProtocol

/// Text as chunks.
struct ChunkWriter {
    private var offset: UInt64 = 0
    private var waiting: [UInt8] = []
    /// Bytes that make a chunk: a step that ends early for a write sends nothing by itself.
    private static let chunkBytesMin = 32 << 10

    /// An item, where there is enough for one.
    mutating func items(_ bytes: [UInt8]) -> [ReadHandler.Encoder] {
        waiting += bytes
        return waiting.count < Self.chunkBytesMin ? [] : take()
    }

    /// The last item.
    mutating func last(_ bytes: [UInt8]) -> [ReadHandler.Encoder] {
        waiting += bytes
        return take()
    }

    private mutating func take() -> [ReadHandler.Encoder] {
        let chunk = Wire.Chunk(offset: offset, bytes: waiting)
        offset += UInt64(waiting.count)
        waiting = []
        return [{ chunk.encode(into: &$0) }]
    }
}

extension StreamStep {
    /// What a failed read ends a stream with.
    static func failed(_ error: RegisterError) -> StreamStep {
        .failed(.dataLoss, "the register could not be read: \(error)")
    }
}

/// All that is on file about a person.
final class ExportSource: StreamSource {
    /// The form of an export.
    enum Format: String {
        case json, kantara, iso27560
    }

    /// What is to be done next.
    private enum Phase {
        case reading(ArraySlice<UInt64>)
        case events(ArraySlice<ConsentEvent>)
        /// The events that made the part of the catalogue from which the words of the others follow.
        case catalogue(ArraySlice<ConsentEvent>)
    }

    private let controller: ControllerID
    private let subject: ReadHandler.Subject
    private let format: Format
    private let isAdministrator: Bool
    private var chunks = ChunkWriter()
    private var head: SignedHead?
    private var catalogue = Catalogue()
    private var phase = Phase.reading([])
    private var events: [ConsentEvent] = []
    private var hasElement = false
    private var seal = FileSeal(.export)
    /// Events read, or written, in one step; fewer where a write waits.
    private static let stepEvents = 16

    init(
        controller: ControllerID, subject: ReadHandler.Subject, format: Format, isAdministrator: Bool
    ) {
        self.controller = controller
        self.subject = subject
        self.format = format
        self.isAdministrator = isAdministrator
    }

    func read(limit: Int, _ writer: RegisterWriter) -> StreamStep {
        do throws(RegisterError) {
            guard let head else { return try begin(writer) }
            var text: [UInt8] = []
            switch phase {
            case .reading(var sequences):
                for _ in 0..<Self.stepEvents {
                    guard let sequence = sequences.popFirst() else { break }
                    if let event = try writer.register.event(sequence) {
                        events.append(writer.register.shown(event, isAdministrator: isAdministrator))
                    }
                    if writer.core.pipeline.hasWaitingWrites { break }
                }
                phase = sequences.isEmpty ? .events(events[...]) : .reading(sequences)
            case .events(var unwritten):
                for _ in 0..<Self.stepEvents {
                    guard let event = unwritten.popFirst() else { break }
                    try write(event, head, writer, to: &text)
                    if writer.core.pipeline.hasWaitingWrites { break }
                }
                phase = .events(unwritten)
                guard unwritten.isEmpty else { break }
                guard format == .json else { return .end(chunks.last(text + Array("\n]\n".utf8))) }
                text += Array("\n],\"catalogue\":[".utf8)
                hasElement = false
                let shown = Set(events.compactMap(\.notice))
                phase = .catalogue(
                    try writer.catalogueEvents(of: controller, until: head, notices: shown)[...])
            case .catalogue(let unwritten):
                // Each may be long: one a step.
                for event in unwritten.prefix(1) { try write(event, head, writer, to: &text) }
                let rest = unwritten.dropFirst()
                phase = .catalogue(rest)
                if rest.isEmpty { return .end(chunks.last(try sealed(text, head, writer))) }
            }
            seal.update(compact: text)
            return .items(chunks.items(text))
        } catch {
            return .failed(error)
        }
    }

    private func begin(_ writer: RegisterWriter) throws(RegisterError) -> StreamStep {
        let signed = try writer.register.signedHead(now: writer.core.clock.now)
        head = signed
        catalogue = writer.register.catalogue
        let sequences = try HistorySource.sequences(of: subject, writer)
        phase = .reading(sequences[...])
        guard format == .json else { return .items(chunks.items(Array("[".utf8))) }
        var preferences = JSONValue.array([])
        switch try RegisterAnswers.preferences(writer, controller: controller, subject: subject) {
        case .success(let response): preferences = EventText.preferences(response, catalogue)
        case .failure(let failure) where sequences.isEmpty: return .failed(failure.status, failure.message)
        case .failure: break
        }
        let entry = catalogue.controllers[controller].map(EventText.controller) ?? .null
        var text = JSONValue.members([
            "export": .string("consentd 1"),
            "time": .string(Timestamp(microseconds: signed.time).rfc3339),
            "sequence": .unsigned(signed.treeSize), "controller": entry, "contacts": preferences,
        ]).text
        text.removeLast()
        text += Array(",\"events\":[".utf8)
        seal.update(compact: text)
        return .items(chunks.items(text))
    }

    private func write(
        _ event: ConsentEvent, _ head: SignedHead, _ writer: RegisterWriter, to text: inout [UInt8]
    ) throws(RegisterError) {
        let value: JSONValue
        if format == .json {
            value = .object(try EventText.proven(event, catalogue, head: head, writer))
        } else {
            guard let receipt = ConsentReceipt(of: event, among: events, catalogue, head: head),
                let form = format == .kantara ? receipt.kantara : receipt.iso27560
            else { return }
            value = form
        }
        text += Array((hasElement ? ",\n" : "\n").utf8) + value.text
        hasElement = true
    }

    /// The end of the document.
    /// - Parameter last: text that the seal does not have yet.
    private func sealed(
        _ last: [UInt8], _ head: SignedHead, _ writer: RegisterWriter
    ) throws(RegisterError) -> [UInt8] {
        let shown = Set(events.compactMap(\.notice)).compactMap { catalogue.notices[$0] }
        let notices = shown.sorted { $0.ordinal < $1.ordinal }.map { JSONValue.object(EventText.notice($0)) }
        let tail = JSONValue.members(["notices": .array(notices), "head": EventText.head(head)]).text
        let text = last + Array("\n],".utf8) + tail.dropFirst()
        seal.update(compact: text)
        let signature = JSONValue.members(["signature": .hex(try writer.signature(of: seal, with: head))])
            .text
        return text.dropLast() + Array(",".utf8) + signature.dropFirst() + Array("\n".utf8)
    }
}

/// What denies after a sequence, as canonical bytes in JSON lines (JournalFile.swift).
final class JournalSource: StreamSource {
    private let after: UInt64
    private var position: UInt64
    private var hasBegun = false
    private var count: UInt64 = 0
    private var seal = FileSeal(.journal)
    private var chunks = ChunkWriter()
    private static let scanMax = 256

    init(after: UInt64) {
        self.after = after
        position = after
    }

    func read(limit: Int, _ writer: RegisterWriter) -> StreamStep {
        do throws(RegisterError) {
            var text: [UInt8] = []
            if !hasBegun {
                hasBegun = true
                text += JournalFile.header(incarnation: writer.register.incarnation, after: after)
            }
            for event in try writer.register.events(after: position, limit: Self.scanMax) {
                position = event.sequence
                guard JournalFile.covers(event.kind), event.personal != nil || !event.payload.isEmpty else {
                    continue
                }
                count += 1
                text += JournalFile.line(event)
            }
            // Complete only at the end of the log, so that the head covers all that was looked at.
            seal.update(text)
            guard position == writer.register.lastSequence else { return .items(chunks.items(text)) }
            let head = try writer.register.signedHead(now: writer.core.clock.now)
            let signature = try writer.signature(of: seal, with: head)
            return .end(
                chunks.last(text + JournalFile.end(events: count, head: head, signature: signature)))
        } catch {
            return .failed(error)
        }
    }
}
