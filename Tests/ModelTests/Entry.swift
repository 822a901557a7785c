// What a log under test is made of, and what is asked of it. Values only.

import ConsentDomain

/// A contact point of a controller.
struct Subject: Hashable {
    var controller: ControllerID
    var kind: ContactKind
}

/// One line of a log.
struct Entry: Hashable {
    /// A change of the catalogue.
    enum Change: Hashable {
        case open(ControllerID)
        case close(ControllerID)
        case add(PurposeID, PurposeClass)
        case retire(PurposeID)
        /// The notices of a log are numbered from 1 in the order in which they are published.
        case publish(notice: UInt16)
        case invalidate(notice: UInt16, from: Timestamp)
    }

    enum Content: Hashable {
        case act(Subject, ConsentEvent)
        case change(Change)
    }
    var sequence: UInt64
    var recordedAt: Timestamp
    var content: Content
}

/// What was on file when a question about the past is answered.
enum Knowledge: Hashable {
    case everything
    /// Recorded up to a time, included.
    case time(Timestamp)
    /// Recorded up to a sequence, included.
    case sequence(UInt64)

    func includes(_ entry: Entry) -> Bool {
        switch self {
        case .everything: true
        case .time(let time): entry.recordedAt <= time
        case .sequence(let sequence): entry.sequence <= sequence
        }
    }
}

/// May a message be sent to a contact point at a time, as far as was known?
struct Question: Hashable {
    var subject: Subject
    var channel: Channel
    var purpose: PurposeID
    /// The class that the sender believes in; nil: as catalogued.
    var purposeClass: PurposeClass?
    var at: Timestamp
    var known = Knowledge.everything
}
