// Goal: what the runbooks tell an operator to type works.
// Method: the script that types each block of RUNBOOK.md, in order, with the programs of this build.

import Foundation
import TestSupport
import Testing

@Suite struct RunbookTests {
    @Test func everyBlockOfTheRunbooksWorks() throws {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let script = Process()
        script.executableURL = root.appendingPathComponent("tools/operations/runbook.sh")
        script.environment = ProcessInfo.processInfo.environment.merging([
            "BIN": ProgramUnderTest.folder.path
        ]) { $1 }
        let output = Pipe()
        (script.standardOutput, script.standardError) = (output, output)
        try script.run()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        script.waitUntilExit()
        #expect(script.terminationStatus == 0, "\(text.suffix(2_000))")
        let page = try String(
            contentsOf: root.appendingPathComponent("tools/operations/RUNBOOK.md"), encoding: .utf8)
        let blocks = page.split(separator: "\n").count { $0 == "```sh" }
        #expect(text.contains("\(blocks) blocks of the runbooks done"), "\(text.suffix(2_000))")
    }
}
