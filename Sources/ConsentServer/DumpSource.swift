// Dump: every event of a controller, as JSON lines that can be verified line by line, in flat memory.
//
//     {"type":"dump","version":1,"controller":{…},"sequence":N,"head":{…}}
//     {"type":"event",…,"proof":{…}}      the catalogue's events that concern the controller, ascending
//     {"type":"notice",…}                 the notices that name it
//     {"type":"event",…,"proof":{…}}      the controller's other events, ascending
//     {"type":"end","events":…,"sequence":N,"signature":…}
//
// The catalogue comes first, since the words of the other events follow from it. The signature is the log
// key's seal (FileSeal.swift) over all lines before the last.

import ConsentDomain
import ConsentProof
import ConsentRegister
import ConsentWire

/// The lines of a dump.
final class DumpSource: StreamSource {
    private let controller: ControllerID
    private var chunks = ChunkWriter()
    private var head: SignedHead?
    private var catalogue = Catalogue()
    private var decrees: ArraySlice<ConsentEvent> = []
    private var notices: ArraySlice<Notice> = []
    private var position: UInt64 = 0
    private var count: UInt64 = 0
    private var seal = FileSeal(.dump)
    /// Events that were read and not looked at yet.
    private var read: ArraySlice<ConsentEvent> = []
    /// Events read at once, looked at in one step, and written in one step. A step ends early where a write
    /// waits: events are small, and commits are not to wait for more than one.
    private static let readMax: UInt64 = 8
    private static let scanMax = 64
    private static let stepEvents = 16

    init(controller: ControllerID) { self.controller = controller }

    func read(limit: Int, _ writer: RegisterWriter) -> StreamStep {
        do throws(RegisterError) {
            guard let head else { return .items(chunks.items(try begin(writer))) }
            var text: [UInt8] = []
            // Decrees and notices may be long: one a step.
            if let event = decrees.popFirst() {
                text = try line(event, head, writer)
            } else if let notice = notices.popFirst() {
                text = Self.line("notice", EventText.notice(notice))
            } else {
                text = try scan(head, writer)
            }
            seal.update(text)
            guard position == head.treeSize else { return .items(chunks.items(text)) }
            let end: [EventText.Member] = [
                .init("events", .unsigned(count)), .init("sequence", .unsigned(head.treeSize)),
                .init("signature", .hex(try writer.signature(of: seal, with: head))),
            ]
            return .end(chunks.last(text + Self.line("end", end)))
        } catch {
            return .failed(error)
        }
    }

    private func begin(_ writer: RegisterWriter) throws(RegisterError) -> [UInt8] {
        let signed = try writer.register.signedHead(now: writer.core.clock.now)
        head = signed
        catalogue = writer.register.catalogue
        notices =
            catalogue.notices.values.filter { $0.controllers.contains(controller) }
            .sorted { $0.ordinal < $1.ordinal }[...]
        decrees = try writer.catalogueEvents(
            of: controller, until: signed, notices: Set(notices.map(\.id)))[...]
        let first: [EventText.Member] = [
            .init("version", .unsigned(1)),
            .init("controller", catalogue.controllers[controller].map(EventText.controller) ?? .null),
            .init("sequence", .unsigned(signed.treeSize)), .init("head", EventText.head(signed)),
        ]
        let text = Self.line("dump", first)
        seal.update(text)
        return text
    }

    /// The next events of the controller, a few of them.
    private func scan(_ head: SignedHead, _ writer: RegisterWriter) throws(RegisterError) -> [UInt8] {
        var text: [UInt8] = []
        var written = 0
        for _ in 0..<Self.scanMax where written < Self.stepEvents && position < head.treeSize {
            if read.isEmpty {
                let limit = Int(min(Self.readMax, head.treeSize - position))
                read = try writer.register.events(after: position, limit: limit)[...]
            }
            guard let event = read.popFirst() else { break }
            position = event.sequence
            if !event.kind.isCatalogue, event.controller == controller || event.kind == .restored {
                written += 1
                text += try line(event, head, writer)
            }
            if writer.core.pipeline.hasWaitingWrites { break }
        }
        return text
    }

    private func line(
        _ event: ConsentEvent, _ head: SignedHead, _ writer: RegisterWriter
    ) throws(RegisterError) -> [UInt8] {
        count += 1
        return Self.line("event", try EventText.proven(event, catalogue, head: head, writer))
    }

    private static func line(_ type: String, _ members: [EventText.Member]) -> [UInt8] {
        JSONValue.object([.init("type", .string(type))] + members).text + [0x0A]
    }
}
