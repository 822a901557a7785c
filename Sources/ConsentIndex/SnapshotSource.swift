// A snapshot's bytes as they are read: header and sums at once, then the parts by chunks, each compared with
// its checksum before anyone sees it.
//
// The chunks of the entries are read ahead by a thread of its own, so that the disk, the checksums and the
// caller work at the same time. Invariant: the thread has ended when `forEachEntryChunk` returns.

import CPlatform
import Dispatch
import Glibc
import Synchronization

/// An open snapshot. Used by one thread at a time.
public final class SnapshotSource: @unchecked Sendable {
    let header: SnapshotHeader
    /// What it says of itself.
    public var mark: SnapshotMark { header.mark }
    private let descriptor: Int32
    private let sums: [UInt32]

    /// Opens a file and checks its header and its list of checksums.
    public init(path: String) throws(SnapshotError) {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw errno == ENOENT ? .missing : .system(action: "open", code: errno)
        }
        self.descriptor = descriptor
        do throws(SnapshotError) {
            var status = stat()
            guard fstat(descriptor, &status) == 0 else { throw .system(action: "look at", code: errno) }
            // All of it will be read, in order.
            posix_fadvise(descriptor, 0, 0, POSIX_FADV_SEQUENTIAL)
            posix_fadvise(descriptor, 0, 0, POSIX_FADV_WILLNEED)
            let fileBytes = Int(status.st_size)
            var bytes = [UInt8](repeating: 0, count: min(fileBytes, SnapshotHeader.byteCount))
            try Self.read(descriptor, into: &bytes, at: 0)
            let header = try bytes.span.bytes.withUnsafeBytes { bytes throws(SnapshotError) in
                try SnapshotHeader(bytes, fileBytes: fileBytes)
            }
            let count = header.entryChunks + header.profileChunks
            var list = [UInt8](repeating: 0, count: count * 4)
            try Self.read(descriptor, into: &list, at: header.sumsOffset)
            guard list.withUnsafeBytes({ consent_crc32c(0, $0.baseAddress, $0.count) }) == header.sumsChecksum
            else { throw .damaged("its checksums differ from theirs") }
            sums = list.withUnsafeBytes { bytes in
                (0..<count).map { bytes.loadUnaligned(fromByteOffset: $0 * 4, as: UInt32.self) }
            }
            self.header = header
        } catch {
            close(descriptor)
            throw error
        }
    }

    deinit { close(descriptor) }

    /// Reads all profiles.
    /// - Parameter bytes: room for as many bytes as the header says.
    func readProfiles(into bytes: UnsafeMutableRawBufferPointer) throws(SnapshotError) {
        precondition(bytes.count == header.profileBytes)
        for chunk in 0..<header.profileChunks {
            let start = chunk * SnapshotHeader.chunkBytes
            let end = min(start + SnapshotHeader.chunkBytes, bytes.count)
            try read(
                UnsafeMutableRawBufferPointer(rebasing: bytes[start..<end]),
                at: header.profilesOffset + start,
                sum: sums[header.entryChunks + chunk])
        }
    }

    /// Lends the entries, chunk by chunk.
    func forEachEntryChunk(
        _ body: (UnsafeRawBufferPointer) throws(SnapshotError) -> Void
    ) throws(SnapshotError) {
        let ahead = ReadAhead(self)
        defer { ahead.end() }
        for chunk in 0..<header.entryChunks { try body(try ahead.next(chunk)) }
    }

    /// Bytes of a chunk of the entries.
    private func entryBytes(ofChunk chunk: Int) -> Int {
        min(SnapshotHeader.chunkBytes, header.entryBytes - chunk * SnapshotHeader.chunkBytes)
    }

    private func readEntries(
        chunk: Int, into bytes: UnsafeMutableRawBufferPointer
    ) throws(SnapshotError) {
        try read(
            UnsafeMutableRawBufferPointer(rebasing: bytes[..<entryBytes(ofChunk: chunk)]),
            at: SnapshotHeader.byteCount + chunk * SnapshotHeader.chunkBytes, sum: sums[chunk])
    }

    private func read(
        _ bytes: UnsafeMutableRawBufferPointer, at offset: Int, sum: UInt32
    ) throws(SnapshotError) {
        try Self.read(descriptor, bytes, at: offset)
        guard consent_crc32c(0, bytes.baseAddress, bytes.count) == sum else {
            throw .damaged("the bytes from \(offset) on differ from their checksum")
        }
    }

    private static func read(
        _ descriptor: Int32, into bytes: inout [UInt8], at offset: Int
    ) throws(SnapshotError) {
        var failure: SnapshotError?
        bytes.withUnsafeMutableBytes { buffer in
            do throws(SnapshotError) {
                try read(descriptor, buffer, at: offset)
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
    }

    private static func read(
        _ descriptor: Int32, _ bytes: UnsafeMutableRawBufferPointer, at offset: Int
    ) throws(SnapshotError) {
        var done = 0
        while done < bytes.count {
            let count = pread(
                descriptor, bytes.baseAddress.map { $0 + done }, bytes.count - done, off_t(offset + done))
            if count < 0 && errno == EINTR { continue }
            guard count >= 0 else { throw .system(action: "read", code: errno) }
            guard count > 0 else { throw .damaged("it ends at byte \(offset + done)") }
            done += count
        }
    }

    /// A ring of chunks that a thread fills and the caller empties.
    private final class ReadAhead: @unchecked Sendable {
        private static let roomCount = 8

        private let source: SnapshotSource
        private let rooms: [UnsafeMutableRawBufferPointer]
        private let free = DispatchSemaphore(value: 0)
        private let filled = DispatchSemaphore(value: 0)
        private let ended = DispatchSemaphore(value: 0)
        private let isCut = Atomic<Bool>(false)
        private let failure = Mutex<SnapshotError?>(nil)
        /// A chunk is lent to the caller.
        private var isLent = false

        init(_ source: SnapshotSource) {
            self.source = source
            rooms = (0..<Self.roomCount).map { _ in
                .allocate(byteCount: SnapshotHeader.chunkBytes, alignment: 4_096)
            }
            for _ in rooms { free.signal() }
            DispatchQueue.global(qos: .userInitiated).async { [self] in run() }
        }

        /// The next chunk, which stays until the one after it is asked for.
        func next(_ chunk: Int) throws(SnapshotError) -> UnsafeRawBufferPointer {
            if isLent { free.signal() }
            filled.wait()
            isLent = true
            if let failure = failure.withLock({ $0 }) { throw failure }
            return UnsafeRawBufferPointer(
                rebasing: rooms[chunk % Self.roomCount][..<source.entryBytes(ofChunk: chunk)])
        }

        /// Waits for the thread. It may have its rooms to itself again.
        func end() {
            isCut.store(true, ordering: .relaxed)
            if isLent { free.signal() }
            free.signal()
            ended.wait()
            for room in rooms { room.deallocate() }
        }

        private func run() {
            defer { ended.signal() }
            for chunk in 0..<source.header.entryChunks {
                free.wait()
                guard !isCut.load(ordering: .relaxed) else { return }
                do throws(SnapshotError) {
                    try source.readEntries(chunk: chunk, into: rooms[chunk % Self.roomCount])
                } catch {
                    failure.withLock { $0 = error }
                    filled.signal()
                    return
                }
                filled.signal()
            }
        }
    }
}
