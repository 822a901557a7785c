// Standard input, output and error. Output is written whole or the command ends: a full disk behind a
// redirection must not read as success.

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

enum Terminal {
    static let isInputTerminal = isatty(0) == 1
    static let isOutputTerminal = isatty(1) == 1
    static let isErrorTerminal = isatty(2) == 1

    /// Whether output may be coloured: on a terminal, unless NO_COLOR is set to anything.
    static let hasColour = isOutputTerminal && (environment("NO_COLOR") ?? "").isEmpty

    static func environment(_ name: String) -> String? {
        guard let value = getenv(name) else { return nil }
        return String(cString: value)
    }

    /// Writes to stdout.
    static func output(_ text: String) { write(text, to: 1) }

    /// Writes to stderr.
    static func error(_ text: String) { write(text, to: 2) }

    /// All lines of stdin, without their ends; empty lines are left out.
    static func inputLines() throws -> [String] {
        let bytes = try Files.readAll(descriptor: 0, name: "stdin")
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw CommandFailure(.badData, "stdin is not UTF-8")
        }
        return text.split(whereSeparator: \.isNewline).map(String.init).filter { !$0.isEmpty }
    }

    /// Asks a question on the terminal; nil at the end of input.
    static func ask(_ question: String) -> String? {
        error(question)
        return readLine()
    }

    private static func write(_ text: String, to descriptor: Int32) {
        var text = text
        let isComplete = text.withUTF8 { bytes in
            var rest = UnsafeRawBufferPointer(bytes)
            while !rest.isEmpty {
                let count = writeSome(descriptor, rest)
                if count < 0 { return false }
                rest = UnsafeRawBufferPointer(rebasing: rest[count...])
            }
            return true
        }
        if !isComplete && descriptor == 1 { exit(ExitStatus.internalError.rawValue) }
    }

    /// write(2), again after an interruption; -1 on an error.
    private static func writeSome(_ descriptor: Int32, _ bytes: UnsafeRawBufferPointer) -> Int {
        while true {
            #if canImport(Glibc)
                let count = Glibc.write(descriptor, bytes.baseAddress, bytes.count)
            #elseif canImport(Musl)
                let count = Musl.write(descriptor, bytes.baseAddress, bytes.count)
            #else
                let count = Darwin.write(descriptor, bytes.baseAddress, bytes.count)
            #endif
            if count >= 0 || errno != EINTR { return count }
        }
    }
}
