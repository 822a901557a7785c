// A folder on a disk that tells what is asked of it and fails when it is told to.
//
// SQLite reaches the files of the folder through the layer of Tests/FaultyDisk, which calls `decide` before
// each call to a file. Used by one thread at a time, that of its register.

import FaultyDisk
import Foundation

/// A folder of its own, whose files SQLite reaches call by call.
final class TestDisk {
    enum Kind: UInt32 { case open, read, write, truncate, sync, size, delete, access }

    /// A call that is about to happen.
    struct Call {
        let kind: Kind
        /// Name of the file in the folder.
        let name: String
        /// Open: the file is made. Delete, sync: the folder is synced too.
        let flag: Bool
        /// Read, write: where. Truncate: the new size.
        let offset: Int
        /// Read, write.
        let count: Int
        /// Write; only to be read while the call is decided about.
        let bytes: UnsafeRawBufferPointer
    }

    enum Decision {
        case happens
        /// With a result code of SQLite; of a write so many bytes come to the file nevertheless.
        case fails(Int32, written: Int = 0)
    }

    let folder: TemporaryFolder
    /// Asked before each call; nil: all of them happen.
    var decide: ((Call) -> Decision)?

    init() throws {
        folder = try TemporaryFolder()
        let context = Unmanaged.passUnretained(self).toOpaque()
        let code = faulty_disk_watch(
            folder.path,
            { context, call, written in
                guard let context, let call, let written else { return 0 }
                let disk = Unmanaged<TestDisk>.fromOpaque(context).takeUnretainedValue()
                return disk.decide(about: call.pointee, &written.pointee)
            }, context)
        guard code == 0 else { throw CocoaError(.fileReadTooLarge) }
    }

    deinit { faulty_disk_unwatch(folder.path) }

    func file(_ name: String) -> String { folder.file(name) }

    /// Bytes of a file; nil where there is none.
    func bytes(of name: String) -> [UInt8]? {
        (try? Data(contentsOf: URL(fileURLWithPath: file(name)))).map { [UInt8]($0) }
    }

    private func decide(about call: faulty_call, _ written: inout Int32) -> Int32 {
        guard let decide, let kind = Kind(rawValue: call.kind.rawValue), let path = call.path else {
            return 0
        }
        let name = String(cString: path).dropFirst(folder.path.utf8.count + 1)
        let decision = decide(
            Call(
                kind: kind, name: String(name), flag: call.flag != 0, offset: Int(call.offset),
                count: Int(call.count),
                bytes: UnsafeRawBufferPointer(
                    start: call.bytes, count: call.bytes == nil ? 0 : Int(call.count))))
        guard case .fails(let code, let count) = decision else { return 0 }
        written = Int32(count)
        return code
    }
}
