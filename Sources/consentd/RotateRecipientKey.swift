// consentd rotate-recipient-key: begins a new epoch of recipient keys.

import ArgumentParser
import ConsentServer
import Foundation

struct RotateRecipientKey: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rotate-recipient-key", abstract: "Begin a new epoch of recipient keys.",
        discussion: """
            The daemon must be stopped. Contact points that are new from then on get their keys under a new secret, \
            recipient.key.N. Those on file keep the key that they have, since addresses are not kept and keys cannot \
            be computed anew; keys that clients store stay good. Every secret is needed as long as the register: \
            keep the new file where recipient.key is kept.
            """)

    @Option(help: "Folder with the register and its keys.", completion: .directory)
    var stateDir: String

    func run() throws {
        do {
            print("key epoch \(try ConsentServer.rotateRecipientKey(stateFolder: stateDir))")
        } catch {
            fail(ServerFailure(error, configuration: ServerConfiguration(stateFolder: stateDir)))
        }
    }
}
