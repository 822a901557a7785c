// The fuzzer: libFuzzer's driver over one of the targets.
//
//     FUZZ_TARGET=NAME fuzz [libFuzzer's arguments]
//
// FUZZ_SEEDS=FOLDER writes the target's seeds there and ends. FUZZ_FAULT=1 plants a fault that it must find.
// FUZZ_REPAIR=0 leaves checksums as mutations leave them. FUZZ_EDGES=1 counts the edges of each message type.
// Its last line is `fuzz: NAME runs=N past=N frames=N`.

import CFuzzer
import Foundation
import FuzzTargets
import TestRandomness

/// What one run of the program does and counts. libFuzzer calls from one thread.
struct Session {
    let target: any FuzzTarget.Type
    let hasFault: Bool
    let repairs: Bool
    var edges: EdgesByType?
    var runs = 0
    var past = 0
    var frames = 0

    mutating func run(_ bytes: UnsafeRawBufferPointer) throws(Finding) {
        let input = bytes.bytes
        let outcome = hasFault ? try PlantedFault.run(target, input) : try target.run(input)
        runs += 1
        if outcome.isPast { past += 1 }
        frames += outcome.frameCount
        edges?.count(outcome)
    }
}

let environment = ProcessInfo.processInfo.environment
guard let target = FuzzTargets.named(environment["FUZZ_TARGET"] ?? "") else {
    let names = FuzzTargets.all.map { $0.name }.joined(separator: ", ")
    FileHandle.standardError.write(Data("error: FUZZ_TARGET is one of \(names)\n".utf8))
    exit(64)
}
if let folder = environment["FUZZ_SEEDS"] {
    for (number, seed) in try target.seeds(Samples(root: ".")).enumerated() {
        try Data(seed).write(to: URL(fileURLWithPath: "\(folder)/seed-\(number)"))
    }
    exit(0)
}
nonisolated(unsafe) var session = Session(
    target: target, hasFault: environment["FUZZ_FAULT"] == "1", repairs: environment["FUZZ_REPAIR"] != "0",
    edges: environment["FUZZ_EDGES"] == "1" ? EdgesByType() : nil)

/// One input, by libFuzzer.
@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    do {
        try session.run(UnsafeRawBufferPointer(start: start, count: count))
    } catch {
        // Ends in libFuzzer's own hands, which keeps the input.
        FileHandle.standardError.write(Data("finding: \(error), input \(session.runs)\n".utf8))
        abort()
    }
    return 0
}

/// The next input, made of one: for libFuzzer.
@_cdecl("LLVMFuzzerCustomMutator")
public func mutateInput(
    _ start: UnsafeMutablePointer<UInt8>, _ count: Int, _ countMax: Int, _ seed: CUnsignedInt
) -> Int {
    guard session.repairs else { return LLVMFuzzerMutate(start, count, countMax) }
    var input = Array(UnsafeBufferPointer(start: start, count: count))
    var random = SeededGenerator(seed: UInt64(seed))
    session.target.mutate(&input, byteCountMax: countMax, using: &random) { bytes, byteCountMax in
        let room = max(1, byteCountMax)
        let size = min(bytes.count, room)
        bytes += [UInt8](repeating: 0, count: max(0, room - bytes.count))
        let mutated = bytes.withUnsafeMutableBufferPointer {
            LLVMFuzzerMutate($0.baseAddress, size, room)
        }
        bytes.removeLast(bytes.count - mutated)
    }
    let written = min(input.count, countMax)
    _ = UnsafeMutableBufferPointer(start: start, count: countMax).update(fromContentsOf: input[..<written])
    return written
}

atexit {
    session.edges?.print()
    print("fuzz: \(session.target.name) runs=\(session.runs) past=\(session.past) frames=\(session.frames)")
    fflush(nil)
}
var argumentCount = CommandLine.argc
var arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? = CommandLine.unsafeArgv
exit(LLVMFuzzerRunDriver(&argumentCount, &arguments, testOneInput))
