// The streams of a person's rights and of the operator's duties: Export, Dump, Journal. Each keeps a position
// and sends pieces of one text; all run on the writer thread, a few events a step.
//
// A head is signed when a stream begins, and the stream tells of the events that it covers: what is recorded
// meanwhile is not in it, and does not wait for it.

import ConsentDomain
import ConsentProof
import ConsentRegister
import ConsentWire
import Crypto
import WireProtocol

/// Text as chunks.
struct ChunkWriter {
    private var offset: UInt64 = 0

    /// One item with the next bytes; none where there are none.
    mutating func items(_ bytes: [UInt8]) -> [ReadHandler.Encoder] {
        guard !bytes.isEmpty else { return [] }
        let chunk = Wire.Chunk(offset: offset, bytes: bytes)
        offset += UInt64(bytes.count)
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

    private let controller: ControllerID
    private let subject: ReadHandler.Subject
    private let format: Format
    private let isAdministrator: Bool
    private var chunks = ChunkWriter()
    private var head: SignedHead?
    private var catalogue = Catalogue()
    private var unread: ArraySlice<UInt64> = []
    private var events: [ConsentEvent] = []
    private var written = 0
    private var hasElement = false
    private var notices = Set<NoticeID>()
    /// Events read, or written, in one step.
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
            if !unread.isEmpty {
                for sequence in unread.prefix(Self.stepEvents) {
                    guard let event = try writer.register.event(sequence) else { continue }
                    events.append(writer.register.shown(event, isAdministrator: isAdministrator))
                }
                unread = unread.dropFirst(Self.stepEvents)
                return .items([])
            }
            var text: [UInt8] = []
            let end = min(written + Self.stepEvents, events.count)
            for event in events[written..<end] { try write(event, head, writer, to: &text) }
            written = end
            guard written == events.count else { return .items(chunks.items(text)) }
            text += closing(head)
            return .end(chunks.items(text))
        } catch {
            return .failed(error)
        }
    }

    private func begin(_ writer: RegisterWriter) throws(RegisterError) -> StreamStep {
        let signed = try writer.register.signedHead(now: writer.core.clock.now)
        head = signed
        catalogue = writer.register.catalogue
        unread = try HistorySource.sequences(of: subject, writer)[...]
        guard format == .json else { return .items(chunks.items(Array("[".utf8))) }
        var preferences = JSONValue.array([])
        switch try RegisterAnswers.preferences(writer, controller: controller, subject: subject) {
        case .success(let response): preferences = EventText.preferences(response, catalogue)
        case .failure(let failure) where unread.isEmpty: return .failed(failure.status, failure.message)
        case .failure: break
        }
        let entry = catalogue.controllers[controller].map(EventText.controller) ?? .null
        let members: [(String, JSONValue)] = [
            ("export", .string("consentd 1")), ("time", .string(writer.core.clock.now.rfc3339)),
            ("sequence", .unsigned(signed.treeSize)), ("controller", entry), ("contacts", preferences),
        ]
        var text = JSONValue.object(members).text
        text.removeLast()
        text += Array(",\"events\":[".utf8)
        return .items(chunks.items(text))
    }

    private func write(
        _ event: ConsentEvent, _ head: SignedHead, _ writer: RegisterWriter, to text: inout [UInt8]
    ) throws(RegisterError) {
        let value: JSONValue
        switch format {
        case .json:
            let proof = try EventText.proof(event, head: head, writer)
            value = .object(EventText.event(event, catalogue) + [("proof", proof)])
            if let notice = event.notice { notices.insert(notice) }
        case .kantara:
            guard let source = ReceiptSource(event, among: events, catalogue) else { return }
            value = source.kantara
        case .iso27560:
            guard let source = ReceiptSource(event, among: events, catalogue) else { return }
            value = source.iso27560
        }
        text += Array((hasElement ? ",\n" : "\n").utf8) + value.text
        hasElement = true
    }

    private func closing(_ head: SignedHead) -> [UInt8] {
        guard format == .json else { return Array("\n]\n".utf8) }
        let shown = notices.compactMap { catalogue.notices[$0] }.sorted { $0.ordinal < $1.ordinal }
        let tail = JSONValue.members([
            "notices": .array(shown.map { .object(EventText.notice($0)) }), "head": EventText.head(head),
        ])
        return Array("\n],".utf8) + tail.text.dropFirst() + Array("\n".utf8)
    }
}

