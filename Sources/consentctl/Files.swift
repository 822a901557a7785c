// Files: read whole or in pieces, written beside their name and renamed when complete.

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

enum Files {
    /// Reads a whole file; `-` is stdin.
    static func readAll(_ path: String) throws -> [UInt8] {
        let file = try InputFile(path)
        return try readAll(descriptor: file.descriptor, name: path)
    }

    static func readAll(descriptor: Int32, name: String) throws -> [UInt8] {
        var bytes: [UInt8] = []
        while true {
            let piece = try readSome(descriptor, name: name)
            if piece.isEmpty { return bytes }
            bytes += piece
        }
    }

    /// The next bytes of a file, none at its end.
    static func readSome(_ descriptor: Int32, name: String) throws -> [UInt8] {
        var failure: Int32 = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: 1 << 16) { buffer, count in
            var got = 0
            repeat {
                got = read(descriptor, buffer.baseAddress, buffer.count)
            } while got < 0 && errno == EINTR
            if got < 0 { failure = errno }
            count = max(got, 0)
        }
        if failure != 0 { throw CommandFailure(.badData, "\(name) cannot be read: \(reason(failure))") }
        return bytes
    }

    static func reason(_ code: Int32) -> String { String(cString: strerror(code)) }
}

/// A file that is open for reading; `-` is stdin. Closed when let go.
final class InputFile: Sendable {
    let descriptor: Int32
    let path: String

    init(_ path: String) throws {
        self.path = path
        if path == "-" {
            descriptor = 0
            return
        }
        descriptor = open(path, O_RDONLY | O_CLOEXEC)
        if descriptor < 0 {
            throw CommandFailure(.badData, "\(path) cannot be opened: \(Files.reason(errno))")
        }
    }

    deinit { if descriptor > 0 { close(descriptor) } }

    /// Bytes of the file; nil for what is no plain file.
    var size: Int? {
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
        return Int(status.st_size)
    }

    /// The next bytes, none at the end.
    func next() throws -> [UInt8] { try Files.readSome(descriptor, name: path) }
}

/// A file that appears under its name only when it is complete: readable by its owner alone, synced to disk.
struct OutputFile: ~Copyable {
    private let path: String
    private let partial: String
    private let descriptor: Int32
    private var isKept = false

    init(_ path: String) throws {
        self.path = path
        partial = path + ".partial"
        descriptor = open(partial, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        if descriptor < 0 {
            throw CommandFailure(.badData, "\(partial) cannot be written: \(Files.reason(errno))")
        }
        _ = fchmod(descriptor, 0o600)
    }

    deinit {
        close(descriptor)
        if !isKept { unlink(partial) }
    }

    mutating func write(_ bytes: [UInt8]) throws {
        var written = 0
        while written < bytes.count {
            let count = bytes.withUnsafeBytes { buffer in
                let rest = UnsafeRawBufferPointer(rebasing: buffer[written...])
                #if canImport(Glibc)
                    return Glibc.write(descriptor, rest.baseAddress, rest.count)
                #elseif canImport(Musl)
                    return Musl.write(descriptor, rest.baseAddress, rest.count)
                #else
                    return Darwin.write(descriptor, rest.baseAddress, rest.count)
                #endif
            }
            if count < 0 && errno == EINTR { continue }
            if count < 0 {
                throw CommandFailure(.badData, "\(path) cannot be written: \(Files.reason(errno))")
            }
            written += count
        }
    }

    /// Syncs the file and gives it its name.
    mutating func finish() throws {
        guard fsync(descriptor) == 0, rename(partial, path) == 0 else {
            throw CommandFailure(.badData, "\(path) cannot be written: \(Files.reason(errno))")
        }
        isKept = true
    }

    /// Writes a whole file.
    static func write(_ text: String, to path: String) throws {
        var file = try OutputFile(path)
        try file.write(Array(text.utf8))
        try file.finish()
    }
}
