// Goal: the benchmark's table and report say of a row what its runs were, and fail when they should.
//
// Method: runs the awk programs of tools/bench on planted runs; each verdict has a row here.

import Foundation
import Testing

@Suite("Benchmark scripts")
struct BenchScriptTests {
    // MARK: What one run came to

    private func figures(_ json: String, unit: String = "checks/s") throws -> [Substring] {
        let facts = ["id=T1", "side=ours", "round=2", "unit=\(unit)", "verdict=ok"].flatMap { ["-v", $0] }
        let output = try AwkProgram.run(facts + ["-f", "tools/bench/figures.awk"], input: json + "\n").output
        return output.dropLast().split(separator: "\t", omittingEmptySubsequences: false)
    }

    @Test("a run's figures come from its report")
    func figuresOfARun() throws {
        let json = """
            {"durationSeconds": 2.0, "checks": 4000000, "checksPerSecond": 2.0e6, "errors": 0, "wrongAnswers": 0,
             "valid": true, "latencyMicroseconds": {"intended": {"p999": 812.5}, "service": {"p999": 90}},
             "cpuSeconds": {"client": 1, "server": 1.9}, "wireBytes": {"sent": 60000000, "received": 20000000}}
            """
        #expect(
            try figures(json)
                == ["T1", "ours", "2", "2000000", "0.2500", "0.4750", "20.0", "0.950", "ok"])
        #expect(try figures(json, unit: "us p99.9")[3] == "812.5")
    }

    @Test("a run that is not right says why")
    func wrongRuns() throws {
        #expect(try figures(#"{"checksPerSecond": 5, "wrongAnswers": 1}"#).last == "wrong answers")
        #expect(try figures(#"{"checksPerSecond": 5, "errors": 2}"#).last == "errors")
        #expect(try figures(#"{"checksPerSecond": 5, "valid": false}"#).last == "invalid")
        #expect(try figures("{}").last == "no figure")
    }

    // MARK: Verdicts

    /// A row with three rounds on each side, and what must be said of it.
    struct Row: CustomTestStringConvertible {
        let testDescription: String
        let line: String
        let ours: [Double]
        let peer: [Double]
        let busy: Double
        let verdict: String
        let fails: Bool

        init(
            _ name: String, _ line: String, ours: [Double], peer: [Double], busy: Double = 1,
            gives verdict: String, fails: Bool = false
        ) {
            testDescription = name
            self.line = line
            self.ours = ours
            self.peer = peer
            self.busy = busy
            self.verdict = verdict
            self.fails = fails
        }
    }

    static let rows = [
        Row(
            "the median ratio counts, not the ratio of medians", "T1|w|Redis GET|checks/s|ratio|9|13",
            ours: [90, 260, 80], peer: [10, 20, 5], gives: "goal"),
        Row(
            "between floor and goal", "T1|w|Redis GET|checks/s|ratio|9|13", ours: [100, 100, 100],
            peer: [10, 10, 10], gives: "floor"),
        Row(
            "below the floor", "T1|w|Redis GET|checks/s|ratio|9|13", ours: [80, 80, 99],
            peer: [10, 10, 10], gives: "BELOW FLOOR", fails: true),
        Row(
            "an idle peer does not count", "T1|w|Redis GET|checks/s|ratio|9|13", ours: [1, 1, 1],
            peer: [10, 10, 10], busy: 0.9, gives: "not counted: peer 90 % busy"),
        Row(
            "seconds: the peer's over ours", "T8|w|Redis RDB load|seconds|faster|5|12", ours: [1, 1, 1],
            peer: [6, 6, 6], busy: 0.1, gives: "floor"),
        Row(
            "a penalty at most", "T10|w|the same|us p99.9|penalty|2|1.3", ours: [210, 210, 210],
            peer: [100, 100, 100], gives: "BELOW FLOOR", fails: true),
        Row(
            "a small penalty", "T10|w|the same|us p99.9|penalty|2|1.3", ours: [120, 120, 120],
            peer: [100, 100, 100], gives: "goal"),
        Row(
            "an absolute figure at most", "T7|w|Redis|bytes|most|26|22", ours: [24, 24, 24],
            peer: [1, 1, 1], gives: "floor"),
        Row(
            "no allocation is the goal", "T11|w||allocations|most|0.01|0", ours: [0, 0, 0], peer: [],
            gives: "goal"),
        Row(
            "an absolute figure at least", "T12|w||rows/s|least|50|", ours: [49, 49, 49], peer: [],
            gives: "BELOW FLOOR", fails: true),
        Row("a row for information", "T1M|w|m|checks/s|info||", ours: [1], peer: [9], gives: "-"),
    ]

    /// Runs the report over planted files.
    private func report(
        _ line: String, runs: [String]
    ) throws -> (table: String, rows: [[String: Any]], code: Int32) {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let texts = [
            "rows.tsv": line.replacing("|", with: "\t"), "settings.tsv": "Redis\t--save \"\"",
            "sweep.tsv": "100\t5\t4\t3\t", "runs.tsv": runs.joined(separator: "\n"),
        ]
        for (name, text) in texts {
            let file = folder.appendingPathComponent(name)
            try Data((text + "\n").utf8).write(to: file)
        }
        let json = folder.appendingPathComponent("report.json")
        let facts = ["json=\(json.path)", "machine=a \"machine\"", "calibration={}", "stolen=0 1 1 11"]
        let files = ["rows", "settings", "sweep", "runs"].map {
            folder.appendingPathComponent("\($0).tsv").path
        }
        let run = try AwkProgram.run(
            ["-F", "\t"] + facts.flatMap { ["-v", $0] } + ["-f", "tools/bench/report.awk"] + files)
        let document = try JSONSerialization.jsonObject(with: Data(contentsOf: json)) as? [String: Any]
        return (run.output, document?["rows"] as? [[String: Any]] ?? [], run.code)
    }

    @Test("the verdict on a row", arguments: rows)
    func verdict(_ row: Row) throws {
        let id = String(row.line.prefix { $0 != "|" })
        func lines(_ side: String, _ figures: [Double]) -> [String] {
            figures.enumerated().map { "\(id)\t\(side)\t\($0 + 1)\t\($1)\t\t\t\t\(row.busy)\tok" }
        }
        let result = try report(row.line, runs: lines("ours", row.ours) + lines("peer", row.peer))
        let found = try #require(result.rows.first)
        #expect(found["verdict"] as? String == row.verdict)
        #expect(result.table.contains(row.verdict))
        #expect((result.code != 0) == row.fails)
        #expect((found["ratio"] is NSNull) == (row.line.contains("most") || row.line.contains("least")))
    }

    @Test("what a check costs the server is compared round by round too")
    func serverRatio() throws {
        let costs: [(String, [Double])] = [("ours", [3, 6, 8]), ("peer", [1, 3, 2])]
        let runs = costs.flatMap { side, seconds in
            seconds.enumerated().map { "TLS\t\(side)\t\($0 + 1)\t100\t9\t\($1)\t\t1\tok" }
        }
        let result = try report("TLS|w|T1 in plain|checks/s|info||", runs: runs)
        let found = try #require(result.rows.first?["cpuSecondsPerMillion"] as? [String: Any])
        #expect(found["serverRatio"] as? [String: Double] == ["min": 2, "median": 3, "max": 4])
        #expect(result.table.contains("2.00 - 3.00 - 4.00"))
    }

    @Test(
        "a row with a failed run fails, whatever its figures; one whose generator was late does not count",
        arguments: [
            ("wrong answers", "FAILED: ours: wrong answers", 1 as Int32),
            ("invalid", "not counted: ours: invalid", 0),
        ])
    func failedRun(_ why: String, _ verdict: String, _ code: Int32) throws {
        let runs = ["T1\tours\t1\t99\t\t\t\t1\t\(why)", "T1\tpeer\t1\t1\t\t\t\t1\tok"]
        let result = try report("T1|w|Redis GET|checks/s|ratio|9|13", runs: runs)
        #expect(result.rows.first?["verdict"] as? String == verdict)
        #expect(result.code == code)
    }
}
