// How much a client may use a second.
//
// A bucket is filled at a fixed rate up to what one second brings. Whoever finds it above zero is let through
// and may take more than there is: the debt keeps the next ones out. So a large batch is never refused for
// its size, and the rate holds over time.

import CPlatform
import Synchronization
import WireProtocol

/// A token bucket that allows debt.
final class TokenBucket: Sendable {
    private struct Level {
        var tokens: Double
        var at: UInt64
    }

    private let perSecond: Double
    private let level: Mutex<Level>

    /// - Parameter perSecond: tokens that come in each second, and that the bucket holds at most.
    init(perSecond: Double) {
        self.perSecond = perSecond
        level = Mutex(Level(tokens: perSecond, at: consent_monotonic_nanoseconds()))
    }

    /// Takes tokens, where there is no debt.
    /// - Returns: nil, or microseconds until the debt is paid off.
    func take(_ count: Int, now: UInt64 = consent_monotonic_nanoseconds()) -> Int64? {
        level.withLock { level in
            fill(&level, now)
            guard level.tokens > 0 else { return wait(level) }
            level.tokens -= Double(count)
            return nil
        }
    }

    /// Takes tokens for what was done already.
    func charge(_ count: Int, now: UInt64 = consent_monotonic_nanoseconds()) {
        guard count > 0 else { return }
        level.withLock { level in
            fill(&level, now)
            level.tokens -= Double(count)
        }
    }

    private func fill(_ level: inout Level, _ now: UInt64) {
        let passed = now > level.at ? Double(now - level.at) / 1e9 : 0
        level.tokens = min(perSecond, level.tokens + passed * perSecond)
        level.at = max(level.at, now)
    }

    private func wait(_ level: Level) -> Int64 {
        Int64(min(1 - level.tokens, 3_600 * perSecond) / perSecond * 1e6) + 1
    }
}

extension Connection {
    /// Takes checks of a client that has quotas; where there are none left the call is answered, and false
    /// returned. What is not known before the answer, misses, is charged by `chargeMisses`.
    func admitChecks(_ count: Int, _ header: FrameHeader) -> Bool {
        if let wait = access.client.checks?.take(count) { return turnAway(header, "quota_checks", wait) }
        if let wait = access.client.misses?.take(0) { return turnAway(header, "quota_misses", wait) }
        return true
    }

    /// Takes writes of a client that has a quota for them.
    func admitWrites(_ count: Int, _ header: FrameHeader) -> Bool {
        if let wait = access.client.writes?.take(count) { return turnAway(header, "quota_writes", wait) }
        return true
    }

    /// Takes misses for answers about contact points of which nothing is on file.
    func chargeMisses(_ count: Int) { access.client.misses?.charge(count) }

    private func turnAway(_ header: FrameHeader, _ quota: String, _ wait: Int64) -> Bool {
        AuditEntry.refused(self, header, because: quota)
        reject(
            header.stream, .resourceExhausted,
            "client \(access.clientName) has used up its \(quota): ask more slowly",
            notExecuted: true, retryAfterMicroseconds: wait)
        if state.isOpen(header.stream) { endCall(header.stream) }
        return false
    }
}
