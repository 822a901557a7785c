// Where something stands in a schema file, and what is wrong there.
//
// Why: every error of a schema names file, line and column and shows the line with a caret, so that it can be
// mended without searching.
// Invariant: lines and columns count from 1; a column counts characters.

/// A schema file: its path as messages name it, and its text.
package struct SourceFile: Sendable, Hashable {
    /// Path as messages name it.
    package let path: String
    /// Lines without their ends.
    package let lines: [String]
    /// The whole text.
    package let text: String

    /// - Parameters:
    ///   - path: path as messages name it.
    ///   - text: the file's text.
    package init(path: String, text: String) {
        self.path = path
        self.text = text
        lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    }
}

/// A place in a file.
package struct Position: Hashable, Comparable, Sendable {
    /// Line, from 1.
    package var line: Int
    /// Column in characters, from 1.
    package var column: Int

    /// - Parameters:
    ///   - line: line, from 1.
    ///   - column: column in characters, from 1.
    package init(line: Int, column: Int) {
        self.line = line
        self.column = column
    }

    package static func < (left: Position, right: Position) -> Bool {
        (left.line, left.column) < (right.line, right.column)
    }
}

/// One thing that is wrong with a schema.
package struct Diagnostic: Error, Hashable, Sendable, CustomStringConvertible {
    /// Path of the file.
    package var path: String
    /// Where.
    package var position: Position
    /// What, and what to do about it.
    package var message: String
    /// The line itself.
    package var sourceLine: String

    /// - Parameters:
    ///   - file: the file that is wrong.
    ///   - position: where.
    ///   - message: what, and what to do about it.
    package init(_ file: SourceFile, _ position: Position, _ message: String) {
        path = file.path
        self.position = position
        self.message = message
        let index = position.line - 1
        sourceLine = file.lines.indices.contains(index) ? file.lines[index] : ""
    }

    /// `file:line:column: error: message`, the line and a caret under the column.
    package var description: String {
        let before = sourceLine.prefix(max(position.column - 1, 0))
        let margin = String(before.map { $0 == "\t" ? "\t" : " " })
        return "\(path):\(position.line):\(position.column): error: \(message)\n\(sourceLine)\n\(margin)^"
    }
}

/// A schema that cannot be used: all that is wrong with it, in order of lines.
package struct SchemaErrors: Error, Hashable, Sendable, CustomStringConvertible {
    /// At least one.
    package var diagnostics: [Diagnostic]

    package var description: String {
        diagnostics.map(\.description).joined(separator: "\n")
    }
}
