// How far the register has come, kept in a small file beside the database.
//
// SQLite takes a write-ahead log for ended where a checksum fails. That is right after a crash, when what
// comes behind was never acknowledged; but a log that was synced, and cut or changed afterwards, ends there
// too, and acknowledged events behind it are gone without a word. So after each commit, and before anything
// is acknowledged, the last sequence is written here. It is not synced: what a crash of the process leaves is
// what was written, and what a loss of power leaves is this or something older, which claims less.
//
// It also keeps until when time was given out, so that a clock which is set back while no process runs does
// not bring back to life what had expired. That is synced once a day, since consents end with days.
//
//     slot 0 │ slot 1        512 bytes each, written in turn, so that one that is torn leaves the other
//     magic "CEM1" · incarnation (16) · sequence (u64) · time (i64, microseconds) · crc32c of these
//
// Invariants: the mark claims nothing that the database did not have on disk when it was written; a mark of
// another incarnation says nothing about this register.

import CPlatform
import ConsentDomain
import Glibc

/// What the mark says.
struct EndMarkContent: Hashable {
    /// Of the register.
    var incarnation: [UInt8]
    /// Of the last committed event.
    var sequence: UInt64
    /// Until when time was given out, about.
    var time: Timestamp
}

/// The file of the mark. Used by the register's thread.
final class EndMark {
    private(set) var content: EndMarkContent
    private let path: String
    private let descriptor: Int32
    private var nextSlot: Int

    private static let slotByteCount = 512
    private static let slotCount = 2
    private static let magic = Array("CEM1".utf8)
    /// Magic, incarnation, sequence and time.
    private static let sealedByteCount = 36

    /// What was found.
    private enum Found {
        /// There is no such file, or one of another register.
        case none
        case content(EndMarkContent, slot: Int)
        /// There is one, and neither of its slots is whole.
        case damaged
    }

    /// Path of the mark of a register.
    static func path(of register: String) -> String { register + "-mark" }

    /// Opens the mark of a register, or makes it where there is none that is of use.
    /// - Parameters:
    ///   - path: of the register.
    ///   - incarnation: of the register.
    ///   - sequence: of the last event that the register has, on disk.
    init(ofRegister register: String, incarnation: [UInt8], sequence: UInt64) throws(RegisterError) {
        path = Self.path(of: register)
        var content = EndMarkContent(incarnation: incarnation, sequence: sequence, time: .epoch)
        var lastSlot = 1
        var isBehind = false
        if case .content(let found, let slot) = try Self.find(path, incarnation), found.sequence <= sequence {
            content.time = found.time
            lastSlot = slot
            isBehind = found.sequence < sequence
        } else {
            try Self.make(path, content)
        }
        self.content = content
        nextSlot = (lastSlot + 1) % Self.slotCount
        descriptor = open(path, O_WRONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .system(action: "open", path: path, code: errno) }
        if isBehind { try write() }
    }

    deinit { close(descriptor) }

    /// What is to be said of a register that has fewer events than its mark; nil: it has all of them.
    /// - Parameter sequence: of the last event that the register has.
    static func loss(
        ofRegister register: String, incarnation: [UInt8], sequence: UInt64
    ) throws(RegisterError) -> RegisterError? {
        switch try find(path(of: register), incarnation) {
        case .none: nil
        case .content(let found, _):
            found.sequence <= sequence ? nil : .lostEnd(marked: found.sequence, last: sequence)
        case .damaged: .lostEnd(marked: nil, last: sequence)
        }
    }

    /// What the mark of a register says.
    private static func find(_ path: String, _ incarnation: [UInt8]) throws(RegisterError) -> Found {
        guard FileSystem.exists(path) else { return .none }
        let bytes = try FileSystem.read(path)
        var best: (content: EndMarkContent, slot: Int)?
        var isWhole = false
        for slot in 0..<slotCount {
            guard let content = decode(bytes.dropFirst(slot * slotByteCount).prefix(slotByteCount)) else {
                continue
            }
            isWhole = true
            guard content.incarnation == incarnation else { continue }
            if let best, best.content.sequence > content.sequence { continue }
            if let best, best.content.sequence == content.sequence, best.content.time > content.time {
                continue
            }
            best = (content, slot)
        }
        if let best { return .content(best.content, slot: best.slot) }
        return isWhole ? .none : .damaged
    }

    // MARK: Writing

