// A server and a client in one process, for an instrument that counts instructions.
//
// Why: instructions a check are the same on a busy machine and on a quiet one, so a change of the hot path
// shows in them where clocks show noise. run.sh runs this under callgrind, which
// counts only while the server's connection handler works; what is asked is a number, so that a longer run
// less a shorter one is the cost of checks alone. The main thread waits by a semaphore: callgrind does not
// outlive `dispatchMain`.

import ConsentClient
import Dispatch
import Foundation
import TestSupport

enum Mode: String, CaseIterable {
    case single, batch, raw
    case rawBatch = "raw-batch"

    /// Checks that are asked at once.
    var perBurst: Int { self == .batch || self == .rawBatch ? 100 : 16 }
}

let words = Array(CommandLine.arguments.dropFirst())
guard words.count == 2, let mode = Mode(rawValue: words[0]), let count = Int(words[1]), count > 0 else {
    let modes = Mode.allCases.map(\.rawValue).joined(separator: "|")
    FileHandle.standardError.write(Data("usage: instruction-count \(modes) CHECKS\n".utf8))
    exit(64)
}
let done = DispatchSemaphore(value: 0)
Task.detached {
    do {
        try await ask(mode, count)
        done.signal()
    } catch {
        FileHandle.standardError.write(Data("error: \(error)\n".utf8))
        exit(70)
    }
}
done.wait()

/// Asks `count` checks about a thousand people, of which half are on file.
func ask(_ mode: Mode, _ count: Int) async throws {
    let server = try await TestServer.start { $0.loops = 1 }
    let client = try await server.admin { $0.coalescesChecks = false }
    let salon = try await Salon(client)
    let addresses = (0..<1_000).map { "customer\($0)@mail.example" }
    for start in stride(from: 0, to: 500, by: 50) {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for address in addresses[start..<start + 50] {
                group.addTask { _ = try await client.grant(salon.grant([address], channels: [.email])) }
            }
            try await group.waitForAll()
        }
    }
    let question = salon.question(.email)
    let keys = try await client.keys(of: addresses, controller: question.controller, kind: .email).keys
        .compactMap { $0 }
    var allowed = 0
    for start in stride(from: 0, to: count, by: mode.perBurst) {
        // Sevens, so that people on file and others take turns without a pattern that repeats soon.
        let places = (start..<min(start + mode.perBurst, count)).map { $0 * 7 % addresses.count }
        switch mode {
        case .batch:
            allowed += await client.checkBatch(question, keys: places.map { keys[$0] }).allowedCount
        case .rawBatch:
            allowed += await client.checkBatch(question, addresses: places.map { addresses[$0] }).allowedCount
        case .single, .raw:
            allowed += await withTaskGroup(of: Bool.self) { group in
                for place in places {
                    let contact = mode == .raw ? Contact.address(addresses[place]) : .key(keys[place])
                    group.addTask { await client.check(question, contact).isAllowed }
                }
                return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
            }
        }
    }
    print("\(count) checks, \(allowed) allowed")
    await client.close()
    await server.server.drain()
}
