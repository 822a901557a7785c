// A wall clock of a daemon's own, by libfaketime: set while the daemon runs, through a file. The monotonic
// clock stays as it is, as it does when an administrator sets the time.

import Foundation

/// The clock of one daemon.
struct FakeTime {
    /// The library; nil: Debian's package faketime is not installed.
    static let library: String? = {
        let folder = "/usr/lib"
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        return names.map { "\(folder)/\($0)/faketime/libfaketimeMT.so.1" }
            .first { FileManager.default.fileExists(atPath: $0) }
    }()
    /// Why a test is skipped.
    static let missing = "install Debian's package faketime"

    /// The shell that the daemon is started from: the library sets a variable in the first program that it
    /// comes to, and a Swift program that has that done to it does not find its arguments.
    static let prelude = "true"

    private let path: String

    /// - Parameter path: a file that says how far the clock is off.
    init(path: String) throws {
        self.path = path
        try set(seconds: 0)
    }

    /// Sets the clock so far ahead of the true time; a negative number: behind it.
    func set(seconds: Int) throws {
        let text = (seconds < 0 ? "" : "+") + "\(seconds)"
        try text.write(toFile: path, atomically: true, encoding: .utf8)
    }

    /// What the daemon has to find in its environment.
    var environment: [String: String] {
        [
            "LD_PRELOAD": Self.library ?? "", "FAKETIME_TIMESTAMP_FILE": path, "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        ]
    }
}
