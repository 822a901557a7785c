// Where progress goes: one line that is written over on a terminal, one line after another elsewhere.

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Writes progress to standard error.
package struct ProgressPrinter: Sendable {
    /// Whether anything is written.
    package let isOn: Bool
    private let isTerminal: Bool

    /// - Parameter forced: write even when standard error is no terminal.
    package init(forced: Bool) {
        isTerminal = isatty(STDERR_FILENO) == 1
        isOn = forced || isTerminal
    }

    private init() {
        isTerminal = false
        isOn = false
    }

    /// Writes nothing.
    static var silent: ProgressPrinter { ProgressPrinter() }

    /// Shows a line in place of the last one.
    package func show(_ line: String) {
        guard isOn else { return }
        ProgressPrinter.write(isTerminal ? "\r\(line)\u{1B}[K" : line + "\n")
    }

    /// Shows a run's samples as they come; nil when nothing is to be written.
    ///
    /// - Parameter unit: what is counted: `checks`, `writes`, `events`.
    package func live(unit: String) -> (@Sendable (ProgressSample) -> Void)? {
        guard isOn else { return nil }
        return { sample in show(sample.line(unit: unit)) }
    }

    /// Takes the line away, before something else is written.
    package func clear() {
        guard isOn && isTerminal else { return }
        ProgressPrinter.write("\r\u{1B}[K")
    }

    /// Writes text to standard error.
    package static func write(_ text: String) {
        let bytes = Array(text.utf8)
        var start = 0
        while start < bytes.count {
            let written = bytes.withUnsafeBytes { all in
                systemWrite(STDERR_FILENO, all.baseAddress?.advanced(by: start), all.count - start)
            }
            if written > 0 { start += written } else if errno != EINTR { return }
        }
    }

    private static func systemWrite(_ descriptor: Int32, _ bytes: UnsafeRawPointer?, _ count: Int) -> Int {
        #if canImport(Glibc)
            Glibc.write(descriptor, bytes, count)
        #else
            Darwin.write(descriptor, bytes, count)
        #endif
    }
}
