// What renderers write into.
//
// Why: indentation and wrapping in one place, so that the output reads as if written by hand.
// Invariant: no line ends in a space; each text ends in exactly one newline.

/// A file that the generator writes.
package struct OutputFile: Hashable, Sendable {
    /// Path from the root of the project.
    package var path: String
    /// Its whole text.
    package var text: String

    /// - Parameters:
    ///   - path: path from the root of the project.
    ///   - text: its whole text.
    package init(path: String, text: String) {
        self.path = path
        self.text = text
    }
}

/// Gathers lines of code.
struct CodeText {
    static let lineLengthMax = 110

    private(set) var text = ""
    private var depth = 0

    /// Adds a line at the current depth; an empty one stays empty.
    mutating func line(_ line: String = "") {
        if !line.isEmpty { text += String(repeating: "    ", count: depth) + line }
        text += "\n"
    }

    /// Adds a line that opens a block, what is in it, and its end.
    mutating func block(_ opening: String, closing: String = "}", _ body: (inout CodeText) -> Void) {
        line(opening)
        depth += 1
        body(&self)
        depth -= 1
        line(closing)
    }

    /// Adds lines one step deeper.
    mutating func indented(_ body: (inout CodeText) -> Void) {
        depth += 1
        body(&self)
        depth -= 1
    }

    /// Adds a doc comment, wrapped.
    mutating func docs(_ lines: [String]) {
        for text in lines {
            for piece in Self.wrap(text, width: Self.lineLengthMax - depth * 4 - 4) {
                line(piece.isEmpty ? "///" : "/// " + piece)
            }
        }
    }

    /// Adds `head(a, b)tail`, one argument a line where one line is too short.
    mutating func call(_ head: String, _ arguments: [String], _ tail: String) {
        let flat = head + arguments.joined(separator: ", ") + tail
        if flat.count + depth * 4 <= Self.lineLengthMax {
            line(flat)
            return
        }
        line(head)
        indented { code in
            for (index, argument) in arguments.enumerated() {
                code.line(argument + (index + 1 < arguments.count ? "," : ""))
            }
        }
        line(tail)
    }

    private static func wrap(_ text: String, width: Int) -> [String] {
        var lines = [""]
        for word in text.split(separator: " ") {
            let last = lines[lines.count - 1]
            if last.isEmpty {
                lines[lines.count - 1] = String(word)
            } else if last.count + 1 + word.count <= width {
                lines[lines.count - 1] = last + " " + word
            } else {
                lines.append(String(word))
            }
        }
        return lines
    }
}
