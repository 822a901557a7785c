// The few calls to the operating system that the register and its folder need, with typed errors.
//
// Invariant: what is written here is synced before the call returns, the file first, then the folder that
// names it.

import Glibc

/// Files and folders.
enum FileSystem {
    /// The system's words for an error number.
    static func message(_ code: Int32) -> String { String(cString: strerror(code)) }

    static func exists(_ path: String) -> Bool {
        var status = stat()
        return lstat(path, &status) == 0
    }

    /// Permission bits (rwxrwxrwx) of a file or folder; nil where there is none.
    static func permissions(_ path: String) -> mode_t? {
        var status = stat()
        return stat(path, &status) == 0 ? status.st_mode & 0o777 : nil
    }

    static func isFolder(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    /// Names in a folder, sorted, without "." and "..".
    static func names(in folder: String) throws(RegisterError) -> [String] {
        guard let directory = opendir(folder) else { throw failure("read the folder", folder) }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != "." && name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    /// All bytes of a file of at most `limit` bytes.
    static func read(_ path: String, limit: Int = 1 << 20) throws(RegisterError) -> [UInt8] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw failure("open", path) }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 4096)
        while bytes.count <= limit {
            let count = Glibc.read(descriptor, &chunk, chunk.count)
            if count < 0 && errno == EINTR { continue }
            guard count >= 0 else { throw failure("read", path) }
            if count == 0 { return bytes }
            bytes.append(contentsOf: chunk[..<count])
        }
        throw .system(action: "read all of", path: path, code: EFBIG)
    }

    /// Writes a file that does not exist yet, and syncs it and its folder.
    static func create(_ path: String, _ bytes: [UInt8], permissions: mode_t) throws(RegisterError) {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, permissions)
        guard descriptor >= 0 else { throw errno == EEXIST ? .exists(path: path) : failure("create", path) }
        defer { close(descriptor) }
        guard fchmod(descriptor, permissions) == 0 else { throw failure("set the permissions of", path) }
        try writeAll(bytes[...], to: descriptor, path)
        guard fsync(descriptor) == 0 else { throw failure("sync", path) }
        try syncFolder(of: path)
    }

    /// Copies a file that nobody writes to a path that does not exist, and syncs the copy.
    static func copy(_ source: String, to target: String, permissions: mode_t) throws(RegisterError) {
        let input = open(source, O_RDONLY | O_CLOEXEC)
        guard input >= 0 else { throw failure("open", source) }
        defer { close(input) }
        let output = open(target, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, permissions)
        guard output >= 0 else { throw errno == EEXIST ? .exists(path: target) : failure("create", target) }
        defer { close(output) }
        var chunk = [UInt8](repeating: 0, count: 1 << 20)
        while true {
            let count = Glibc.read(input, &chunk, chunk.count)
            if count < 0 && errno == EINTR { continue }
            guard count >= 0 else { throw failure("read", source) }
            if count == 0 { break }
            try writeAll(chunk[..<count], to: output, target)
        }
        guard fsync(output) == 0 else { throw failure("sync", target) }
    }

    private static func writeAll(
        _ bytes: ArraySlice<UInt8>, to descriptor: Int32, _ path: String
    ) throws(RegisterError) {
        var rest = bytes
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { throw failure("write", path) }
            rest = rest.dropFirst(count)
        }
    }

    /// Syncs a file that nobody has open.
    static func sync(_ path: String) throws(RegisterError) {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw failure("open", path) }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw failure("sync", path) }
    }

    /// Syncs the folder that a path is in, so that its name survives a power loss.
    static func syncFolder(of path: String) throws(RegisterError) {
        let name = path.lastIndex(of: "/").map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
        try sync(name)
    }

    /// Gives a file its final name, which must be free, and syncs the folder.
    static func publish(_ temporary: String, as path: String) throws(RegisterError) {
        // A hard link fails where the name is taken; a rename would overwrite it.
        guard link(temporary, path) == 0 else {
            throw errno == EEXIST ? .exists(path: path) : failure("name", path)
        }
        guard unlink(temporary) == 0 else { throw failure("remove", temporary) }
        try syncFolder(of: path)
    }

    static func remove(_ path: String) { unlink(path) }

    /// Random bytes from the system.
    static func randomBytes(_ count: Int) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            while filled < count {
                // The system gives 256 bytes a call at most; it only fails where it has no random numbers at
                // all.
                let part = min(256, count - filled)
                let result = getentropy(buffer.baseAddress.map { $0 + filled }, part)
                precondition(result == 0, "the system gives no random bytes")
                filled += part
            }
        }
    }

    private static func failure(_ action: String, _ path: String) -> RegisterError {
        .system(action: action, path: path, code: errno)
    }
}
