// What goes into the index and what it tells of itself: configuration, a single question, statistics, errors.

import ConsentDomain

/// Sizes of an index. The defaults suit a production server.
public struct IndexConfiguration: Hashable, Sendable {
    /// Recipients that fit before the first growth.
    public var initialCapacity: Int
    /// Recipients for which addresses are reserved. Costs address range, no memory; never exceeded.
    public var maxCapacity: Int
    /// Most distinct profiles; contacts with further ones keep theirs in the exact overflow table.
    public var profileLimit: Int
    /// Whether to ask the system for huge pages.
    public var hugePages: Bool

    /// The largest `profileLimit`: 24 bits of reference, without the values for nothing and for overflow.
    public static let profileLimitMax = 1 << 24 - 2

    /// A configuration; each value is described at its property.
    public init(
        initialCapacity: Int = 65_536, maxCapacity: Int = 1 << 28,
        profileLimit: Int = IndexConfiguration.profileLimitMax, hugePages: Bool = true
    ) {
        self.initialCapacity = initialCapacity
        self.maxCapacity = maxCapacity
        self.profileLimit = profileLimit
        self.hugePages = hugePages
    }
}

/// One question about one contact point, where questions that arrive together differ in channel or purpose.
public struct SlotQuery: Hashable, Sendable, BitwiseCopyable {
    /// The key with the controller's constant already mixed in.
    public var key: SlotKey
    /// Raw value of the channel, 1…8.
    public var channel: UInt8
    /// Raw value of the purpose, 1…63.
    public var purpose: UInt8
    /// The purpose is of class service.
    public var isService: Bool

    /// A question; each value is described at its property.
    public init(key: SlotKey, channel: UInt8, purpose: UInt8, isService: Bool) {
        self.key = key
        self.channel = channel
        self.purpose = purpose
        self.isService = isService
    }
}

/// What an index holds and what it costs. Counts are exact when the writer rests, else a moment old.
public struct IndexStatistics: Hashable, Sendable {
    /// Contact points of all controllers.
    public var recipients = 0
    /// Distinct profiles in use.
    public var profiles = 0
    /// Contact points whose profile is in the overflow table.
    public var overflowEntries = 0
    /// Slots, used and free.
    public var slots = 0
    /// Bytes made usable, whether or not they were ever touched.
    public var mappedBytes = 0
    /// Bytes really in memory; equal to `mappedBytes` where the system does not tell.
    public var touchedBytes = 0
    /// Bytes of these that the system really granted as huge pages.
    public var hugePageBytes = 0
    /// Longest distance, in lines of four slots, of a contact point from its home line.
    public var displacementMax = 0
    /// Recipients per slot, 0…1.
    public var load: Double { slots == 0 ? 0 : Double(recipients) / Double(slots) }
}

/// Why the index could not take a contact point, or could not start.
public enum IndexError: Error, Hashable, Sendable, CustomStringConvertible {
    /// No free slot near the key's home, and no growth possible.
    case full(recipients: Int, maxCapacity: Int)
    /// The system refused memory or address range.
    case memoryRefused(byteCount: Int)

    /// What is the matter, with the numbers, and the remedy.
    public var description: String {
        switch self {
        case .full(let recipients, let maxCapacity):
            "the index is full at \(recipients) recipients: raise its capacity, now \(maxCapacity)"
        case .memoryRefused(let byteCount):
            "the system refused \(byteCount) bytes for the index: free memory, or lower its capacity"
        }
    }
}
