// Tests/RULES.md names a test for each rule of consent; here the names are held against the tests.

import Foundation

enum RuleList {
    /// `Suite.test` names, and the titles of stories, that a set of sources has.
    struct Names {
        var tests = Set<String>()
        var stories = Set<String>()

        init(_ files: [SourceFile]) {
            for file in files where file.path.hasPrefix("Tests/") && file.path.hasSuffix(".swift") {
                // Suites are types at the top of a file; there may be several.
                var suite = ""
                var isTest = false
                for line in file.lines {
                    let words = line.split { !$0.isLetter && !$0.isNumber && $0 != "_" && $0 != "@" }
                    if let place = words.firstIndex(where: {
                        ["struct", "class", "enum", "actor"].contains($0)
                    }),
                        place + 1 < words.count, line.first != " "
                    {
                        suite = String(words[place + 1])
                    }
                    if words.contains("@Test") { isTest = true }
                    if isTest, let place = words.firstIndex(of: "func"), place + 1 < words.count {
                        tests.insert("\(suite).\(words[place + 1])")
                        isTest = false
                    }
                    let text = line.drop { $0 == " " }
                    if text.hasPrefix("# ") { stories.insert(String(text.dropFirst(2))) }
                }
            }
        }
    }

    /// Rules without a test, and names that no test has.
    static func findings(_ list: SourceFile, _ names: Names) -> [Finding] {
        list.lines.enumerated().flatMap { index, line -> [Finding] in
            let cells = line.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
            guard line.hasPrefix("|"), cells.count == 2, cells[0] != "rule", !cells[0].hasPrefix("---") else {
                return []
            }
            func finding(_ message: String) -> Finding {
                Finding(path: list.path, line: index + 1, message: message)
            }
            let tests = cells[1].matches(of: /`([^`]+)`/).map { String($0.output.1) }
            let stories = cells[1].matches(of: /"([^"]+)"/).map { String($0.output.1) }
            if tests.isEmpty && stories.isEmpty { return [finding("a rule without a test")] }
            return tests.filter { !names.tests.contains($0) }.map { finding("no test is called \($0)") }
                + stories.filter { !names.stories.contains($0) }.map {
                    finding("no story is called \"\($0)\"")
                }
        }
    }
}
