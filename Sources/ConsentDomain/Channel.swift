// Channels, the kind of contact point that each takes, and sets of both.

/// What a message is sent through.
public enum Channel: UInt8, CaseIterable, Hashable, Comparable, Sendable {
    case email = 1
    case sms = 2
    case phone = 3
    case push = 4
    case post = 5
    case whatsapp = 6

    /// The kind of contact point that this channel takes.
    public var contactKind: ContactKind {
        switch self {
        case .email: .email
        case .sms, .phone, .whatsapp: .phone
        case .push, .post: .opaque
        }
    }

    /// By number.
    public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
}

/// What kind of contact point an address is.
public enum ContactKind: UInt8, CaseIterable, Hashable, Sendable {
    case email = 1
    case phone = 2
    case opaque = 3

    /// The channels that take this kind.
    public var channels: ChannelSet {
        switch self {
        case .email: Self.emailChannels
        case .phone: Self.phoneChannels
        case .opaque: Self.opaqueChannels
        }
    }

    private static let emailChannels = channels(of: .email)
    private static let phoneChannels = channels(of: .phone)
    private static let opaqueChannels = channels(of: .opaque)

    private static func channels(of kind: ContactKind) -> ChannelSet {
        ChannelSet(Channel.allCases.filter { $0.contactKind == kind })
    }
}

/// Channels as bits: bit n is channel n. Bit 0 means all, those added later included.
public struct ChannelSet: OptionSet, Hashable, Sendable {
    /// The number or bits.
    public let rawValue: UInt16
    /// Wraps the number or bits.
    public init(rawValue: UInt16) { self.rawValue = rawValue }
    /// One channel.
    public init(_ channel: Channel) { rawValue = 1 << UInt16(channel.rawValue) }
    /// The channels of a list.
    public init(_ channels: some Sequence<Channel>) {
        rawValue = channels.reduce(0) { $0 | 1 << UInt16($1.rawValue) }
    }
    /// All channels, those added later included.
    public static let all = ChannelSet(rawValue: 1)
    /// Every channel that there is, by name.
    public static let known = ChannelSet(Channel.allCases)
    /// Whether bit 0 is set.
    public var isAll: Bool { rawValue & 1 != 0 }
    /// Whether the channel is named, or all are.
    public func covers(_ channel: Channel) -> Bool { rawValue & (1 | 1 << UInt16(channel.rawValue)) != 0 }
    /// The channels named one by one, ascending.
    public var named: [Channel] {
        var list: [Channel] = []
        list.reserveCapacity(rawValue.nonzeroBitCount)
        forEachNamed { list.append($0) }
        return list
    }
    /// Whether no channel is named.
    public var namesNone: Bool { rawValue & Self.known.rawValue == 0 }
    /// Gives the channels named one by one, ascending.
    public func forEachNamed(_ body: (Channel) -> Void) {
        var rest = rawValue & ~1
        while rest != 0 {
            if let channel = Channel(rawValue: UInt8(rest.trailingZeroBitCount)) { body(channel) }
            rest &= rest - 1
        }
    }
}

/// Purposes as bits: bit n is purpose n. Bit 0 means all, those added later included.
public struct PurposeSet: OptionSet, Hashable, Sendable {
    /// The number or bits.
    public let rawValue: UInt64
    /// Wraps the number or bits.
    public init(rawValue: UInt64) { self.rawValue = rawValue }
    /// One purpose.
    public init(_ purpose: PurposeID) { rawValue = 1 << UInt64(purpose.rawValue) }
    /// The purposes of a list.
    public init(_ purposes: some Sequence<PurposeID>) {
        rawValue = purposes.reduce(0) { $0 | 1 << UInt64($1.rawValue) }
    }
    /// All purposes, those added later included.
    public static let all = PurposeSet(rawValue: 1)
    /// Whether bit 0 is set.
    public var isAll: Bool { rawValue & 1 != 0 }
    /// Whether the purpose is named, or all are.
    public func covers(_ purpose: PurposeID) -> Bool { rawValue & (1 | 1 << UInt64(purpose.rawValue)) != 0 }
    /// The purposes named one by one, ascending.
    public var named: [PurposeID] {
        var list: [PurposeID] = []
        list.reserveCapacity(rawValue.nonzeroBitCount)
        forEachNamed { list.append($0) }
        return list
    }
    /// Whether no purpose is named.
    public var namesNone: Bool { rawValue & ~1 == 0 }
    /// Gives the purposes named one by one, ascending.
    public func forEachNamed(_ body: (PurposeID) -> Void) {
        var rest = rawValue & ~1
        while let id = PurposeID(rawValue: UInt8(truncatingIfNeeded: rest.trailingZeroBitCount & 63)) {
            body(id)
            rest &= rest - 1
        }
    }
}
