// The exact message that a person was shown, and what it says of itself.

/// How a notice's box stood before the person acted.
public enum BoxDefault: UInt8, CaseIterable, Sendable {
    case none = 0
    case unticked = 1
    case preticked = 2
}

/// A notice. Its id is the SHA-256 of its canonical form, so a notice never changes.
public struct Notice: Hashable, Sendable {
    /// BCP 47.
    public var locale: String
    /// The exact text as rendered.
    public var text: String
    /// Channels named.
    public var channels: ChannelSet
    /// Purposes named.
    public var purposes: PurposeSet
    /// Controllers named.
    public var controllers: [ControllerID]
    /// Says how to withdraw.
    public var withdrawalExplained = false
    /// Says how data is used.
    public var dataUseExplained = false
    /// URL of the policy.
    public var policyURL = ""
    /// Acceptance is a condition of the service.
    public var conditional = false
    /// How the box stood before the person acted.
    public var box = BoxDefault.none
    /// Separate from the terms of sale.
    public var termsSeparate = false
    /// Version, for people.
    public var version = ""
    /// Valid from this time on.
    public var validFrom = Timestamp.epoch

    // Not part of the canonical form:

    /// Small number of the notice in its register, from 1; 0: not yet recorded.
    public var ordinal: UInt16 = 0
    /// Invalidated from this time on; `.distantFuture`: valid.
    public var invalidatedFrom = Timestamp.distantFuture
    /// Why it was invalidated.
    public var invalidatedReason = ""

    /// A notice that claims nothing of itself.
    public init(
        locale: String, text: String, channels: ChannelSet, purposes: PurposeSet, controllers: [ControllerID]
    ) {
        self.locale = locale
        self.text = text
        self.channels = channels
        self.purposes = purposes
        self.controllers = controllers
    }
}
