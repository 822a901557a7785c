// What the streams read: History, Watch, Backup. Each keeps a position; all run on the writer thread.

import CPlatform
import ConsentDomain
import ConsentRegister
import ConsentWire
import Foundation
import WireProtocol

/// Events of a contact point or a reference, oldest first.
final class HistorySource: StreamSource {
    private let controller: ControllerID
    private let subject: ReadHandler.Subject
    private let withWording: Bool
    private var remaining: ArraySlice<UInt64>?

    init(controller: ControllerID, subject: ReadHandler.Subject, withWording: Bool) {
        self.controller = controller
        self.subject = subject
        self.withWording = withWording
    }

    func read(limit: Int, _ writer: RegisterWriter) -> StreamStep {
        do throws(RegisterError) {
            if remaining == nil { remaining = try findAll(writer)[...] }
            var sequences = remaining ?? []
            var items: [ReadHandler.Encoder] = []
            for sequence in sequences.prefix(limit) {
                guard let event = try writer.register.event(sequence) else { continue }
                let record = RegisterAnswers.record(writer, event, withWording: withWording)
                items.append { record.encode(into: &$0) }
            }
            sequences = sequences.dropFirst(limit)
            remaining = sequences
            return sequences.isEmpty ? .end(items) : .items(items)
        } catch {
            return .failed(.dataLoss, "the register could not be read: \(error)")
        }
    }

    private func findAll(_ writer: RegisterWriter) throws(RegisterError) -> [UInt64] {
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
    private let heartbeatNanoseconds: UInt64
    private var lastWord: UInt64 = 0
    private var isAdded = false
    /// Events looked at in one step at most.
    private static let scanMax = 512

    init(after: UInt64, controller: ControllerID?, heartbeatSeconds: Int) {
        position = after
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
                    let record = Wire.EventRecord(event)
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
final class BackupSource: StreamSource {
    private enum Progress {
        case notBegun
        case copying(RegisterBackup)
        case sending(path: String, handle: FileHandle, offset: UInt64, total: UInt64)
        case done
    }

    private let chunkBytes: Int
    private var progress = Progress.notBegun

    init(chunkBytes: Int) {
        self.chunkBytes = chunkBytes
    }

    deinit {
        if case .sending(let path, let handle, _, _) = progress {
            try? handle.close()
            try? FileManager.default.removeItem(atPath: path)
        }
    }

    func read(limit: Int, _ writer: RegisterWriter) -> StreamStep {
        .failed(.unimplemented, "")
    }
}
