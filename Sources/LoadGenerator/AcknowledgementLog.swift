// The list of acknowledged events that a crash test audits a register against.
//
// A line an event: sequence, space, event id as 32 hexadecimal digits. Lines are handed to the operating
// system after each burst of answers, so that they survive this process; several threads append whole lines.

import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// A file of acknowledged events.
package final class AcknowledgementLog: Sendable {
    private let descriptor: Int32
    private let failed = Atomic<Bool>(false)

    /// - Parameter path: the file; what it holds is kept.
    package init(path: String) throws(LoadError) {
        descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw .file(path: path, why: String(cString: strerror(errno))) }
    }

    deinit {
        close(descriptor)
    }

    /// Whether a line could not be written: the list is then no proof of anything.
    package var hasFailed: Bool { failed.load(ordering: .relaxed) }

    /// Appends lines.
    func append(_ lines: [UInt8]) {
        var start = 0
        while start < lines.count {
            let written = lines.withUnsafeBytes { bytes in
                write(descriptor, bytes.baseAddress?.advanced(by: start), bytes.count - start)
            }
            if written > 0 {
                start += written
            } else if errno != EINTR {
                failed.store(true, ordering: .relaxed)
                return
            }
        }
    }

    /// Appends one line to a list of them.
    static func format(sequence: UInt64, eventID: (UInt64, UInt64), into lines: inout [UInt8]) {
        withUnsafeTemporaryAllocation(byteCount: 24, alignment: 1) { scratch in
            var digits = ByteAppender(bytes: scratch)
            digits.append(decimal: Int(clamping: sequence), digits: 1)
            lines.append(contentsOf: scratch[..<digits.count])
        }
        lines.append(UInt8(ascii: " "))
        for word in [eventID.0, eventID.1] {
            for shift in stride(from: 0, to: 64, by: 8) {
                let byte = UInt8(truncatingIfNeeded: word >> UInt64(shift))
                lines.append(hexadecimalDigit(byte >> 4))
                lines.append(hexadecimalDigit(byte & 15))
            }
        }
        lines.append(UInt8(ascii: "\n"))
    }

    private static func hexadecimalDigit(_ value: UInt8) -> UInt8 {
        value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10
    }
}
