// consentd rotate-log-key: replaces the key that signs heads and receipts.

import ArgumentParser
import ConsentServer
import Foundation

struct RotateLogKey: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rotate-log-key", abstract: "Replace the key that signs heads and receipts.",
        discussion: """
            The daemon must be stopped. The old key signs a last head, which is kept; its public half stays in \
            log.pub.d, and whatever it signed still verifies: consentctl verify --key log.pub --key OLD.pub. Publish \
            the new log.pub, and keep log.key where keys are kept.
            """)

    @Option(help: "Folder with the register and its keys.", completion: .directory)
    var stateDir: String

    func run() throws {
        do {
            print("log key \(try ConsentServer.rotateLogKey(stateFolder: stateDir))")
        } catch {
            fail(ServerFailure(error, configuration: ServerConfiguration(stateFolder: stateDir)))
        }
    }
}
