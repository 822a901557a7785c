// Goal: arrivals, choices and pacing follow their distributions and their seeds.
//
// Method: moments of large samples against theory, with tolerances far wider than chance; exact tables for
// rules.

import LoadGenerator
import Testing

@Suite struct RandomnessTests {
    static func dueTimes(
        _ pattern: ArrivalPattern, rate: Double, count: Int, thread: Int = 0, threads: Int = 1,
        seed: UInt64 = 1
    ) -> [UInt64] {
        var arrivals = Arrivals(rate: rate, pattern: pattern, thread: thread, threads: threads, seed: seed)
        return (0..<count).map { _ in arrivals.next() }
    }

    @Test func poissonGapsAreExponential() {
        // An exponential gap has mean m and variance m².
        let times = Self.dueTimes(.poisson, rate: 20_000, count: 200_000)
        let gaps = zip(times.dropFirst(), times).map { Double($0 - $1) }
        let mean = gaps.reduce(0, +) / Double(gaps.count)
        let variance = gaps.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(gaps.count)
        #expect(abs(mean / 50_000 - 1) < 0.02, "mean \(mean)")
        #expect(abs(variance / (50_000 * 50_000) - 1) < 0.05, "variance \(variance)")
        #expect(times == Self.dueTimes(.poisson, rate: 20_000, count: 200_000), "same seed, same schedule")
        #expect(times != Self.dueTimes(.poisson, rate: 20_000, count: 200_000, seed: 2))
    }

    @Test func poissonCountsHaveEqualMeanAndVariance() {
        // The number of arrivals in windows of equal length is Poisson: variance equals mean.
        let times = Self.dueTimes(.poisson, rate: 1_000_000, count: 400_000, seed: 9)
        var counts = [Double](repeating: 0, count: Int((times.last ?? 0) / 10_000))
        for time in times where Int(time / 10_000) < counts.count { counts[Int(time / 10_000)] += 1 }
        let mean = counts.reduce(0, +) / Double(counts.count)
        let variance = counts.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(counts.count)
        #expect(abs(mean - 10) < 0.2 && abs(variance / mean - 1) < 0.05, "mean \(mean), variance \(variance)")
    }

    @Test func fixedArrivalsDoNotDrift() {
        // 3 requests in 1 ms are 333,333.3… ns apart: after three million of them the clock must be right.
        let times = Self.dueTimes(.fixed, rate: 3_000, count: 3_000_001)
        #expect(times.last == 1_000_000_000_000)
    }

    @Test(arguments: ArrivalPattern.allCases) func threadsShareTheRate(_ pattern: ArrivalPattern) {
        let threads = 4
        let merged = (0..<threads).flatMap { thread in
            Self.dueTimes(pattern, rate: 10_000, count: 10_000, thread: thread, threads: threads)
        }
        let second = merged.count { $0 < 1_000_000_000 }
        #expect(abs(second - 10_000) < 500, "\(second) requests in the first second")
        if pattern == .fixed {
            #expect(merged.sorted() == Self.dueTimes(.fixed, rate: 10_000, count: 40_000))
        }
    }

    @Test func pacingRules() {
        let slack = Pacing.timerSlack
        let rows: [(due: UInt64, now: UInt64, expected: Pacing)] = [
            (100, 100, .due), (100, 5_000, .due), (101, 100, .spin), (100 + 2 * slack, 100, .spin),
            (101 + 2 * slack, 100, .rest(nanoseconds: slack + 1)),
            (1_000_000_000, 0, .rest(nanoseconds: 1_000_000_000 - slack)),
        ]
        for row in rows { #expect(Pacing(due: row.due, now: row.now) == row.expected, "\(row)") }
    }

    @Test(arguments: [0.5, 0.99, 1.0, 1.5]) func zipfFrequencies(_ exponent: Double) {
        let (ranks, samples) = (50, 200_000)
        let sampler = ZipfSampler(count: ranks, exponent: exponent)
        var generator = SeededGenerator(seed: 3)
        var counts = [Int](repeating: 0, count: ranks)
        for _ in 0..<samples { counts[sampler.next(&generator)] += 1 }
        let weights = (1...ranks).map { 1 / power(Double($0), exponent) }
        let whole = weights.reduce(0, +)
        for rank in 0..<ranks {
            let expected = weights[rank] / whole * Double(samples)
            // Six standard deviations of a binomial count.
            let tolerance = 6 * expected.squareRoot() + 1
            #expect(abs(Double(counts[rank]) - expected) < tolerance, "rank \(rank) of exponent \(exponent)")
        }
    }

    /// x^e for the exponents above, without a mathematics library: halves and hundredths by square roots
    /// and logs would hide mistakes that they share, so a product of roots is used.
    private func power(_ x: Double, _ exponent: Double) -> Double {
        switch exponent {
        case 0.5: x.squareRoot()
        case 1.5: x * x.squareRoot()
        case 1.0: x
        default: x / hundredthRoot(x)
        }
    }

    /// The 100th root by bisection.
    private func hundredthRoot(_ x: Double) -> Double {
        var (low, high) = (0.0, max(x, 1))
        for _ in 0..<200 {
            let middle = (low + high) / 2
            var product = 1.0
            for _ in 0..<100 { product *= middle }
            if product < x { low = middle } else { high = middle }
        }
        return low
    }

    @Test func scrambleIsABijection() {
        var generator = SeededGenerator(seed: 5)
        for count in [1, 2, 3, 1_000] + (0..<20).map({ _ in 1 + generator.below(5_000) }) {
            let places = Set((0..<count).map { Scramble.place($0, in: count, seed: 11) })
            #expect(places == Set(0..<count), "\(count) places")
        }
    }

    @Test(arguments: [
        ("10s", 10_000_000_000 as UInt64?), ("500ms", 500_000_000), ("2m", 120_000_000_000),
        ("1.5s", 1_500_000_000),
        ("7h", 25_200_000_000_000), ("30d", 2_592_000_000_000_000), ("250us", 250_000), ("10", nil),
        ("s", nil),
        ("-1s", nil), ("1e9s", nil), ("999999d", nil), ("1 s", nil), ("", nil),
    ])
    func durations(_ row: (text: String, nanoseconds: UInt64?)) {
        #expect(DurationText.nanoseconds(row.text) == row.nanoseconds)
    }
}
