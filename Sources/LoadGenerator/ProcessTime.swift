// The processor time of another process, which is how the cost of a peer is known.

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Processor time of processes of this machine.
package enum ProcessTime {
    /// Seconds that a process has used, its threads and their system calls included; nil: there is no such
    /// process, or no `/proc`. A hundredth of a second is told apart.
    package static func seconds(ofProcess id: Int32) -> Double? {
        guard let file = fopen("/proc/\(id)/stat", "r") else { return nil }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 4_096)
        let count = fread(&bytes, 1, bytes.count, file)
        // The second field is a name in parentheses that may hold anything; user and system time are the
        // twelfth and thirteenth after it.
        guard let nameEnd = bytes[..<count].lastIndex(of: UInt8(ascii: ")")) else { return nil }
        let fields = bytes[(nameEnd + 1)..<count].split(separator: UInt8(ascii: " "))
        guard fields.count > 12,
            let user = Double(String(decoding: fields[11], as: UTF8.self)),
            let system = Double(String(decoding: fields[12], as: UTF8.self))
        else { return nil }
        return (user + system) / Double(sysconf(Int32(_SC_CLK_TCK)))
    }
}
