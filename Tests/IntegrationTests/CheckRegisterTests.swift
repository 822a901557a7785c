// Goal: `consentd check-register` says of a sound register that it is sound, of a changed one that it is not,
// and of a folder that it cannot examine why. Method: the program, over a folder that a daemon has written.

import ConsentClient
import Foundation
import TestSupport
import Testing

@Suite struct CheckRegisterTests {
    private static func check(_ state: String, _ arguments: [String] = []) throws -> (
        code: Int32, output: String, errors: String
    ) {
        try ProgramUnderTest.run("consentd", ["check-register", "--state-dir", state] + arguments)
    }

    @Test func tellsASoundRegisterFromAChangedOne() async throws {
        let folder = try TemporaryFolder()
        let state = folder.file("state")
        let daemon = try DaemonUnderTest(stateFolder: state, ["--init"])
        let client = try await daemon.admin()
        let salon = try await Salon(client)
        for number in 0..<30 {
            _ = try await client.grant(salon.grant(["check\(number)@example.fr"], channels: [.email]))
        }
        _ = try await client.withdraw(salon.refusal("check3@example.fr"))
        _ = try await client.erase(
            Erasure(controller: salon.controller, subject: .contacts([WriteContact("check4@example.fr")])))
        await client.close()

        let running = try Self.check(state)
        #expect(running.code == 78 && running.errors.contains("another consentd"))
        daemon.program.signal(SIGTERM)
        #expect(daemon.program.wait().code == 0)

        let sound = try Self.check(state)
        #expect(sound.code == 0 && sound.output.hasPrefix("ok: "), "\(sound)")
        let document = try Self.check(state, ["--json"])
        let report = try #require(
            try JSONSerialization.jsonObject(with: Data(document.output.utf8)) as? [String: Any])
        #expect(report["status"] as? String == "ok" && report["contacts"] as? Int == 30)
        #expect(report["findingCount"] as? Int == 0)

        // The last page: whatever it holds.
        let path = URL(fileURLWithPath: state + "/register.db")
        var bytes = try Data(contentsOf: path)
        bytes[bytes.count - 100] ^= 4
        try bytes.write(to: path)
        let changed = try Self.check(state)
        #expect(changed.code == 1 || changed.code == 78)
        #expect((changed.output + changed.errors).contains("checksum"), "\(changed)")
        #expect(!(changed.output + changed.errors).contains("example.fr"))
        let missing = try Self.check(folder.file("nothing"))
        #expect(missing.code == 78 && missing.errors.contains("no state folder"))
    }
}
