// Goal: the sanitizers see what they are run for: a test of that test.
// Method: a data race and a read past the end, planted here and nowhere else. tools/scripts/sanitizer.sh runs
// them first, through the same build and options as the suites, and wants a report. Without
// CONSENTD_SANITIZER_FAULT there is neither.

import Foundation
import Synchronization
import Testing

private let fault = ProcessInfo.processInfo.environment["CONSENTD_SANITIZER_FAULT"]

@Suite struct SanitizerTests {
    /// A number that nobody owns, and how many threads are about to write it.
    private final class Shared: @unchecked Sendable {
        let number = UnsafeMutablePointer<Int>.allocate(capacity: 1)
        let writers = Atomic<Int>(0)
    }

    /// Each thread waits for the other before it writes. Relaxed, so that nothing but time orders them.
    @Test(.enabled(if: fault == "thread")) func twoThreadsWriteOneNumber() {
        let shared = Shared()
        let ended = DispatchSemaphore(value: 0)
        shared.number.initialize(to: 0)
        for _ in 0..<2 {
            Thread {
                shared.writers.wrappingAdd(1, ordering: .relaxed)
                while shared.writers.load(ordering: .relaxed) < 2 {}
                shared.number.pointee += 1
                ended.signal()
            }.start()
        }
        for _ in 0..<2 { ended.wait() }
        #expect(1...2 ~= shared.number.pointee)
        shared.number.deallocate()
    }

    /// How far is known to nobody before it runs.
    @Test(.enabled(if: fault == "address")) func oneBytePastTheEndIsRead() {
        let bytes = UnsafeMutablePointer<UInt8>.allocate(capacity: 16)
        bytes.initialize(repeating: 1, count: 16)
        let place = Atomic<Int>(16).load(ordering: .relaxed)
        #expect(bytes[place] != 1)
        bytes.deallocate()
    }
}
