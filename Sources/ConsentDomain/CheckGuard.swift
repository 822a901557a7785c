// The part of a decision that concerns the whole request: controller, purpose, class and channel.
//
// It takes raw numbers as they come over the wire and answers from two small tables that are built once a
// catalogue change. Invariant: a number that is not in the tables denies.

/// The answer about a whole request.
public enum CheckGuardAnswer: Hashable, Sendable {
    /// Every item is denied for this reason.
    case deny(Reason)
    /// Each item is looked up.
    case proceed(isService: Bool)
}

/// Decides what concerns a whole request; immutable, made from a catalogue.
public struct CheckGuard: Sendable {
    /// By purpose number: 0 unknown, 1 service, 2 marketing; 16 is added for retired ones.
    private let purposes: [UInt8]
    /// By controller number: whether it is closed.
    private let controllers: [UInt32: Bool]
    private static let retiredBit: UInt8 = 16

    /// The tables of a catalogue.
    public init(_ catalogue: Catalogue) {
        var purposes = [UInt8](repeating: 0, count: 256)
        for purpose in catalogue.purposes.values {
            purposes[Int(purpose.id.rawValue)] =
                purpose.purposeClass.rawValue | (purpose.retired ? Self.retiredBit : 0)
        }
        self.purposes = purposes
        controllers = Dictionary(
            catalogue.controllers.values.map { ($0.id.rawValue, $0.closed) }, uniquingKeysWith: { $0 || $1 })
    }

    /// Looks at a whole request; the first that fails decides.
    /// - Parameters:
    ///   - channel: raw value of the channel.
    ///   - purpose: raw value of the purpose.
    ///   - claimedClass: class that the caller believes it sends; 0: as catalogued.
    ///   - contactKind: raw value of the kind of contact point, where the caller names one; 0: not named.
    public func answer(
        controller: UInt32, channel: UInt8, purpose: UInt8, claimedClass: UInt8 = 0, contactKind: UInt8 = 0
    ) -> CheckGuardAnswer {
        let entry = purposes[Int(purpose)]
        guard entry != 0 else { return .deny(.unknownPurpose) }
        guard entry & Self.retiredBit == 0 else { return .deny(.retiredPurpose) }
        guard let isClosed = controllers[controller] else { return .deny(.unknownController) }
        guard !isClosed else { return .deny(.closedController) }
        guard claimedClass == 0 || claimedClass == entry else { return .deny(.classMismatch) }
        guard let channel = Channel(rawValue: channel) else { return .deny(.badChannel) }
        guard contactKind == 0 || contactKind == channel.contactKind.rawValue else {
            return .deny(.badChannel)
        }
        return .proceed(isService: entry == PurposeClass.service.rawValue)
    }
}
