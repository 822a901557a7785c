// What can be wrong with bytes from a peer. Each case carries the numbers that explain it.

/// A peer's mistake in the body of one message: an error of that stream alone.
public enum WireError: Error, Hashable, Sendable {
    /// Fewer bytes than the layout needs.
    case truncated(needed: Int, actual: Int)
    /// More bytes than the message has.
    case trailing(expected: Int, actual: Int)
    /// A byte that must be zero is not.
    case reservedNotZero(offset: Int)
    /// A field tag whose size class does not exist, or is not that of the field.
    case badFieldClass(id: Int, sizeClass: Int)
    /// Field ids that do not ascend.
    case fieldOrder(id: Int)
    /// A bool that is neither 0 nor 1.
    case badBool(UInt8)
    /// Text that is not UTF-8.
    case badText
    /// A list that states more elements than its bytes can hold.
    case badCount(count: Int, limit: Int)
    /// Offsets that do not ascend, or do not end at the column's end.
    case badOffsets(index: Int)
    /// A number over its limit.
    case overLimit(name: String, value: Int, limit: Int)
    /// The body's checksum is not that of its bytes.
    case bodyChecksum
    /// A compressed body that does not inflate, or inflates to more than the limit.
    case badCompression
}

extension WireError: CustomStringConvertible {
    /// A sentence for people.
    public var description: String {
        switch self {
        case .truncated(let needed, let actual): "body too short: \(needed) bytes needed, \(actual) there"
        case .trailing(let expected, let actual): "body too long: \(expected) bytes expected, \(actual) there"
        case .reservedNotZero(let offset): "reserved byte at offset \(offset) is not zero"
        case .badFieldClass(let id, let sizeClass):
            "field \(id) has size class \(sizeClass), which is not its own"
        case .fieldOrder(let id): "field \(id) does not come after the field before it"
        case .badBool(let value): "a bool must be 0 or 1, not \(value)"
        case .badText: "a text field is not UTF-8"
        case .badCount(let count, let limit): "a list states \(count) elements where at most \(limit) fit"
        case .badOffsets(let index): "offset \(index) of a column does not ascend or ends outside it"
        case .overLimit(let name, let value, let limit): "\(name) is \(value), the limit is \(limit)"
        case .bodyChecksum: "the body's checksum does not match its bytes"
        case .badCompression: "the compressed body does not inflate within the limit"
        }
    }
}
