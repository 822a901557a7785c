// How much of the program the inputs of each message type reach: of a corpus that is only replayed, so that a
// type which the fuzzer has not got into shows.

import CFuzzer
import FuzzTargets
import WireProtocol

/// Edges and inputs by message type.
struct EdgesByType {
    private struct Row {
        var seen: [UInt8]
        var inputs = 0
        var taken = 0
    }

    private var rows = Wire.messages.map { _ in
        Row(seen: [UInt8](repeating: 0, count: consent_fuzz_edge_count()))
    }

    /// Takes up what the input that has just run has reached.
    mutating func count(_ outcome: Outcome) {
        guard let type = outcome.messageType else { return }
        rows[type].inputs += 1
        if outcome.isPast { rows[type].taken += 1 }
        rows[type].seen.withUnsafeMutableBufferPointer { seen in
            if let start = seen.baseAddress { consent_fuzz_mark_edges(start) }
        }
    }

    /// One line a type: edges, inputs, and how many of them decode.
    func print() {
        for (type, row) in zip(Wire.messages, rows) {
            let edges = row.seen.count { $0 != 0 }
            Swift.print("edges: \(type.schemaName) \(edges) inputs=\(row.inputs) taken=\(row.taken)")
        }
    }
}