    /// Notes a commit. The database has it on disk.
    func commit(sequence: UInt64, recordedAt: Timestamp) throws(RegisterError) {
        content.sequence = sequence
        content.time = max(content.time, recordedAt)
        try write()
    }

    /// Notes that a time was given out: each new day at once and synced, else once a minute.
    func passed(_ now: Timestamp) throws(RegisterError) {
        let isNewDay = now.day > content.time.day
        guard isNewDay || now.microseconds >= content.time.microseconds + 60_000_000 else { return }
        content.time = now
        try write()
        guard isNewDay else { return }
        guard fsync(descriptor) == 0 else { throw failure("syncing the register's mark", errno) }
    }

    /// Forgets times later than the last event's: they came from a clock that was wrong.
    func forgetTime(after recordedAt: Timestamp) throws(RegisterError) {
        guard content.time > recordedAt else { return }
        content.time = recordedAt
        // The other slot still has it.
        for _ in 0..<Self.slotCount { try write() }
        guard fsync(descriptor) == 0 else { throw failure("syncing the register's mark", errno) }
    }

    private func write() throws(RegisterError) {
        let slot = Self.encode(content)
        let offset = nextSlot * Self.slotByteCount
        let count = slot.withUnsafeBytes { pwrite(descriptor, $0.baseAddress, $0.count, off_t(offset)) }
        guard count == slot.count else {
            throw failure("writing the register's mark", count < 0 ? errno : ENOSPC)
        }
        nextSlot = (nextSlot + 1) % Self.slotCount
    }

    /// What it means when the events are on disk and the mark is not: nobody was told of them yet, and this
    /// disk is not to be trusted with more.
    private func failure(_ action: String, _ code: Int32) -> RegisterError {
        .commitFailed(
            SQLiteFailure(
                code: 10, extendedCode: 10, message: FileSystem.message(code), action: "\(action) (\(path))"))
    }

    /// Makes the file with both slots alike, in place of one that may be there.
    private static func make(_ path: String, _ content: EndMarkContent) throws(RegisterError) {
        let temporary = path + ".partial"
        FileSystem.remove(temporary)
        let slot = encode(content)
        let padding = [UInt8](repeating: 0, count: slotByteCount - slot.count)
        try FileSystem.create(temporary, slot + padding + slot + padding, permissions: 0o600)
        guard rename(temporary, path) == 0 else { throw .system(action: "name", path: path, code: errno) }
        try FileSystem.syncFolder(of: path)
    }

    // MARK: Form

    private static func encode(_ content: EndMarkContent) -> [UInt8] {
        var bytes = magic + content.incarnation
        for number in [content.sequence, UInt64(bitPattern: content.time.microseconds)] {
            withUnsafeBytes(of: number.littleEndian) { bytes.append(contentsOf: $0) }
        }
        let checksum = bytes.withUnsafeBytes { consent_crc32c(0, $0.baseAddress, $0.count) }
        withUnsafeBytes(of: checksum.littleEndian) { bytes.append(contentsOf: $0) }
        return bytes
    }

    /// - Parameter slot: its bytes; less than a slot where the file is short.
    /// - Returns: nil where they are not what was written.
    private static func decode(_ slot: ArraySlice<UInt8>) -> EndMarkContent? {
        let bytes = Array(slot.prefix(sealedByteCount + 4))
        guard bytes.count == sealedByteCount + 4 else { return nil }
        func number(_ range: Range<Int>) -> UInt64 {
            bytes[range].reversed().reduce(0) { $0 << 8 | UInt64($1) }
        }
        let content = EndMarkContent(
            incarnation: Array(bytes[4..<20]), sequence: number(20..<28),
            time: Timestamp(microseconds: Int64(bitPattern: number(28..<36))))
        return encode(content) == bytes ? content : nil
    }
}

extension SQLiteRegister {
    // MARK: Time

    /// Until when time was given out, as far as is known: the last event's, or later.
    public var lastKnownTime: Timestamp { max(lastRecordedAt, endMark.content.time) }

    /// Notes a time that was given out, so that the next start knows of it: each new day at once, else once a
    /// minute. An error means that the process must end.
    public func noteTime(_ now: Timestamp) throws(RegisterError) {
        try requireRunning()
        do throws(RegisterError) {
            try endMark.passed(now)
        } catch {
            isStopped = true
            throw error
        }
    }

    /// Forgets times that were noted after the last event: the clock that gave them was wrong.
    public func forgetNotedTime() throws(RegisterError) {
        try endMark.forgetTime(after: lastRecordedAt)
    }
}
