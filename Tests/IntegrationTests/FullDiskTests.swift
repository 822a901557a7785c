// Goal: a full disk stops writes with a reason and nothing else; what was acknowledged stays, and writes
// resume by themselves. A disk that turns read-only stops writes too, or the daemon says that it ends; after
// a repair all that was acknowledged is there.
// Method: a daemon on a small file system in memory, filled up with a file beside the register; one on ext4
// in a file, which is told of an error and then does what it does after one. Both need the right to mount.

import ConsentClient
import Foundation
import TestSupport
import Testing

@Suite struct FullDiskTests {
    private static func run(_ path: String, _ arguments: [String]) -> Bool {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: path)
        process.arguments = arguments
        process.standardError = FileHandle.nullDevice
        guard (try? process.run()) != nil else { return false }
        process.waitUntilExit()
        return process.terminationStatus == 0
    }

    /// A file system of its own size, until it is let go.
    private final class SmallDisk {
        let folder: TemporaryFolder
        init?(megabytes: Int) throws {
            folder = try TemporaryFolder()
            guard
                FullDiskTests.run(
                    "/bin/mount", ["-t", "tmpfs", "-o", "size=\(megabytes)m,mode=700", "tmpfs", folder.path])
            else { return nil }
        }
        deinit { _ = FullDiskTests.run("/bin/umount", ["-l", folder.path]) }
    }

    /// ext4 in a file, mounted until it is let go.
    private final class FragileDisk {
        let folder: TemporaryFolder
        private let files: TemporaryFolder
        private var image: String { files.file("image") }

        init?() throws {
            folder = try TemporaryFolder()
            files = try TemporaryFolder()
            #expect(FileManager.default.createFile(atPath: image, contents: nil))
            try FileHandle(forWritingTo: URL(fileURLWithPath: image)).truncate(atOffset: 48 << 20)
            guard FullDiskTests.run("/sbin/mkfs.ext4", ["-q", "-F", image]), mount(), device != nil else {
                return nil
            }
        }
        deinit { _ = FullDiskTests.run("/bin/umount", ["-l", folder.path]) }

        private func mount() -> Bool {
            FullDiskTests.run("/bin/mount", ["-o", "loop,errors=remount-ro", image, folder.path])
                && chmod(folder.path, 0o700) == 0
        }

        /// Where the kernel takes an error for this file system; nil: it takes none.
        private var device: String? {
            let mounts = (try? String(contentsOfFile: "/proc/mounts", encoding: .utf8)) ?? ""
            let line = mounts.split(separator: "\n").first { $0.contains(" \(folder.path) ") }
            guard let name = line?.split(separator: " ").first?.split(separator: "/").last else { return nil }
            let path = "/sys/fs/ext4/\(name)/trigger_fs_error"
            return FileManager.default.isWritableFile(atPath: path) ? path : nil
        }

        /// As after an error of the disk.
        func turnReadOnly() throws {
            let device = try #require(device)
            try Data("a test\n".utf8).write(to: URL(fileURLWithPath: device))
            #expect(!FileManager.default.createFile(atPath: folder.file("new"), contents: nil))
        }

        func repair() -> Bool {
            guard FullDiskTests.run("/bin/umount", [folder.path]) else { return false }
            // Says 1 where it has repaired something.
            _ = FullDiskTests.run("/sbin/e2fsck", ["-f", "-y", image])
            return mount()
        }
    }

    private static let canMount: Bool = ((try? SmallDisk(megabytes: 1)) ?? nil) != nil

    private static let canBreak: Bool = ((try? FragileDisk()) ?? nil) != nil

    @Test(
        .enabled(
            if: canBreak, "mounting ext4 in a file, and telling it of an error, needs root and a loop device")
    )
    func aDiskThatTurnsReadOnlyLosesNothing() async throws {
        let disk = try #require(try FragileDisk())
        let state = disk.folder.file("state")
        var daemon = try DaemonUnderTest(stateFolder: state, ["--init"])
        func connect() async throws -> ConsentClient {
            try await daemon.admin { $0.attemptsMax = 1 }
        }
        var client = try await connect()
        let salon = try await Salon(client)
        let people = (0..<40).map { "disk\($0)@example.fr" }
        for address in people {
            #expect(try await client.grant(salon.grant([address], channels: [.email])).status == .recorded)
        }
        let last = try await client.withdraw(salon.refusal(people[0]))
        #expect(last.status == .recorded)

        try disk.turnReadOnly()
        let refused = ["later0@example.fr", "later1@example.fr"]
        for address in refused {
            await #expect(throws: (any Error).self) {
                try await client.grant(salon.grant([address], channels: [.email]))
            }
        }
        let answers = await client.checkBatch(salon.question(.email), addresses: people + refused)
        #expect(!answers.isAllowed(0), "a withdrawal is forgotten")
        for place in people.count..<answers.count {
            #expect(!answers.isAllowed(place), "a refused grant allows")
        }
        await client.close()
        // It may have ended by itself, with the reason; otherwise it serves and ends now.
        daemon.program.signal(SIGTERM)
        let ended = daemon.program.wait()
        #expect(ended.code == 0 || (ended.code == 70 && ended.errors.contains("stopping")), "\(ended)")

        #expect(disk.repair())
        daemon = try DaemonUnderTest(stateFolder: state)
        client = try await connect()
        #expect(try await client.stats().sequence == last.sequence)
        let now = await client.checkBatch(salon.question(.email), addresses: people + refused)
        for place in 0..<now.count {
            #expect(now.isAllowed(place) == (place > 0 && place < people.count), "person \(place)")
        }
        #expect(try await client.grant(salon.grant([refused[0]], channels: [.email])).status == .recorded)
        await client.close()
        daemon.program.signal(SIGTERM)
        #expect(daemon.program.wait().code == 0)
    }

    @Test(.enabled(if: canMount, "mounting a small file system needs root"))
    func aFullDiskStopsWritesAndNothingElse() async throws {
        let disk = try #require(try SmallDisk(megabytes: 16))
        let state = disk.folder.file("state")
        var daemon = try DaemonUnderTest(stateFolder: state, ["--init"])
        func connect() async throws -> ConsentClient {
            try await daemon.admin { $0.attemptsMax = 1 }
        }
        var client = try await connect()
        let salon = try await Salon(client)

        // A file takes all but a few hundred kilobytes.
        let ballast = disk.folder.file("ballast")
        #expect(FileManager.default.createFile(atPath: ballast, contents: nil))
        let handle = try #require(FileHandle(forWritingAtPath: ballast))
        while true {
            let free =
                try FileManager.default.attributesOfFileSystem(forPath: disk.folder.path)[.systemFreeSize]
                as? Int ?? 0
            if free < 300 << 10 { break }
            try handle.write(contentsOf: Data(count: min(1 << 20, free - (200 << 10))))
        }
        try handle.close()

        var acknowledged: [String] = []
        var refused: [String] = []
        var message = ""
        for number in 0..<20_000 where refused.count < 3 {
            let address = "full\(number)@example.fr"
            do {
                let result = try await client.grant(salon.grant([address], channels: [.email]))
                #expect(result.status == .recorded)
                acknowledged.append(address)
            } catch {
                guard case .rejected(let rejection) = error else { throw error }
                #expect(rejection.status == .unavailable && rejection.notExecuted)
                message = rejection.message
                refused.append(address)
            }
        }
        #expect(refused.count == 3 && message.contains("no space left"), "\(message)")
        #expect(acknowledged.count > 10)
        var withdrawn = Set<String>()
        func checkAll() async throws {
            let answers = await client.checkBatch(salon.question(.email), addresses: acknowledged + refused)
            for (position, address) in acknowledged.enumerated() {
                #expect(answers.isAllowed(position) == !withdrawn.contains(address))
            }
            for position in acknowledged.count..<answers.count { #expect(!answers.isAllowed(position)) }
        }
        try await checkAll()
        // A withdrawal may find room in the write-ahead log, once that was moved to the database. It is
        // recorded or not; either way the answer is the one that its caller heard.
        do {
            let result = try await client.withdraw(salon.refusal(acknowledged[0]))
            #expect(result.status == .recorded)
            withdrawn.insert(acknowledged[0])
        } catch {
            guard case .rejected(let rejection) = error else { throw error }
            #expect(rejection.status == .unavailable && rejection.notExecuted)
        }
        try await checkAll()

        try FileManager.default.removeItem(atPath: ballast)
        let resumed = try await client.grant(salon.grant(["resumed@example.fr"], channels: [.email]))
        #expect(resumed.status == .recorded)
        acknowledged.append("resumed@example.fr")
        let before = try await client.stats()
        #expect(before.sequence == resumed.sequence)
        await client.close()
        // Not even a moment to tidy up.
        daemon.program.signal(SIGKILL)
        _ = daemon.program.wait()
        daemon = try DaemonUnderTest(stateFolder: state)
        client = try await connect()
        #expect(try await client.stats().sequence == before.sequence)
        try await checkAll()
        await client.close()
        daemon.program.signal(SIGTERM)
        #expect(daemon.program.wait().code == 0)
    }
}
