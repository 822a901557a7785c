// Reproducible random numbers: everything that a run chooses follows from its seed.
//
// `Mix64` is a function (the same inputs give the same bits, in any order), which is what lets the
// population be computed for one recipient alone; `SeededGenerator` is a sequence. Neither is for secrets.

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Mixes integers into 64 well spread bits.
package enum Mix64 {
    /// A bijection of 64-bit words in which each input bit changes about half of the output bits.
    @inline(__always)
    package static func mix(_ word: UInt64) -> UInt64 {
        var z = word
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }

    /// Bits that depend on all three words; `purpose` keeps different uses of one number apart.
    @inline(__always)
    package static func hash(_ seed: UInt64, _ purpose: UInt64, _ number: UInt64) -> UInt64 {
        mix(mix(mix(seed &+ 0x9e37_79b9_7f4a_7c15) ^ purpose &* 0xd1b5_4a32_d192_ed03) ^ number)
    }

    /// A number in `0..<bound` out of 64 random bits, without the bias of a remainder.
    @inline(__always)
    package static func bounded(_ bits: UInt64, _ bound: UInt64) -> UInt64 {
        bits.multipliedFullWidth(by: bound).high
    }

    /// A number in `0..<1` out of 64 random bits, with 53 bits of resolution.
    @inline(__always)
    package static func unit(_ bits: UInt64) -> Double {
        Double(bits >> 11) * 0x1p-53
    }
}

/// A sequence of random words that follows from its seed.
package struct SeededGenerator: RandomNumberGenerator, Sendable {
    private var state: UInt64

    /// - Parameters:
    ///   - seed: the run's seed.
    ///   - stream: keeps the sequences of threads and uses apart.
    package init(seed: UInt64, stream: UInt64 = 0) {
        state = Mix64.hash(seed, 0x6765_6e65_7261_746f, stream)
    }

    package mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        return Mix64.mix(state)
    }

    /// A number in `0..<bound`.
    package mutating func below(_ bound: Int) -> Int {
        Int(Mix64.bounded(next(), UInt64(bound)))
    }

    /// A number in `0..<1`.
    package mutating func unit() -> Double { Mix64.unit(next()) }
}

/// Chooses ranks 0, 1, 2 … of which rank r is as likely as 1 / (r + 1)^exponent.
///
/// Method: rejection against the integral of the density, which needs a constant time a sample whatever the
/// number of ranks (W. Hörmann and G. Derflinger, "Rejection-inversion to generate variates from monotone
/// discrete distributions", 1996).
package struct ZipfSampler: Sendable {
    /// Number of ranks.
    package let count: Int
    private let exponent: Double
    private let lowest: Double
    private let highest: Double

    /// - Parameters:
    ///   - count: number of ranks, at least 1.
    ///   - exponent: greater than 0; about 1 is usual for people and keys.
    package init(count: Int, exponent: Double) {
        precondition(count > 0 && exponent > 0, "a Zipf distribution needs ranks and a positive exponent")
        self.count = count
        self.exponent = exponent
        lowest = ZipfSampler.integral(1.5, exponent) - 1
        highest = ZipfSampler.integral(Double(count) + 0.5, exponent)
    }

    /// A rank in `0..<count`.
    package func next(_ generator: inout SeededGenerator) -> Int {
        while true {
            let area = highest + generator.unit() * (lowest - highest)
            let x = ZipfSampler.inverse(area, exponent)
            let rank = min(max(x.rounded(), 1), Double(count))
            if area >= ZipfSampler.integral(rank + 0.5, exponent) - pow(rank, -exponent) {
                return Int(rank) - 1
            }
        }
    }

    /// Integral of x^-exponent, from 1; the logarithm where the exponent is 1.
    private static func integral(_ x: Double, _ exponent: Double) -> Double {
        let power = 1 - exponent
        return abs(power) < 1e-9 ? log(x) : (pow(x, power) - 1) / power
    }

    /// The x whose integral is `area`.
    private static func inverse(_ area: Double, _ exponent: Double) -> Double {
        let power = 1 - exponent
        return abs(power) < 1e-9 ? exp(area) : pow(max(1 + area * power, .leastNonzeroMagnitude), 1 / power)
    }
}

/// Spreads ranks over a pool, so that neighbours in rank are not neighbours in the population.
package enum Scramble {
    /// A bijection of `0..<count`; `count` is below the prime that it multiplies with.
    package static func place(_ rank: Int, in count: Int, seed: UInt64) -> Int {
        let prime: UInt64 = 2_654_435_761
        precondition(count > 0 && UInt64(count) < prime && rank >= 0 && rank < count, "rank outside the pool")
        let shift = Mix64.hash(seed, 0x7363_7261, 0) % UInt64(count)
        return Int((UInt64(rank) * prime + shift) % UInt64(count))
    }
}
