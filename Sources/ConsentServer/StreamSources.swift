// What the streams read: History, Watch, Backup. Each keeps a position; all run on the writer thread.

import CPlatform
import ConsentDomain
import ConsentRegister
import ConsentWire
import Foundation
import WireProtocol

/// Events of a contact point or a reference, oldest first.
final class HistorySource: StreamSource {
    private let subject: ReadHandler.Subject
    private let withWording: Bool
    private let isAdministrator: Bool
    private var remaining: ArraySlice<UInt64>?

    init(subject: ReadHandler.Subject, withWording: Bool, isAdministrator: Bool) {
        self.isAdministrator = isAdministrator
        self.subject = subject
        self.withWording = withWording
    }

    func read(limit: Int, _ writer: RegisterWriter) -> StreamStep {
        do throws(RegisterError) {
            if remaining == nil { remaining = try Self.sequences(of: subject, writer)[...] }
            var sequences = remaining ?? []
            var items: [ReadHandler.Encoder] = []
            for sequence in sequences.prefix(limit) {
                guard let event = try writer.register.event(sequence) else { continue }
                let record = RegisterAnswers.record(
                    writer, event, withWording: withWording, isAdministrator: isAdministrator)
                items.append { record.encode(into: &$0) }
            }
            sequences = sequences.dropFirst(limit)
            remaining = sequences
            return sequences.isEmpty ? .end(items) : .items(items)
        } catch {
            return .failed(.dataLoss, "the register could not be read: \(error)")
        }
    }

    /// Sequences of all events about a subject, ascending.
    static func sequences(
        of subject: ReadHandler.Subject, _ writer: RegisterWriter
    ) throws(RegisterError) -> [UInt64] {
        switch subject {
        case .slot(let slot, _): return try writer.register.sequences(of: slot)
        case .reference(let reference):
            var all = Set<UInt64>()
            for slot in try writer.register.contacts(reference: reference) {
                all.formUnion(try writer.register.sequences(of: slot))
            }
            return all.sorted()
        }
    }
}

/// Changes from a sequence on, without end.
final class WatchSource: StreamSource {
    /// Last sequence that was looked at.
    private var position: UInt64
    /// Last item that was sent: what `previous` of the next one says.
    private var lastSent: UInt64
    private let controller: ControllerID?
    private let claim: ControllerClaim
    private let heartbeatNanoseconds: UInt64
    private var lastWord: UInt64 = 0
    private var isAdded = false
    /// Events looked at in one step at most.
    private static let scanMax = 512

    /// - Parameters:
    ///   - controller: the one to tell of; nil: all.
    ///   - claim: those that the caller may know of.
    init(after: UInt64, controller: ControllerID?, claim: ControllerClaim, heartbeatSeconds: Int) {
        position = after
        self.claim = claim
        lastSent = after
        self.controller = controller
        heartbeatNanoseconds = UInt64(heartbeatSeconds) * 1_000_000_000
    }

    func read(limit: Int, _ writer: RegisterWriter) -> StreamStep {
        do throws(RegisterError) {
            var items: [ReadHandler.Encoder] = []
            var scanned = 0
            while items.count < limit, scanned < Self.scanMax, position < writer.register.lastSequence {
                let events = try writer.register.events(after: position, limit: min(64, limit - items.count))
                guard !events.isEmpty else { break }
                scanned += events.count
                for event in events {
                    position = event.sequence
                    if let controller, event.controller != controller, !event.kind.isCatalogue { continue }
                    guard claim.covers(event, in: writer.register.catalogue) else { continue }
                    let record = RegisterAnswers.record(writer, event, withWording: false)
                    let item = Wire.WatchItem(
                        sequence: event.sequence, previous: lastSent, heartbeat: false, event: record)
                    lastSent = event.sequence
                    items.append { item.encode(into: &$0) }
                }
            }
            let now = consent_monotonic_nanoseconds()
            if position < writer.register.lastSequence {
                lastWord = now
                return .items(items)
            }
            if items.isEmpty, now &- lastWord >= heartbeatNanoseconds {
                let item = Wire.WatchItem(sequence: position, previous: lastSent, heartbeat: true, event: nil)
                items.append { item.encode(into: &$0) }
            }
            if !items.isEmpty { lastWord = now }
            return .caughtUp(items)
        } catch {
            return .failed(.dataLoss, "the register could not be read: \(error)")
        }
    }
}

