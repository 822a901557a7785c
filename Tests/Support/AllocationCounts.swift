// The heap allocations of a program of ours, counted from outside by the library of tools/allocation-counter.

import Foundation

/// Counts of one program: preloads the library and reads the file that it maps.
public struct AllocationCounts: Sendable {
    private let path: String

    /// - Parameter path: where the counts go; a file of a test's own.
    public init(path: String) { self.path = path }

    /// What the program has to find in its environment.
    public var environment: [String: String] {
        let library = ProgramUnderTest.folder.appendingPathComponent("libAllocationCounter.so").path
        return ["LD_PRELOAD": library, "ALLOCATION_COUNTS": path]
    }

    /// Calls that allocated since the program started.
    public func calls() throws -> UInt64 {
        let data = try Data(contentsOf: URL(fileURLWithPath: path))
        return data.withUnsafeBytes { UInt64(littleEndian: $0.loadUnaligned(as: UInt64.self)) }
    }
}
