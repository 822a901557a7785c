// The rows of Review, contact point by contact point: first those whose state is in memory alone, then the
// derived tables page by page.
//
// Invariant: a contact point that has something due at the time of the call, and keeps it, comes exactly
// once, whatever is written or flushed meanwhile.

import ConsentDomain
import ConsentRegister
import ConsentWire
import WireProtocol

/// Reminders of one controller.
final class ReviewSource: StreamSource {
    private let controller: ControllerID
    private let within: Int64
    private var now: Timestamp?
    /// Contact points still to be looked at, of memory or of the page.
    private var waiting: ArraySlice<SlotKey> = []
    /// Those that were in memory at first: the tables may have them by now.
    private var seen = Set<SlotKey>()
    private var position: SlotKey?
    private var isAtEnd = false
    /// Items found and not sent for want of credit.
    private var found: [Wire.ReviewItem] = []

    /// Rows of the derived tables looked at in one step.
    private static let pageRowCount = 256
    /// Contact points folded in one step.
    private static let stepContactCount = 32

    /// - Parameter within: microseconds ahead.
    init(controller: ControllerID, within: Int64) {
        self.controller = controller
        self.within = within
    }

    func read(limit: Int, _ writer: RegisterWriter) -> StreamStep {
        do throws(RegisterError) {
            if found.count < limit { try look(writer) }
            let items = found.prefix(limit)
            found.removeFirst(items.count)
            let encoders = items.map { item in
                { @Sendable (output: inout FrameWriter) in item.encode(into: &output) }
            }
            return found.isEmpty && waiting.isEmpty && isAtEnd ? .end(encoders) : .items(encoders)
        } catch {
            return .failed(.dataLoss, "the register could not be read: \(error)")
        }
    }

    /// Looks at some contact points, or finds the next ones.
    private func look(_ writer: RegisterWriter) throws(RegisterError) {
        guard let now else {
            self.now = writer.core.clock.now
            let keys = try writer.register.unwrittenContacts(of: controller)
            seen = Set(keys)
            waiting = keys[...]
            return
        }
        if waiting.isEmpty && !isAtEnd {
            let page = try writer.register.contacts(
                of: controller, after: position, rowCount: Self.pageRowCount)
            waiting = page.keys.filter { !seen.contains($0) }[...]
            position = page.end
            isAtEnd = page.end == nil
        }
        for key in waiting.prefix(Self.stepContactCount) {
            guard let state = try writer.register.state(for: key) else { continue }
            let reminders = state.reminders(now: now, within: within, catalogue: writer.register.catalogue)
            for reminder in reminders { found.append(try item(reminder, state, key, writer)) }
        }
        waiting = waiting.dropFirst(Self.stepContactCount)
    }

    private func item(
        _ reminder: Reminder, _ state: ContactState, _ key: SlotKey, _ writer: RegisterWriter
    ) throws(RegisterError) -> Wire.ReviewItem {
        Wire.ReviewItem(
            reference: try reference(reminder.sequence, key, writer),
            reason: Wire.Reason(reminder.kind.reason), due: reminder.due?.microseconds ?? 0,
            event: reminder.sequence,
            key: Wire.Bytes16(writer.core.keyring.recipientKey(of: key, controller: controller)),
            contactKind: Wire.ContactKind(state.kind), channel: Wire.Channel(reminder.channel),
            purpose: reminder.purpose.rawValue)
    }

    /// The customer reference of an event; where it has none, the newest one of its contact point.
    private func reference(
        _ sequence: UInt64, _ key: SlotKey, _ writer: RegisterWriter
    ) throws(RegisterError) -> String {
        if let reference = try writer.register.event(sequence)?.personal?.reference, !reference.isEmpty {
            return reference
        }
        for sequence in try writer.register.sequences(of: key).reversed() {
            let reference = try writer.register.event(sequence)?.personal?.reference ?? ""
            if !reference.isEmpty { return reference }
        }
        return ""
    }
}
