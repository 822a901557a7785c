// Where wire numbers meet domain values.
//
// Numbers without a name are kept by the wire types; a domain value exists only for those this program knows,
// so every initialiser here may return nil and each caller decides what an unknown number means (never
// "allowed"). The two sides use the same numbers: ConsentWireTests compares them case by case.

import ConsentDomain
import WireProtocol

extension Channel {
    /// Returns nil for `all` and for numbers without a name.
    @inlinable
    public init?(_ wire: Wire.Channel) { self.init(rawValue: wire.rawValue) }
}

extension Wire.Channel {
    /// The same number: every domain channel has a name on the wire.
    public init(_ channel: Channel) { self.init(rawValue: channel.rawValue) }
}

extension ContactKind {
    /// Returns nil for `unspecified` and for numbers without a name.
    public init?(_ wire: Wire.ContactKind) { self.init(rawValue: wire.rawValue) }
}

extension Wire.ContactKind {
    /// The same number; nil becomes `unspecified`.
    public init(_ kind: ContactKind?) { self.init(rawValue: kind?.rawValue ?? 0) }
}

extension Decision {
    /// A number without a name is a denial.
    public init(_ wire: Wire.Decision) { self = Decision(rawValue: wire.rawValue) ?? .deny }
}

extension Wire.Decision {
    /// The same number.
    public init(_ decision: Decision) { self.init(rawValue: decision.rawValue) }
}

extension Reason {
    /// Returns nil for numbers without a name.
    public init?(_ wire: Wire.Reason) { self.init(rawValue: wire.rawValue) }
}

extension Wire.Reason {
    /// The same number.
    public init(_ reason: Reason) { self.init(rawValue: reason.rawValue) }
}

extension Wire.CellState {
    /// The same number.
    public init(_ state: CellState) { self.init(rawValue: state.rawValue) }
}

extension Wire.Refusal {
    /// The same number.
    public init(_ refusal: Refusal) { self.init(rawValue: refusal.rawValue) }
}

extension ChannelSet {
    /// The channels of a list. `all` sets bit 0; a number without a name sets bit 0 too when
    /// `unknownMeansAll` (a refusal is never turned away), else it makes the list invalid (nil).
    public init?(_ list: [Wire.Channel], unknownMeansAll: Bool) {
        var set = ChannelSet()
        for wire in list {
            if let channel = Channel(wire) {
                set.formUnion(ChannelSet(channel))
            } else if wire == .all || unknownMeansAll {
                set.formUnion(.all)
            } else {
                return nil
            }
        }
        self = set
    }

    /// As a list; `all` first where bit 0 is set.
    public var wireList: [Wire.Channel] { (isAll ? [Wire.Channel.all] : []) + named.map(Wire.Channel.init) }
}

extension PurposeSet {
    /// The purposes of a list; 0 means all. A number outside 1…63 sets bit 0 when `unknownMeansAll`, else it
    /// makes the list invalid (nil).
    public init?(_ list: [UInt8], unknownMeansAll: Bool) {
        var set = PurposeSet()
        for number in list {
            if let purpose = PurposeID(rawValue: number) {
                set.formUnion(PurposeSet(purpose))
            } else if number == 0 || unknownMeansAll {
                set.formUnion(.all)
            } else {
                return nil
            }
        }
        self = set
    }

    /// As a list; 0 first where bit 0 is set.
    public var wireList: [UInt8] { (isAll ? [0] : []) + named.map(\.rawValue) }
}
