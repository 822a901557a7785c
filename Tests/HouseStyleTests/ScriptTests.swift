// Goal: the scripts that people rely on tell the truth: the tests' counts, and the demo's customers.
//
// Method: runs the awk programs on planted input and looks at what they print and at their exit codes.

import Foundation
import Testing

@Suite("Scripts")
struct ScriptTests {
    /// What `swift test` may print, and what the summary must make of it. Printed by its name alone: the text
    /// of a planted failure would be counted by the very summary that is tested here.
    struct Run: CustomTestStringConvertible {
        let testDescription: String
        let log: String
        let status: Int
        let lastLine: String

        init(_ name: String, _ log: String, status: Int, gives lastLine: String) {
            testDescription = name
            self.log = log
            self.status = status
            self.lastLine = lastLine
        }
    }

    static let passing = """
        Test Suite 'All tests' passed at 2026-01-01 00:00:00.000
        \t Executed 0 tests, with 0 failures (0 unexpected) in 0.0 (0.0) seconds
        ◇ Test run started.
        ✔ Test "keys" passed after 0.001 seconds.
        ✔ Test run with 12 tests in 3 suites passed after 0.2 seconds.
        """
    static let failing = """
        \t Executed 4 tests, with 1 test skipped and 1 failure (0 unexpected) in 0.0 (0.0) seconds
        ◇ Test run started.
        ✘ Test "a" recorded an issue at A.swift:1:1: Expectation failed: 1 == 2
        ✘ Test case passing 1 argument n → 3 to "a" failed after 0.001 seconds with 1 issue.
        ✘ Test "a" with 2 test cases failed after 0.001 seconds with 2 issues.
        ✘ Suite "S" failed after 0.002 seconds with 2 issues.
        ✘ Test run with 12 tests in 3 suites failed after 0.2 seconds with 2 issues.
        """
    static let runs = [
        Run("all passed", passing, status: 0, gives: "12 passed, 0 failed"),
        Run("one failed in each library", failing, status: 1, gives: "13 passed, 2 failed"),
        Run("passed, yet the exit status says no", passing, status: 1, gives: "12 passed, 1 failed"),
        Run(
            "crashed", "◇ Test run started.\nerror: Exited with unexpected signal code 11", status: 1,
            gives: "0 passed, 1 failed"),
        Run("did not build", "error: no such module 'Nothing'", status: 1, gives: "0 passed, 1 failed"),
        Run("nothing ran", "", status: 0, gives: "0 passed, 1 failed"),
    ]

    @Test("the summary of a test run", arguments: runs)
    func summary(_ run: Run) throws {
        let arguments = ["-v", "status=\(run.status)", "-f", "tools/scripts/test-summary.awk"]
        let result = try AwkProgram.run(arguments, input: run.log + "\n")
        let lastLine = result.output.split(separator: "\n").last.map(String.init)
        #expect(lastLine == run.lastLine)
        #expect((result.code == 0) == run.lastLine.hasSuffix(" 0 failed"))
    }

    @Test("long comments are wrapped, and nothing else is touched")
    func wrapsComments() throws {
        let before = """
            // aaaa bbbb cccc
            // dddd
            let long = 1 + 2 + 3 + 4 + 5 + 6
            /// - a: éééé ffff gg
            /// - b: hhhh
            // ```
            // fenced code stays as it is
            // ```
            // iiii jjjj kkkk llll mmmm nnnn
            """
        let after = """
            // aaaa bbbb
            // cccc dddd
            let long = 1 + 2 + 3 + 4 + 5 + 6
            /// - a: éééé
            ///   ffff gg
            /// - b: hhhh
            // ```
            // fenced code stays as it is
            // ```
            // iiii jjjj
            // kkkk llll
            // mmmm nnnn
            """
        let program = ["-v", "columns=16", "-f", "tools/scripts/wrap-comments.awk"]
        let once = try AwkProgram.run(program, input: before + "\n").output
        #expect(once == after + "\n")
        #expect(try AwkProgram.run(program, input: once).output == once)
    }

    private func customers(seed: Int, today: String = "2026-03-01") throws -> [[Substring]] {
        let notices = ["lyon", "paris", "brussels", "market", "english", "preticked"]
        let variables =
            ["seed=\(seed)", "count=1200", "today=\(today)"] + notices.map { "notice_\($0)=\($0)" }
        let result = try AwkProgram.run(
            variables.flatMap { ["-v", $0] } + ["-f", "tools/demo/customers.awk"])
        #expect(result.code == 0)
        return result.output.split(separator: "\n").map {
            $0.split(separator: ",", omittingEmptySubsequences: false)
        }
    }

    @Test("the demo's customers: the same seed gives the same file, another seed another")
    func customersAreReproducible() throws {
        #expect(try customers(seed: 5) == customers(seed: 5))
        #expect(try customers(seed: 5) != customers(seed: 6))
    }

    @Test("the demo's customers: columns, faults, dates", arguments: [1, 7, 20_260_131])
    func customersAreAsPromised(seed: Int) throws {
        let rows = try customers(seed: seed)
        let header = "event,controller,channels,purposes,email,phone,reference,occurred_at,source,act,notice"
        #expect(rows[0].joined(separator: ",") == header)

        #expect(rows.filter { $0.count != 11 }.count == 1, "one bad row is cut short")
        let whole = rows.dropFirst().filter { $0.count == 11 }
        #expect(whole.filter { $0[6].hasPrefix("X-") }.count == 11)
        let good = whole.filter { !$0[6].hasPrefix("X-") }
        #expect(good.count >= 1200)
        for row in good {
            #expect(row[7] < "2026-03-01T", "an act in the future: \(row)")
            #expect(!row[4].isEmpty || !row[5].isEmpty)
            #expect((row[0] == "grant") == !row[10].isEmpty, "a grant names its notice: \(row)")
        }
        let kinds = Set(good.map { $0[0] })
        #expect(kinds.isSuperset(of: ["grant", "refuse", "withdraw", "object", "bounce"]))
        #expect(Set(good.map { $0[8] }).isSuperset(of: ["marketplace", "widget", "salon"]))

        // A phone number belongs to one customer: the digits alone, as a phone book would compare them.
        var owners: [String: Substring] = [:]
        for row in good where !row[5].isEmpty {
            let digits = String(row[5].filter(\.isNumber).suffix(8))
            #expect(owners.updateValue(row[6], forKey: digits).map { $0 == row[6] } ?? true)
        }
    }
}
