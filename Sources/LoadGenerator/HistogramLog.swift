// The interval log that HdrHistogram's own tools read: a line a second, each with all latencies.
//
//   "Tag=NAME,"   start since the log's start, length, largest value, histogram
//
// A histogram is its counts from 0 up as ZigZag LEB128 numbers of at most nine bytes, where a negative number
// is a run of zeros; before them a header; all of it deflated, with a cookie and a length in front; base64.
// Numbers of a header are big-endian (HdrHistogram, V2 encoding; log format version 1.3).
//
// Invariant: the histogram is in nanoseconds, the numbers beside it in seconds and milliseconds.

import CZlib

/// A histogram as a log holds it.
package struct EncodedHistogram: Hashable, Sendable {
    /// Base64 of the compressed V2 encoding.
    package let text: String
    /// Largest latency in nanoseconds.
    package let nanosecondsMax: UInt64

    private static let cookie: UInt32 = 0x1c84_9313
    private static let compressedCookie: UInt32 = 0x1c84_9314

    /// Encodes a histogram.
    package init(_ histogram: LatencyHistogram) {
        var counts: [UInt8] = []
        var next = 0
        for (index, count) in histogram.counts {
            if index > next { EncodedHistogram.append(-Int64(index - next), to: &counts) }
            EncodedHistogram.append(Int64(clamping: count), to: &counts)
            next = index + 1
        }
        var plain: [UInt8] = []
        EncodedHistogram.append(EncodedHistogram.cookie, to: &plain)
        EncodedHistogram.append(UInt32(counts.count), to: &plain)
        EncodedHistogram.append(UInt32(0), to: &plain)  // normalising offset
        EncodedHistogram.append(UInt32(LatencyHistogram.significantDigits), to: &plain)
        EncodedHistogram.append(UInt64(1), to: &plain)  // lowest value told apart
        EncodedHistogram.append(LatencyHistogram.nanosecondsMax, to: &plain)
        EncodedHistogram.append((1.0).bitPattern, to: &plain)
        plain += counts
        let deflated = EncodedHistogram.deflate(plain)
        var whole: [UInt8] = []
        EncodedHistogram.append(EncodedHistogram.compressedCookie, to: &whole)
        EncodedHistogram.append(UInt32(deflated.count), to: &whole)
        whole += deflated
        text = Base64.text(whole)
        nanosecondsMax = histogram.nanosecondsLargest
    }

    private static func append<Number: FixedWidthInteger>(_ number: Number, to bytes: inout [UInt8]) {
        withUnsafeBytes(of: number.bigEndian) { bytes.append(contentsOf: $0) }
    }

    /// Seven bits a byte, lowest first; the ninth byte takes eight.
    private static func append(_ number: Int64, to bytes: inout [UInt8]) {
        var rest = UInt64(bitPattern: number << 1 ^ number >> 63)
        for _ in 0..<8 {
            if rest < 0x80 {
                bytes.append(UInt8(rest))
                return
            }
            bytes.append(UInt8(rest & 0x7f) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(truncatingIfNeeded: rest))
    }

    private static func deflate(_ bytes: [UInt8]) -> [UInt8] {
        var room = compressBound(uLong(bytes.count))
        let deflated = [UInt8](unsafeUninitializedCapacity: Int(room)) { target, count in
            let code = bytes.withUnsafeBufferPointer { source in
                compress2(target.baseAddress, &room, source.baseAddress, uLong(source.count), 6)
            }
            precondition(code == Z_OK, "zlib has as much room as it asked for")
            count = Int(room)
        }
        return deflated
    }
}

/// Writes interval logs.
package enum HistogramLog {
    /// The log of a run: one line a second, the latencies counted from the intended send time.
    ///
    /// - Parameters:
    ///   - loads: the run's load, and those beside it with a tag each.
    ///   - startedAt: when the measurement began, seconds since the Unix epoch.
    package static func text(
        of loads: [(tag: String?, seconds: [SecondSample])], startedAt: Double
    ) -> String {
        var lines = [
            "#[Logged with consent-load, latencies in nanoseconds]",
            "#[Histogram log format version 1.3]",
            "#[StartTime: \(TextFormat.fixed(startedAt, 3)) (seconds since epoch)]",
            #""StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram""#,
        ]
        let samples = loads.flatMap { load in load.seconds.map { (load.tag, $0) } }
        for (tag, second) in samples.sorted(by: { $0.1.startSeconds < $1.1.startSeconds }) {
            guard let histogram = second.histogram else { continue }
            lines.append(
                (tag.map { "Tag=\($0)," } ?? "") + TextFormat.fixed(second.startSeconds, 3) + ","
                    + TextFormat.fixed(second.seconds, 3) + ","
                    + TextFormat.fixed(Double(histogram.nanosecondsMax) / 1e6, 3) + "," + histogram.text)
        }
        return lines.joined(separator: "\n") + "\n"
    }
}

/// Base64 of RFC 4648.
enum Base64 {
    /// Section 4, with padding.
    static func text(_ bytes: [UInt8]) -> String {
        let digits = digits(of: bytes, alphabet: letters + "+/")
        return String(decoding: digits, as: UTF8.self)
            + String(repeating: "=", count: (4 - digits.count % 4) % 4)
    }

    /// Section 5, for names of things, without padding.
    static func name(_ bytes: [UInt8]) -> [UInt8] { digits(of: bytes, alphabet: letters + "-_") }

    private static let letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

    private static func digits(of bytes: [UInt8], alphabet: String) -> [UInt8] {
        let digits = Array(alphabet.utf8)
        var text: [UInt8] = []
        var bits = 0
        var held = 0
        for byte in bytes {
            held = (held & 63) << 8 | Int(byte)
            bits += 8
            while bits >= 6 {
                bits -= 6
                text.append(digits[held >> bits & 63])
            }
        }
        if bits > 0 { text.append(digits[held << (6 - bits) & 63]) }
        return text
    }
}
