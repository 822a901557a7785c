// The rules about prose: links lead somewhere, commands exist, limits are documented, no machine is named.

import Foundation

enum DocumentRules {
    /// Hosts that the project's files may name; names that end in .example or example.com are always allowed.
    static let hosts: Set<String> = [
        "github.com", "www.swift.org", "swift.org", "www.rfc-editor.org", "datatracker.ietf.org",
        "eur-lex.europa.eu", "www.sqlite.org", "sqlite.org", "127.0.0.1", "localhost",
        // Samples of URLs in tests.
        "a.fr", "example.fr",
    ]

    /// Relative links of a document that lead to no file.
    static func links(_ file: SourceFile, exists: (String) -> Bool) -> [Finding] {
        let folder = file.path.split(separator: "/").dropLast().map(String.init)
        return proseLines(file).flatMap { number, line in
            linkTargets(line).compactMap { target -> Finding? in
                let path = target.prefix { $0 != "#" }
                guard !path.isEmpty, !path.contains("://"), !path.hasPrefix("mailto:") else { return nil }
                var parts = folder
                for part in path.split(separator: "/") {
                    if part == ".." { _ = parts.popLast() } else if part != "." { parts.append(String(part)) }
                }
                return exists(parts.joined(separator: "/"))
                    ? nil
                    : Finding(path: file.path, line: number, message: "the link to \(target) leads nowhere")
            }
        }
    }

    /// Targets of `[text](target)` in a line.
    static func linkTargets(_ line: Substring) -> [String] {
        line.components(separatedBy: "](").dropFirst().compactMap { piece in
            piece.firstIndex(of: ")").map { String(piece[..<$0]) }
        }
    }

    /// Lines outside fenced code, numbered from 1.
    static func proseLines(_ file: SourceFile) -> [(Int, Substring)] {
        var inCode = false
        return file.lines.enumerated().compactMap { number, line in
            if line.hasPrefix("```") {
                inCode.toggle()
                return nil
            }
            return inCode ? nil : (number + 1, line)
        }
    }

    /// Every code span and code line of a document, numbered from 1.
    static func codePieces(_ file: SourceFile) -> [(Int, Substring)] {
        let prose = Set(proseLines(file).map(\.0))
        return file.lines.enumerated().flatMap { index, line -> [(Int, Substring)] in
            guard prose.contains(index + 1) else { return [(index + 1, line)] }
            let pieces = line.split(separator: "`", omittingEmptySubsequences: false)
            return pieces.enumerated().compactMap { $0.offset % 2 == 1 ? (index + 1, $0.element) : nil }
        }
    }

    /// Paths in code spans of a document, `Sources/…` and the like, that lead to no file or folder.
    static func paths(_ file: SourceFile, exists: (String) -> Bool) -> [Finding] {
        let roots = ["Sources/", "Tests/", "tools/", "Protocol/"]
        return codePieces(file).compactMap { number, code in
            guard roots.contains(where: { code.hasPrefix($0) }),
                code.allSatisfy({ $0.isLetter || $0.isNumber || "_+-./".contains($0) })
            else { return nil }
            var path = code
            if path.last == "/" { path = path.dropLast() }
            return exists(String(path))
                ? nil : Finding(path: file.path, line: number, message: "there is no \(code)")
        }
    }

    /// `make` commands of a document that the Makefile does not have.
    static func makeCommands(_ file: SourceFile, targets: Set<String>) -> [Finding] {
        codePieces(file).flatMap { number, code -> [Finding] in
            let words = code.split(separator: " ")
            return zip(words, words.dropFirst()).compactMap { command, target in
                guard command == "make", target.allSatisfy({ $0.isLowercase || $0 == "-" }),
                    !targets.contains(String(target))
                else { return nil }
                return Finding(path: file.path, line: number, message: "the Makefile has no target \(target)")
            }
        }
    }

    /// Targets of a Makefile.
    static func targets(ofMakefile text: String) -> Set<String> {
        Set(
            text.split(separator: "\n").compactMap { line in
                guard let colon = line.firstIndex(of: ":"), line.first?.isLowercase == true else {
                    return nil
                }
                let name = line[..<colon]
                return name.allSatisfy { $0.isLowercase || $0 == "-" } ? String(name) : nil
            })
    }

    /// Absolute paths into somebody's folders: the project runs anywhere.
    static func absolutePaths(_ file: SourceFile) -> [Finding] {
        let folders = ["work", "root", "home", "Users"].map { "/\($0)/" }
        return file.lines.enumerated().compactMap { number, line in
            let hit = folders.contains { folder in
                line.ranges(of: folder).contains { range in
                    guard range.lowerBound > line.startIndex else { return true }
                    let before = line[line.index(before: range.lowerBound)]
                    return !before.isLetter && !before.isNumber && !"._-)/".contains(before)
                }
            }
            return hit
                ? Finding(path: file.path, line: number + 1, message: "an absolute path of one machine") : nil
        }
    }

    /// URLs of hosts that are not on the list.
    static func urls(_ file: SourceFile) -> [Finding] {
        file.lines.enumerated().flatMap { number, line in
            line.components(separatedBy: "://").dropFirst().compactMap { rest -> Finding? in
                let host = rest.prefix {
                    $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "." || $0 == "-")
                }
                let known =
                    host.isEmpty || hosts.contains(String(host)) || host.hasSuffix(".example")
                    || host == "example.com" || host.hasSuffix(".example.com")
                return known
                    ? nil
                    : Finding(
                        path: file.path, line: number + 1, message: "the host \(host) is not on the list")
            }
        }
    }

    /// Limits of a schema, by name.
    static func limits(ofSchema text: String) -> [(name: String, value: String)] {
        text.split(separator: "\n").compactMap { line in
            let words = line.split(separator: " ")
            guard words.count == 4, words[0] == "limit", words[2] == "=" else { return nil }
            return (String(words[1]), words[3].filter(\.isNumber))
        }
    }

    /// Limits of the schema that the reference does not show with their value.
    static func undocumentedLimits(schema: String, reference: SourceFile) -> [Finding] {
        limits(ofSchema: schema).compactMap { limit in
            let shown = reference.lines.contains { line in
                guard
                    line.contains("`\(limit.name)`")
                        || line.split(separator: " ").contains(Substring(limit.name))
                else {
                    return false
                }
                return line.split { !$0.isNumber && $0 != "_" && $0 != "," }.contains {
                    $0.filter(\.isNumber) == limit.value
                }
            }
            return shown
                ? nil
                : Finding(
                    path: reference.path, line: 0, message: "limit \(limit.name) = \(limit.value) is missing")
        }
    }
}
