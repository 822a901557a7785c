// Goal: the interval log is what HdrHistogram's tools read, and holds every latency.
//
// Method: the log is decoded here, from its published format: base64, cookie, zlib, header, ZigZag LEB128.
// Expected counts come from the latencies themselves.

import CZlib
import Foundation
import LoadGenerator
import Testing

@Suite struct HistogramLogTests {
    struct Decoded {
        var counts: [Int: Int64] = [:]
        var digits: UInt32 = 0
        var lowest: UInt64 = 0
        var highest: UInt64 = 0

        /// Smallest value of a place.
        static func value(at index: Int) -> UInt64 {
            if index < 2_048 { return UInt64(index) }
            let power = index / 1_024 - 1
            return UInt64(index % 1_024 + 1_024) << UInt64(power)
        }
    }

    struct Broken: Error {}

    static func number<T: FixedWidthInteger>(_ bytes: ArraySlice<UInt8>) -> T {
        bytes.reduce(0) { $0 << 8 | T($1) }
    }

    static func decode(_ text: String) throws -> Decoded {
        let whole = [UInt8](try #require(Data(base64Encoded: text)))
        #expect(number(whole[0..<4]) as UInt32 == 0x1c84_9314)
        let length: UInt32 = number(whole[4..<8])
        #expect(Int(length) == whole.count - 8)
        var plain = [UInt8](repeating: 0, count: 1 << 20)
        var plainCount = uLongf(plain.count)
        let code = uncompress(&plain, &plainCount, Array(whole[8...]), uLong(length))
        try #require(code == Z_OK)
        plain.removeLast(plain.count - Int(plainCount))
        #expect(number(plain[0..<4]) as UInt32 == 0x1c84_9313)
        let payload: UInt32 = number(plain[4..<8])
        #expect(Int(payload) == plain.count - 40 && number(plain[8..<12]) as UInt32 == 0)
        var decoded = Decoded()
        decoded.digits = number(plain[12..<16])
        decoded.lowest = number(plain[16..<24])
        decoded.highest = number(plain[24..<32])
        #expect(Double(bitPattern: number(plain[32..<40])) == 1)
        var place = 40
        var index = 0
        while place < plain.count {
            var bits: UInt64 = 0
            for group in 0..<9 {
                guard place < plain.count else { throw Broken() }
                let byte = plain[place]
                place += 1
                bits |= UInt64(group == 8 ? byte : byte & 0x7f) << UInt64(7 * group)
                if group < 8 && byte & 0x80 == 0 { break }
            }
            let count = Int64(bits >> 1) ^ -Int64(bits & 1)
            if count < 0 {
                index -= Int(count)
            } else {
                decoded.counts[index] = count
                index += 1
            }
        }
        return decoded
    }

    @Test(arguments: [1 as UInt64, 2, 3]) func everyLatencyIsThere(_ seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        var histogram = LatencyHistogram()
        var latencies: [UInt64] = [0, 1, 2_047, 2_048, 2_049, 4_095, 4_096, LatencyHistogram.nanosecondsMax]
        for _ in 0..<20_000 {
            latencies.append(Mix64.bounded(generator.next(), 1 << UInt64(8 + generator.below(30))))
        }
        for latency in latencies { histogram.record(nanoseconds: latency) }
        let decoded = try Self.decode(EncodedHistogram(histogram).text)
        #expect(decoded.digits == 3 && decoded.lowest == 1)
        #expect(decoded.highest == LatencyHistogram.nanosecondsMax)
        #expect(decoded.counts.values.reduce(0, +) == Int64(latencies.count))
        var expected: [Int: Int64] = [:]
        let starts = (0..<40_000).map(Decoded.value(at:))
        for latency in latencies {
            // The place whose values begin at or below the latency, found without arithmetic.
            let place = starts.partitioningIndex { $0 > latency } - 1
            expected[place, default: 0] += 1
        }
        #expect(decoded.counts == expected, "seed \(seed)")
    }

    @Test func anEmptyHistogramIsOne() throws {
        #expect(try Self.decode(EncodedHistogram(LatencyHistogram()).text).counts.isEmpty)
    }

    @Test func linesHaveTheirColumns() throws {
        var interval = IntervalStatistics()
        interval.latency.record(nanoseconds: 2_500_000)
        func second(_ start: Double) -> SecondSample {
            SecondSample(startSeconds: start, seconds: 1.001, interval: interval, keepsHistogram: true)
        }
        let log = HistogramLog.text(
            of: [(nil, [second(0), second(1.001)]), ("writes", [second(0.5)])], startedAt: 1_700_000_000.25)
        let lines = log.split(separator: "\n").map(String.init)
        #expect(lines[1] == "#[Histogram log format version 1.3]")
        #expect(lines[2] == "#[StartTime: 1700000000.250 (seconds since epoch)]")
        #expect(lines.count == 7)
        #expect(lines[4].hasPrefix("0.000,1.001,2.50") && lines[5].hasPrefix("Tag=writes,0.500,1.001,"))
        for line in lines[4...] {
            let text = try #require(line.split(separator: ",").last)
            let decoded = try Self.decode(String(text))
            #expect(text.hasPrefix("HISTF") && decoded.counts.values.reduce(0, +) == 1)
        }
    }
}

extension Collection where Element == UInt64 {
    /// The first place whose element satisfies a condition that, once true, stays true.
    fileprivate func partitioningIndex(_ isTrue: (UInt64) -> Bool) -> Int {
        var low = 0
        var high = count
        while low < high {
            let middle = (low + high) / 2
            if isTrue(self[index(startIndex, offsetBy: middle)]) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
