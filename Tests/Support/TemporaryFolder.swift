// A folder of one test, gone when the test is.

import Foundation

/// A new, empty folder that is removed with this value.
public final class TemporaryFolder: Sendable {
    /// Absolute path.
    public let path: String

    /// Makes the folder, readable by its owner alone.
    public init() throws {
        let name = "consentd-test-" + UUID().uuidString.lowercased()
        path = FileManager.default.temporaryDirectory.appendingPathComponent(name).path
        try FileManager.default.createDirectory(
            atPath: path, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
    }

    deinit {
        try? FileManager.default.removeItem(atPath: path)
    }

    /// Path of a file or folder inside.
    public func file(_ name: String) -> String { path + "/" + name }
}
