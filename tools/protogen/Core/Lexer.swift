// Text → tokens.
//
// Why a file of its own: positions are counted here and nowhere else.
// Invariant: the tokens' positions ascend, and the last token is `.end`.

/// One word of a schema.
struct Token: Hashable, Sendable {
    enum Kind: Hashable, Sendable {
        case identifier(String)
        case number(Int)
        case text(String)
        case doc(String)
        case symbol(String)
        case end
    }

    var kind: Kind
    var position: Position

    /// How a message names this token.
    var shown: String {
        switch kind {
        case .identifier(let name): "`\(name)`"
        case .number(let number): "`\(number)`"
        case .text(let text): "\"\(text)\""
        case .doc: "a doc comment"
        case .symbol(let symbol): "`\(symbol)`"
        case .end: "the end of the file"
        }
    }
}

/// Cuts a file into tokens.
struct Lexer {
    private let file: SourceFile
    private var tokens: [Token] = []

    private init(_ file: SourceFile) {
        self.file = file
    }

    static func tokens(of file: SourceFile) throws(Diagnostic) -> [Token] {
        var lexer = Lexer(file)
        for (index, line) in file.lines.enumerated() {
            try lexer.scan(Array(line), line: index + 1)
        }
        let last = file.lines.last ?? ""
        let end = Position(line: max(file.lines.count, 1), column: last.count + 1)
        lexer.tokens.append(Token(kind: .end, position: end))
        return lexer.tokens
    }

    private mutating func scan(_ line: [Character], line number: Int) throws(Diagnostic) {
        var index = 0
        while index < line.count {
            let position = Position(line: number, column: index + 1)
            let character = line[index]
            if character == " " || character == "\t" || character == "\r" {
                index += 1
            } else if character == "/" {
                try scanComment(line[index...], position)
                return
            } else if Self.startsWord(character) {
                let word = line[index...].prefix { Self.startsWord($0) || Self.isDigit($0) }
                tokens.append(Token(kind: .identifier(String(word)), position: position))
                index += word.count
            } else if Self.isDigit(character) {
                let digits = line[index...].prefix { Self.isDigit($0) || $0 == "_" }
                guard let value = Int(String(digits.filter { $0 != "_" })) else {
                    throw Diagnostic(file, position, "the number is too large")
                }
                tokens.append(Token(kind: .number(value), position: position))
                index += digits.count
            } else if character == "\"" {
                let text = line[(index + 1)...].prefix { $0 != "\"" }
                guard index + 1 + text.count < line.count else {
                    throw Diagnostic(file, position, "the text has no closing quote")
                }
                tokens.append(Token(kind: .text(String(text)), position: position))
                index += text.count + 2
            } else {
                let isEquality = character == "=" && index + 1 < line.count && line[index + 1] == "="
                guard isEquality || "{}[]()<>:=@,+".contains(character) else {
                    throw Diagnostic(file, position, "unexpected character `\(character)`")
                }
                tokens.append(Token(kind: .symbol(isEquality ? "==" : String(character)), position: position))
                index += isEquality ? 2 : 1
            }
        }
    }

    private mutating func scanComment(_ rest: ArraySlice<Character>, _ position: Position) throws(Diagnostic)
    {
        let slashes = rest.prefix { $0 == "/" }.count
        guard slashes >= 2 else { throw Diagnostic(file, position, "unexpected character `/`") }
        guard slashes == 3 else { return }
        let words = String(rest.dropFirst(3)).trimmingSpaces()
        tokens.append(Token(kind: .doc(words), position: position))
    }

    private static func startsWord(_ character: Character) -> Bool {
        character == "_" || (character.isASCII && character.isLetter)
    }

    private static func isDigit(_ character: Character) -> Bool {
        character.isASCII && character.isNumber
    }
}

extension String {
    /// The text without spaces at either end.
    func trimmingSpaces() -> String {
        let start = drop { $0 == " " || $0 == "\t" || $0 == "\r" }
        let kept = start.reversed().drop { $0 == " " || $0 == "\t" || $0 == "\r" }
        return String(kept.reversed())
    }
}
