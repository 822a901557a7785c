// The file of a snapshot while it is made: chunks come in from the index's writer, a serial queue writes
// them.
//
// Invariant: under the final name there is never but a whole, synced file; whatever fails removes what was
// written under the temporary name. No more than two chunks are in memory.

import CPlatform
import Dispatch
import Failpoint
import Glibc
import Synchronization

/// A piece of memory that is in one pair of hands at a time: the writer thread's or the queue's.
final class SnapshotChunk: @unchecked Sendable {
    let bytes = UnsafeMutableRawBufferPointer.allocate(
        byteCount: SnapshotHeader.chunkBytes, alignment: 4_096)

    deinit { bytes.deallocate() }
}

/// Where the chunks of a snapshot go.
final class SnapshotFile: @unchecked Sendable {
    private struct State {
        var freeChunks = [SnapshotChunk(), SnapshotChunk()]
        /// Somebody asked for a chunk when there was none.
        var isWaitedFor = false
        var isAbandoned = false
        var outcome: Result<Int, SnapshotError>?
    }

    private let path: String
    private let temporaryPath: String
    private let descriptor: Int32
    private let queue = DispatchQueue(label: "consentd.snapshot", qos: .utility)
    private let state = Mutex(State())
    private let progress = DispatchSemaphore(value: 0)
    private let onProgress: @Sendable () -> Void

    // MARK: The queue's

    private var sums: [UInt32] = []
    private var unsyncedBytes = 0
    private var failure: SnapshotError?

    private static let syncBytes = 1 << 20

    init(path: String, onProgress: @escaping @Sendable () -> Void) throws(SnapshotError) {
        self.path = path
        temporaryPath = path + ".partial"
        self.onProgress = onProgress
        unlink(temporaryPath)
        descriptor = open(temporaryPath, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw .system(action: "create", code: errno) }
    }

    deinit { close(descriptor) }

    // MARK: The writer thread's

    /// A chunk to fill; nil while the file has to catch up.
    func freeChunk() -> SnapshotChunk? {
        state.withLock { state in
            state.isWaitedFor = state.freeChunks.isEmpty
            return state.freeChunks.popLast()
        }
    }

    /// Takes a chunk that `freeChunk` gave.
    func append(_ chunk: SnapshotChunk, byteCount: Int, at offset: Int) {
        queue.async { [self] in
            if byteCount > 0, failure == nil, !isAbandoned {
                write(UnsafeRawBufferPointer(rebasing: chunk.bytes[..<byteCount]), chunkAt: offset)
            }
            let wasWaitedFor = state.withLock { state in
                state.freeChunks.append(chunk)
                defer { state.isWaitedFor = false }
                return state.isWaitedFor
            }
            if wasWaitedFor { announce() }
        }
    }

    /// Completes the file after the chunks that were appended.
    func seal(_ header: SnapshotHeader) {
        queue.async { [self] in
            var result: Result<Int, SnapshotError>
            do throws(SnapshotError) {
                result = .success(try complete(header))
            } catch {
                result = .failure(error)
            }
            state.withLock { $0.outcome = result }
            announce()
        }
    }

    /// Gives a complete file its final name. Here and not on the queue, so that no snapshot appears after one
    /// was removed.
    func publish() throws(SnapshotError) {
        Failpoint.snapshotBeforeRename.reached()
        guard rename(temporaryPath, path) == 0 else { throw .system(action: "name", code: errno) }
        Failpoint.snapshotAfterRename.reached()
        // After a power loss the one before may be there again, which is as good.
        queue.async { [self] in try? Self.syncFolder(of: path) }
    }

    /// Removes what was written under the temporary name.
    func abandon() {
        state.withLock { $0.isAbandoned = true }
        unlink(temporaryPath)
    }

    var outcome: Result<Int, SnapshotError>? { state.withLock { $0.outcome } }

    /// Waits a tenth of a second at most.
    func waitForProgress() { _ = progress.wait(timeout: .now() + .milliseconds(100)) }

    // MARK: The queue's

    private var isAbandoned: Bool { state.withLock { $0.isAbandoned } }

    private func announce() {
        progress.signal()
        onProgress()
    }

    private func write(_ chunk: UnsafeRawBufferPointer, chunkAt offset: Int) {
        sums.append(consent_crc32c(0, chunk.baseAddress, chunk.count))
        do throws(SnapshotError) {
            try write(chunk, at: offset)
            unsyncedBytes += chunk.count
            if unsyncedBytes >= Self.syncBytes { try sync() }
        } catch {
            failure = error
        }
    }

    private func complete(_ header: SnapshotHeader) throws(SnapshotError) -> Int {
        if let failure { throw failure }
        var header = header
        let sums = sums
        header.sumsChecksum = sums.withUnsafeBytes { consent_crc32c(0, $0.baseAddress, $0.count) }
        try sums.span.bytes.withUnsafeBytes { bytes throws(SnapshotError) in
            try write(bytes, at: header.sumsOffset)
        }
        guard ftruncate(descriptor, off_t(header.fileBytes)) == 0 else {
            throw .system(action: "size", code: errno)
        }
        // The header makes it a snapshot, so it comes when the rest is on disk.
        try sync()
        let bytes = header.bytes
        try bytes.span.bytes.withUnsafeBytes { bytes throws(SnapshotError) in try write(bytes, at: 0) }
        try sync()
        return header.fileBytes
    }

    private func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(SnapshotError) {
        var done = 0
        while done < bytes.count {
            let count = pwrite(
                descriptor, bytes.baseAddress.map { $0 + done }, bytes.count - done, off_t(offset + done))
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { throw .system(action: "write", code: errno) }
            done += count
        }
    }

    private func sync() throws(SnapshotError) {
        guard fdatasync(descriptor) == 0 else { throw .system(action: "sync", code: errno) }
        unsyncedBytes = 0
    }

    /// Syncs the folder that a path is in, so that what happened to its names survives a power loss.
    static func syncFolder(of path: String) throws(SnapshotError) {
        let name = path.lastIndex(of: "/").map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
        let folder = open(name, O_RDONLY | O_CLOEXEC)
        guard folder >= 0 else { throw .system(action: "open the folder of", code: errno) }
        defer { close(folder) }
        guard fsync(folder) == 0 else { throw .system(action: "sync the folder of", code: errno) }
    }
}

extension ConsentIndex {
    /// Removes what a snapshot left that was not completed, as when the process was killed.
    public static func removeUnfinishedSnapshot(at path: String) { unlink(path + ".partial") }

    /// Removes a snapshot so that it does not come back after a power loss. Where there is none, nothing
    /// happens.
    public static func removeSnapshot(at path: String) throws(SnapshotError) {
        removeUnfinishedSnapshot(at: path)
        guard unlink(path) == 0 else {
            if errno == ENOENT { return }
            throw .system(action: "remove", code: errno)
        }
        try SnapshotFile.syncFolder(of: path)
    }
}
