// What is left of a disk's files when the power goes.
//
// A change of a file is pending until the file is synced; a name is pending until its folder is, or until a
// journal of that name is synced for the first time. When the power goes, what is durable is there, and of
// what is pending nothing (drop), any part in any order (reorder), or what came first, up to a sector of some
// write (tear): a disk may write what it likes, when it likes, until it is told to sync.

import Foundation
import TestRandomness

/// What becomes of what was not synced.
enum PowerLoss: CaseIterable {
    case drop, reorder, tear
    /// All of it is there: the process was killed, and the power stays.
    case keep

    static let losses: [PowerLoss] = [.drop, .reorder, .tear]
}

/// A change of a disk.
enum DiskChange {
    /// The file was there, and durable, before it was first opened.
    case found(String, [UInt8])
    case make(String)
    case write(String, offset: Int, [UInt8])
    case truncate(String, Int)
    case sync(String, withFolder: Bool)
    case delete(String, isSynced: Bool)
}

/// The changes of a disk, in their order.
final class DiskRecorder {
    private(set) var changes: [DiskChange] = []
    private var known = Set<String>()
    private var mark: [UInt8]?
    private unowned let disk: TestDisk

    /// Records from now on; what is there is durable.
    init(_ disk: TestDisk) throws {
        self.disk = disk
        for name in try FileManager.default.contentsOfDirectory(atPath: disk.folder.path) { find(name) }
        mark = disk.bytes(of: "register.db-mark")
        disk.decide = { [unowned self] call in
            record(call)
            return .happens
        }
    }

    func stop() { disk.decide = nil }

    private func record(_ call: TestDisk.Call) {
        noteMark()
        switch call.kind {
        case .open:
            if call.flag { known.insert(call.name) } else { find(call.name) }
            if call.flag { changes.append(.make(call.name)) }
        case .write: changes.append(.write(call.name, offset: call.offset, [UInt8](call.bytes)))
        case .truncate: changes.append(.truncate(call.name, call.offset))
        case .sync: changes.append(.sync(call.name, withFolder: call.flag))
        case .delete: changes.append(.delete(call.name, isSynced: call.flag))
        case .read, .size, .access: break
        }
    }

    /// The register's mark is written past the layer, between two calls, and synced when it is made alone.
    private func noteMark() {
        let name = "register.db-mark"
        guard let bytes = disk.bytes(of: name), bytes != mark else { return }
        let isNew = known.insert(name).inserted
        if isNew { changes.append(.make(name)) }
        changes.append(.write(name, offset: 0, bytes))
        if isNew { changes.append(.sync(name, withFolder: true)) }
        mark = bytes
    }

    private func find(_ name: String) {
        guard known.insert(name).inserted, let bytes = disk.bytes(of: name) else { return }
        changes.append(.found(name, bytes))
    }
}

/// A disk after some changes: what is durable, and what is pending.
struct DiskState {
    private struct File {
        var durable: [UInt8] = []
        var pending: [DiskChange] = []
    }

    private struct Name {
        /// Place of the file; nil: there is none of the name.
        var durable: Int?
        /// What it was since, oldest first.
        var pending: [Int?] = []
        var current: Int? { pending.last ?? durable }
    }

    private var files: [File] = []
    private var names: [String: Name] = [:]

    mutating func apply(_ change: DiskChange) {
        switch change {
        case .found(let name, let bytes):
            names[name] = Name(durable: files.count)
            files.append(File(durable: bytes))
        case .make(let name):
            names[name, default: Name()].pending.append(files.count)
            files.append(File())
        case .write(let name, _, _), .truncate(let name, _):
            guard let file = names[name]?.current else { return }
            files[file].pending.append(change)
        case .sync(let name, let withFolder):
            guard let file = names[name]?.current else { return }
            let pending = files[file].pending
            files[file].pending = []
            for change in pending { Self.make(change, in: &files[file].durable) }
            if withFolder { syncNames() }
        case .delete(let name, let isSynced):
            names[name]?.pending.append(nil)
            if isSynced { syncNames() }
        }
    }

    private mutating func syncNames() {
        for (name, state) in names { names[name] = Name(durable: state.current) }
    }

    /// The bytes of each file that is there after a loss of power.
    func image(_ loss: PowerLoss, _ random: inout SeededGenerator) -> [String: [UInt8]] {
        var image: [String: [UInt8]] = [:]
        for (name, state) in names.sorted(by: { $0.key < $1.key }) {
            let choices =
                loss == .keep ? [state.current] : [state.durable] + (loss == .drop ? [] : state.pending)
            guard let file = choices[random.below(choices.count)] else { continue }
            image[name] = Self.bytes(files[file], loss, &random)
        }
        return image
    }

    private static func bytes(
        _ file: File, _ loss: PowerLoss, _ random: inout SeededGenerator
    ) -> [UInt8] {
        var bytes = file.durable
        switch loss {
        case .drop: break
        case .keep: for change in file.pending { make(change, in: &bytes) }
        case .reorder:
            // Now and then nearly all, now and then nearly nothing.
            let share = 1 + random.below(9)
            for change in file.pending where random.below(10) < share { make(change, in: &bytes) }
        case .tear:
            let whole = random.below(file.pending.count + 1)
            for change in file.pending[..<whole] { make(change, in: &bytes) }
            guard whole < file.pending.count,
                case .write(let name, let offset, let written) = file.pending[whole]
            else { break }
            // Sectors of 512 bytes of the file; the first and the last may be shared with other writes.
            let sectors = (offset + written.count + 511) / 512 - offset / 512
            let end = (offset / 512 + random.below(sectors)) * 512
            let torn = [UInt8](written.prefix(max(0, end - offset)))
            make(.write(name, offset: offset, torn), in: &bytes)
        }
        return bytes
    }

    private static func make(_ change: DiskChange, in bytes: inout [UInt8]) {
        switch change {
        case .write(_, let offset, let written) where !written.isEmpty:
            let end = offset + written.count
            if bytes.count < end { bytes.append(contentsOf: repeatElement(0, count: end - bytes.count)) }
            bytes.replaceSubrange(offset..<end, with: written)
        case .truncate(_, let size) where size <= bytes.count: bytes.removeLast(bytes.count - size)
        case .truncate(_, let size): bytes.append(contentsOf: repeatElement(0, count: size - bytes.count))
        default: break
        }
    }
}
