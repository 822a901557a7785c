// Swift source with comments and the text of string literals blanked, so that rules see code alone.
//
// Invariant: the result has as many lines as the source, and every character that stays keeps its line.
// Interpolations count as code. Regex literals are not told apart; the project writes none.

/// Blanks what is not code.
struct CodeOnly {
    private enum Context: Equatable {
        /// Code; inside an interpolation, parentheses still open.
        case code(parentheses: Int)
        /// A string literal: number of `#`, and whether it spans lines.
        case string(pounds: Int, multiline: Bool)
        /// A block comment: how deep.
        case comment(depth: Int)
    }

    private let source: [UInt8]
    private var position = 0
    private var contexts: [Context] = [.code(parentheses: 0)]
    private var result: [UInt8] = []

    private init(_ text: String) {
        source = Array(text.utf8)
        result.reserveCapacity(source.count)
    }

    /// The code of a source text, line by line.
    static func lines(of text: String) -> [String] {
        var scanner = CodeOnly(text)
        scanner.scan()
        return scanner.result.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
            .map { String(decoding: $0, as: UTF8.self) }
    }

    private func starts(with text: StaticString, at index: Int) -> Bool {
        guard index + text.utf8CodeUnitCount <= source.count else { return false }
        return text.withUTF8Buffer { $0.elementsEqual(source[index..<(index + $0.count)]) }
    }

    private mutating func take(_ count: Int, blank: Bool) {
        for byte in source[position..<min(position + count, source.count)] {
            result.append(blank && byte != UInt8(ascii: "\n") ? UInt8(ascii: " ") : byte)
        }
        position += count
    }

    private mutating func scan() {
        while position < source.count {
            switch contexts[contexts.count - 1] {
            case .code(let parentheses): scanCode(parentheses)
            case .string(let pounds, let multiline): scanString(pounds, multiline)
            case .comment(let depth): scanComment(depth)
            }
        }
    }

    private mutating func scanCode(_ parentheses: Int) {
        if starts(with: "//", at: position) {
            let end = source[position...].firstIndex(of: UInt8(ascii: "\n")) ?? source.count
            take(end - position, blank: true)
            return
        }
        if starts(with: "/*", at: position) {
            contexts.append(.comment(depth: 1))
            take(2, blank: true)
            return
        }
        var pounds = 0
        while position + pounds < source.count, source[position + pounds] == UInt8(ascii: "#") { pounds += 1 }
        if starts(with: "\"", at: position + pounds) {
            let multiline = starts(with: "\"\"\"", at: position + pounds)
            contexts.append(.string(pounds: pounds, multiline: multiline))
            take(pounds + (multiline ? 3 : 1), blank: false)
            return
        }
        let byte = source[position]
        let top = contexts.count - 1
        if byte == UInt8(ascii: "(") { contexts[top] = .code(parentheses: parentheses + 1) }
        if byte == UInt8(ascii: ")") {
            if parentheses == 0, top > 0 {
                contexts.removeLast()
            } else {
                contexts[top] = .code(parentheses: parentheses - 1)
            }
        }
        take(max(1, pounds), blank: false)
    }

    private mutating func scanString(_ pounds: Int, _ multiline: Bool) {
        let quotes = multiline ? 3 : 1
        let closes =
            starts(with: multiline ? "\"\"\"" : "\"", at: position)
            && source[min(position + quotes, source.count)...].prefix(pounds).elementsEqual(
                repeatElement(UInt8(ascii: "#"), count: pounds))
        if closes {
            contexts.removeLast()
            take(quotes + pounds, blank: false)
            return
        }
        guard source[position] == UInt8(ascii: "\\") else { return take(1, blank: true) }
        let escaped = source[min(position + 1, source.count)...].prefix(pounds)
            .elementsEqual(repeatElement(UInt8(ascii: "#"), count: pounds))
        guard escaped else { return take(1, blank: true) }
        let opensInterpolation = starts(with: "(", at: position + 1 + pounds)
        take(pounds + 2, blank: true)
        if opensInterpolation { contexts.append(.code(parentheses: 0)) }
    }

    private mutating func scanComment(_ depth: Int) {
        let top = contexts.count - 1
        if starts(with: "/*", at: position) {
            contexts[top] = .comment(depth: depth + 1)
            take(2, blank: true)
        } else if starts(with: "*/", at: position) {
            if depth == 1 { contexts.removeLast() } else { contexts[top] = .comment(depth: depth - 1) }
            take(2, blank: true)
        } else {
            take(1, blank: true)
        }
    }
}