/// A copy of the register, in chunks; the last item states its size and head.
///
/// The copy is made in steps beside the register's own file, checked, sent, and removed.
final class BackupSource: StreamSource {
    private enum Progress {
        case notBegun
        case copying(RegisterBackup, path: String)
        case sending(path: String, file: FileHandle, offset: UInt64, head: Wire.SignedHead)
        case done
    }

    private let path: String
    private let chunkBytes: Int
    private var progress = Progress.notBegun

    /// - Parameter path: of the copy, in the state folder; nothing stands there yet.
    init(path: String, chunkBytes: Int) {
        self.path = path
        self.chunkBytes = chunkBytes
    }

    deinit { abandon() }

    /// Names of copies under way begin with this.
    static let namePrefix = "outgoing-backup-"

    /// Removes copies that a server which ended in the middle has left behind.
    static func removeLeftOvers(in folder: String) {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        for name in names where name.hasPrefix(namePrefix) {
            try? FileManager.default.removeItem(atPath: folder + "/" + name)
        }
    }

    /// Ends a copy that is being made, which needs the register's own thread, and removes the file.
    func abandon() {
        if case .sending(let path, let file, _, _) = progress { Self.discard(path, file) }
        progress = .done
    }

    func read(limit: Int, _ writer: RegisterWriter) -> StreamStep {
        do throws(RegisterError) {
            switch progress {
            case .notBegun:
                progress = .copying(try RegisterBackup(of: writer.register, to: path), path: path)
                return .items([])
            case .copying(let backup, let path):
                guard try backup.step() else { return .items([]) }
                _ = try backup.publish()
                let head = Wire.SignedHead(try writer.register.signedHead(now: writer.core.clock.now))
                guard let file = FileHandle(forReadingAtPath: path) else {
                    try? FileManager.default.removeItem(atPath: path)
                    progress = .done
                    return .failed(.internal, "the copy that was made cannot be read")
                }
                progress = .sending(path: path, file: file, offset: 0, head: head)
                return .items([])
            case .sending(let path, let file, let offset, let head):
                return send(limit: limit, path, file, offset, head)
            case .done: return .end([])
            }
        } catch {
            if case .copying = progress { try? FileManager.default.removeItem(atPath: path) }
            abandon()
            return .failed(error.isRetryable ? .unavailable : .internal, "no backup could be made: \(error)")
        }
    }

    private func send(
        limit: Int, _ path: String, _ file: FileHandle, _ start: UInt64, _ head: Wire.SignedHead
    ) -> StreamStep {
        var offset = start
        var items: [ReadHandler.Encoder] = []
        // Few chunks a step: commits wait for it.
        for _ in 0..<min(limit, 4) {
            let chunk: Data
            do {
                // At the end there is no data, which is no error.
                chunk = try file.read(upToCount: chunkBytes) ?? Data()
            } catch {
                Self.discard(path, file)
                progress = .done
                return .failed(.internal, "the copy that was made cannot be read: \(error)")
            }
            if chunk.isEmpty {
                let last = Wire.BackupItem(offset: offset, bytes: [], totalBytes: offset, head: head)
                items.append { last.encode(into: &$0) }
                Self.discard(path, file)
                progress = .done
                return .end(items)
            }
            let item = Wire.BackupItem(offset: offset, bytes: Array(chunk), totalBytes: 0, head: nil)
            items.append { item.encode(into: &$0) }
            offset += UInt64(chunk.count)
        }
        progress = .sending(path: path, file: file, offset: offset, head: head)
        return .items(items)
    }

    private static func discard(_ path: String, _ file: FileHandle) {
        try? file.close()
        try? FileManager.default.removeItem(atPath: path)
    }
}
