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
    /// Controllers by number, open addressing: a number stands at its home position or at the next free one
    /// after it. A power of two of places, at most half of them taken; 0 marks a free one.
    private let controllers: [UInt32]
    /// Beside it: whether the controller is closed.
    private let isClosed: [Bool]
    private static let retiredBit: UInt8 = 16

    /// The tables of a catalogue.
    public init(_ catalogue: Catalogue) {
        var purposes = [UInt8](repeating: 0, count: 256)
        for purpose in catalogue.purposes.values {
            purposes[Int(purpose.id.rawValue)] =
                purpose.purposeClass.rawValue | (purpose.retired ? Self.retiredBit : 0)
        }
        self.purposes = purposes
        var placeCount = 16
        while placeCount < 2 * catalogue.controllers.count { placeCount *= 2 }
        var controllers = [UInt32](repeating: 0, count: placeCount)
        var isClosed = [Bool](repeating: false, count: placeCount)
        for controller in catalogue.controllers.values where controller.id.rawValue != 0 {
            var place = Self.home(of: controller.id.rawValue, placeCount)
            while controllers[place] != 0 { place = (place + 1) & (placeCount - 1) }
            controllers[place] = controller.id.rawValue
            isClosed[place] = controller.closed
        }
        self.controllers = controllers
        self.isClosed = isClosed
    }

    /// Places of controllers: what is kept beside a controller stands at its place in an array of this count.
    public var placeCount: Int { controllers.count }

    /// The place of a controller; nil for an unknown one.
    public func place(of controller: UInt32) -> Int? {
        guard controller != 0 else { return nil }
        var place = Self.home(of: controller, controllers.count)
        while controllers[place] != controller {
            if controllers[place] == 0 { return nil }
            place = (place + 1) & (controllers.count - 1)
        }
        return place
    }

    /// Numbers in a row land far apart (multiplication by the golden ratio).
    private static func home(of controller: UInt32, _ placeCount: Int) -> Int {
        Int(truncatingIfNeeded: (controller &* 0x9E37_79B1) >> 8) & (placeCount - 1)
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
        guard let place = place(of: controller) else { return .deny(.unknownController) }
        guard !isClosed[place] else { return .deny(.closedController) }
        guard claimedClass == 0 || claimedClass == entry else { return .deny(.classMismatch) }
        guard let channel = Channel(rawValue: channel) else { return .deny(.badChannel) }
        guard contactKind == 0 || contactKind == channel.contactKind.rawValue else {
            return .deny(.badChannel)
        }
        return .proceed(isService: entry == PurposeClass.service.rawValue)
    }
}
