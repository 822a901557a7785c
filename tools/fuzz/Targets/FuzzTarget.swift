// What is fuzzed: five readers of bytes that a peer, a disk or a person may have made.
//
// Why apart from the fuzzers: the same functions run under libFuzzer (tools/fuzz/Package.swift) and, without
// it, over the corpus and the past failures in every run of the tests.
//
// Invariant: whatever the bytes, `run` returns, or throws the property that they broke. A trap in the product
// is found by whoever runs it.

import CPlatform
import TestRandomness

/// A property of the product that an input broke.
package struct Finding: Error, Hashable, Sendable, CustomStringConvertible {
    /// What was expected, and what came instead.
    package let description: String

    init(_ description: String) { self.description = description }
}

/// How far an input came.
package struct Outcome: Hashable, Sendable {
    /// It got past what keeps damage out: all checksums; of formats without any, the reader took it.
    package var isPast = false
    /// Frames whose header had its checksum; 0 of what has no frames.
    package var frameCount = 0
    /// The message type that it was read as, as a place in `Wire.messages`.
    package var messageType: Int?
}

/// libFuzzer's own mutation, or a test's: changes bytes, and leaves so many at most.
package typealias Mutation = (inout [UInt8], _ byteCountMax: Int) -> Void

/// One reader, and how to feed it.
package protocol FuzzTarget: Sendable {
    /// The name by which scripts and folders call it.
    static var name: String { get }

    /// Reads an input, and holds what came of it against its properties.
    static func run(_ input: RawSpan) throws(Finding) -> Outcome

    /// Makes a new input of one, with the checksums that it then needs.
    static func mutate(
        _ input: inout [UInt8], byteCountMax: Int, using random: inout SeededGenerator, _ mutation: Mutation)

    /// Inputs to begin with.
    static func seeds(_ samples: Samples) throws -> [[UInt8]]

    /// Whether an input is one that only a fuzzer finds which gets past all checks: see `PlantedFault`.
    static func isPlanted(_ input: RawSpan, _ outcome: Outcome) -> Bool
}

extension FuzzTarget {
    /// Without checksums there is nothing to repair.
    package static func mutate(
        _ input: inout [UInt8], byteCountMax: Int, using random: inout SeededGenerator, _ mutation: Mutation
    ) {
        mutation(&input, byteCountMax)
    }
}

/// All targets.
package enum FuzzTargets {
    /// In the order in which they are run.
    package static let all: [any FuzzTarget.Type] = [
        FrameTarget.self, MessageTarget.self, SnapshotTarget.self, SchemaTarget.self, SheetTarget.self,
    ]

    /// The target of this name.
    package static func named(_ name: String) -> (any FuzzTarget.Type)? { all.first { $0.name == name } }
}

/// The test of the test: an input that is right, deep inside what its target reads, and called wrong.
///
/// It stands in no code of the product. The fuzzer must find it in seconds, from nothing; where it does not,
/// it would not find a fault of the product either.
package enum PlantedFault {
    /// Runs a target that has the fault.
    package static func run(_ target: any FuzzTarget.Type, _ input: RawSpan) throws(Finding) -> Outcome {
        let outcome = try target.run(input)
        if target.isPlanted(input, outcome) { throw Finding("the planted fault of \(target.name)") }
        return outcome
    }
}

extension RawSpan {
    /// A copy of all bytes.
    var array: [UInt8] { withUnsafeBytes { Array($0) } }
}

/// CRC32C of bytes.
func checksum(_ bytes: some Sequence<UInt8>) -> UInt32 {
    Array(bytes).withUnsafeBytes { consent_crc32c(0, $0.baseAddress, $0.count) }
}

extension [UInt8] {
    /// An integer, little-endian; 0 where it does not fit.
    func number<T: FixedWidthInteger & BitwiseCopyable>(_: T.Type = T.self, at offset: Int) -> T {
        guard offset >= 0, offset <= count - MemoryLayout<T>.size else { return 0 }
        return withUnsafeBytes {
            T(littleEndian: $0.loadUnaligned(fromByteOffset: offset, as: T.self))
        }
    }

    /// Overwrites an integer, little-endian, where it fits.
    mutating func store<T: FixedWidthInteger & BitwiseCopyable>(_ value: T, at offset: Int) {
        guard offset >= 0, offset <= count - MemoryLayout<T>.size else { return }
        withUnsafeMutableBytes { $0.storeBytes(of: value.littleEndian, toByteOffset: offset, as: T.self) }
    }
}
