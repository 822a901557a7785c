// Controllers and purposes, and the catalogue that holds them with the notices.
//
// Invariant: purpose ids and classes never change; a closed controller and a retired purpose stay in the
// catalogue.

/// What a controller is.
public enum ControllerKind: UInt8, CaseIterable, Sendable {
    case salon = 0
    case marketplace = 1
    case brand = 2
}

/// A controller: whose consent it is.
public struct Controller: Hashable, Sendable {
    /// Number, from 1; never reused.
    public var id: ControllerID
    /// Lower-case letters, digits and dashes, at most 64 bytes.
    public var code: String
    /// Legal name.
    public var name: String
    /// ISO 3166 alpha-2.
    public var country = ""
    /// How to reach it.
    public var contact = ""
    /// What it is.
    public var kind = ControllerKind.salon
    /// Region whose national phone numbers are accepted, ISO 3166 alpha-2; empty: none.
    public var region = ""
    /// Channels on which a grant waits for a confirmation.
    public var doubleOptIn = ChannelSet()
    /// Months after the last contact until consents end.
    public var retentionMonths: UInt16 = 36
    /// Months after the grant until a consent ends; 0: no such policy.
    public var validityMonths: UInt16 = 0
    /// Grants must carry a customer reference.
    public var referenceRequired = false
    /// Law that applies.
    public var jurisdiction = ""
    /// Where data is stored.
    public var storageLocation = ""
    /// Who receives data.
    public var recipients = ""
    /// How a person withdraws.
    public var withdrawalMethod = ""
    /// Closed for good.
    public var closed = false

    /// A salon with defaults for the rest.
    public init(id: ControllerID, code: String, name: String) {
        self.id = id
        self.code = code
        self.name = name
    }
}

/// The class of a purpose.
public enum PurposeClass: UInt8, CaseIterable, Sendable {
    /// Confirmations and reminders: no consent needed.
    case service = 1
    /// Needs a consent.
    case marketing = 2
}

/// What messages are for.
public struct Purpose: Hashable, Sendable {
    /// Number; never reused.
    public var id: PurposeID
    /// Lower-case letters, digits and dashes, at most 64 bytes.
    public var code: String
    /// Title for people.
    public var title: String
    /// Class; never changes.
    public var purposeClass: PurposeClass
    /// Retired for good.
    public var retired = false

    /// An active purpose.
    public init(id: PurposeID, code: String, title: String, purposeClass: PurposeClass) {
        self.id = id
        self.code = code
        self.title = title
        self.purposeClass = purposeClass
    }
}

/// Controllers, purposes and notices as of a sequence.
public struct Catalogue: Sendable {
    /// Controllers by number, closed ones included.
    public internal(set) var controllers: [ControllerID: Controller] = [:]
    /// Purposes by number, retired ones included.
    public internal(set) var purposes: [PurposeID: Purpose] = [:]
    /// Notices by id, invalidated ones included.
    public internal(set) var notices: [NoticeID: Notice] = [:]
    /// Notice ids by ordinal; ordinal n stands at n - 1.
    public internal(set) var noticeOrdinals: [NoticeID] = []
    /// Controllers by code, closed ones included.
    var controllerCodes: [String: ControllerID] = [:]
    /// Sequence of the last change.
    public internal(set) var sequence: UInt64 = 0

    /// An empty catalogue.
    public init() {}

    /// The part of it that concerns some controllers: others are not in it, nor are notices that name none of
    /// them. Purposes are everyone's.
    public func limited(to isIncluded: (Controller) -> Bool) -> Catalogue {
        var part = self
        part.controllers = controllers.filter { isIncluded($0.value) }
        part.controllerCodes = controllerCodes.filter { part.controllers[$0.value] != nil }
        part.notices = notices.filter { $0.value.controllers.contains { part.controllers[$0] != nil } }
        return part
    }

    /// The notice with an ordinal, or nil.
    public func notice(ordinal: UInt16) -> Notice? {
        guard ordinal > 0, Int(ordinal) <= noticeOrdinals.count else { return nil }
        return notices[noticeOrdinals[Int(ordinal) - 1]]
    }
}
