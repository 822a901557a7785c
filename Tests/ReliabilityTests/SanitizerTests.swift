// Goal: the thread sanitizer sees what it is run for: a test of that test.
// Method: a data race, planted here and nowhere else. tools/scripts/thread-sanitizer.sh runs it first,
// through the same build and options as the suites, and wants a report of it. Without
// CONSENTD_SANITIZER_FAULT=thread there is none.

import Foundation
import Synchronization
import Testing

private let isRacing = ProcessInfo.processInfo.environment["CONSENTD_SANITIZER_FAULT"] == "thread"

@Suite struct SanitizerTests {
    /// A number that nobody owns, and how many threads are about to write it.
    private final class Shared: @unchecked Sendable {
        let number = UnsafeMutablePointer<Int>.allocate(capacity: 1)
        let writers = Atomic<Int>(0)
    }

    /// Each thread waits for the other before it writes. Relaxed, so that nothing but time orders them.
    @Test(.enabled(if: isRacing)) func twoThreadsWriteOneNumber() {
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
}
