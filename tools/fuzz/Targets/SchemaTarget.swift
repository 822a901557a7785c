// The schema's parser and checker, and what is rendered from a schema that they take: any UTF-8.

import ProtogenCore

/// The generator's front, and its renderers.
package enum SchemaTarget: FuzzTarget {
    package static let name = "schema"

    package static func run(_ input: RawSpan) throws(Finding) -> Outcome {
        let text = input.withUnsafeBytes { String(validating: $0, as: UTF8.self) }
        guard let text else { return Outcome() }
        let file = SourceFile(path: "input.schema", text: text)
        let schema: Schema
        do throws(SchemaErrors) {
            schema = try Schema(file)
        } catch {
            try check(error, of: file)
            return Outcome()
        }
        let outputs =
            [ReferenceRenderer(schema).file(), GoldenVectors(schema).file(), HostileVectors(schema).file()]
            + SwiftRenderer(schema).files()
        guard outputs.allSatisfy({ !$0.path.isEmpty && !$0.text.isEmpty }) else {
            throw Finding("an output without name or text")
        }
        guard Evolution.breakages(from: schema, to: schema).isEmpty else {
            throw Finding("a schema that is no evolution of itself")
        }
        return Outcome(isPast: true)
    }

    /// Errors are there, in order, and each points into the file.
    private static func check(_ errors: SchemaErrors, of file: SourceFile) throws(Finding) {
        guard !errors.diagnostics.isEmpty else { throw Finding("refused, and nothing is said of it") }
        var last = Position(line: 1, column: 1)
        for error in errors.diagnostics {
            guard error.position >= last, error.position.line <= max(1, file.lines.count) else {
                throw Finding("an error at \(error.position.line):\(error.position.column), out of order")
            }
            let length = file.lines.isEmpty ? 0 : file.lines[error.position.line - 1].count
            guard error.position.column <= length + 1, !error.description.isEmpty else {
                throw Finding("an error at \(error.position.line):\(error.position.column), behind the line")
            }
            last = error.position
        }
    }

    package static func seeds(_ samples: Samples) -> [[UInt8]] {
        samples.schemas.map { Array($0.utf8) } + [
            Array("protocol p version 0\n/// A.\nlimit a_max = 7\n".utf8),
            Array("protocol p version 0\n/// A.\nenum A: u8 {\n    /// B.\n    b = 1\n}\n".utf8),
        ]
    }

    /// A schema that has a limit of a name with two underscores.
    package static func isPlanted(_ input: RawSpan, _ outcome: Outcome) -> Bool {
        guard outcome.isPast,
            let text = input.withUnsafeBytes({ String(validating: $0, as: UTF8.self) }),
            let schema = try? Schema(SourceFile(path: "input.schema", text: text))
        else { return false }
        return schema.limits.contains { $0.name.count { $0 == "_" } >= 2 }
    }
}