/// Every event of a controller, the notices that name it, and a head, as JSON lines.
final class DumpSource: StreamSource {
    private let controller: ControllerID
    private var chunks = ChunkWriter()
    private var head: SignedHead?
    private var position: UInt64 = 0
    private var count: UInt64 = 0
    /// Events looked at in one step, and events written in one step.
    private static let scanMax = 256
    private static let stepEvents = 16

    init(controller: ControllerID) { self.controller = controller }

    func read(limit: Int, _ writer: RegisterWriter) -> StreamStep {
        do throws(RegisterError) {
            guard let head else { return try begin(writer) }
            var text: [UInt8] = []
            var scanned = 0
            var written = 0
            while position < head.treeSize, scanned < Self.scanMax, written < Self.stepEvents {
                let left = Int(min(64, head.treeSize - position))
                let events = try writer.register.events(after: position, limit: left)
                guard !events.isEmpty else { break }
                for event in events where written < Self.stepEvents {
                    position = event.sequence
                    scanned += 1
                    guard isWanted(event, writer.register.catalogue) else { continue }
                    written += 1
                    let members =
                        [("type", JSONValue.string("event"))]
                        + EventText.event(event, writer.register.catalogue)
                        + [("proof", try EventText.proof(event, head: head, writer))]
                    text += JSONValue.object(members).text + [0x0A]
                }
            }
            count += UInt64(written)
            guard position == head.treeSize else { return .items(chunks.items(text)) }
            let end = JSONValue.members([
                "type": .string("end"), "events": .unsigned(count), "sequence": .unsigned(head.treeSize),
            ])
            return .end(chunks.items(text + end.text + [0x0A]))
        } catch {
            return .failed(error)
        }
    }

    private func begin(_ writer: RegisterWriter) throws(RegisterError) -> StreamStep {
        let signed = try writer.register.signedHead(now: writer.core.clock.now)
        head = signed
        let catalogue = writer.register.catalogue
        let first = JSONValue.members([
            "type": .string("dump"), "version": .unsigned(1),
            "controller": catalogue.controllers[controller].map(EventText.controller) ?? .null,
            "sequence": .unsigned(signed.treeSize), "head": EventText.head(signed),
        ])
        var text = first.text + [0x0A]
        let notices = catalogue.notices.values.filter { $0.controllers.contains(controller) }
        for notice in notices.sorted(by: { $0.ordinal < $1.ordinal }) {
            text +=
                JSONValue.object([("type", .string("notice"))] + EventText.notice(notice)).text + [0x0A]
        }
        return .items(chunks.items(text))
    }

    /// Events of the controller, and those of the catalogue that concern it.
    private func isWanted(_ event: ConsentEvent, _ catalogue: Catalogue) -> Bool {
        switch event.kind {
        case .purposePut, .restored: true
        case .noticePut, .noticeInvalidated:
            event.notice.flatMap { catalogue.notices[$0] }?.controllers.contains(controller) ?? false
        default: event.controller == controller
        }
    }
}

/// What denies after a sequence, as canonical bytes in JSON lines (JournalFile.swift).
final class JournalSource: StreamSource {
    private let after: UInt64
    private var position: UInt64
    private var hasBegun = false
    private var count: UInt64 = 0
    private var lines = SHA256()
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
            lines.update(data: text)
            guard position == writer.register.lastSequence else { return .items(chunks.items(text)) }
            let head = try writer.register.signedHead(now: writer.core.clock.now)
            guard
                let end = try? JournalFile.end(
                    events: count, head: head, lines: lines, key: writer.core.logKey)
            else { return .failed(.internal, "the journal could not be signed") }
            return .end(chunks.items(text + end))
        } catch {
            return .failed(error)
        }
    }
}
