// The machine that a run was made on: a figure without it cannot be compared.

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// This machine.
enum Machine {
    /// Processors that may be used.
    static var processors: Int { sysconf(Int32(_SC_NPROCESSORS_ONLN)) }

    /// Name of the processor; nil where the system does not say.
    static var processor: String? {
        guard let file = fopen("/proc/cpuinfo", "r") else { return nil }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 4_096)
        let count = fread(&bytes, 1, bytes.count, file)
        let lines = String(decoding: bytes[..<count], as: UTF8.self).split(separator: "\n")
        return lines.first { $0.hasPrefix("model name") }?.split(separator: ":").last.map {
            String($0.drop { $0 == " " })
        }
    }

    /// For reports.
    static var rows: [(String, String)] {
        [("processor", processor ?? "not known"), ("processors", "\(processors)")]
    }
}
