// What was in force at one time, as far as it was known at another: the two sides of CheckAt.
//
// The log is cut at what was known (events up to a sequence), and what is left at the time asked about: an
// act counts where it occurred by then. Three things reach further back than their own time:
//
//     a notice's invalidation   counts from the time that it states, whenever it was recorded
//     an erasure                destroyed what was before it, so it answers for all time before it too
//     a write to the catalogue  adds controllers and purposes for all time; only closing and retiring wait
//
// Invariant: with everything known and the time of asking `now`, the answer is that of a check.

/// The catalogue and the contact points of one time, from the events that were known.
public enum Hindsight {
    /// Whether an event about a contact point counts at a time.
    public static func counts(_ event: ConsentEvent, at time: Timestamp) -> Bool {
        event.kind == .erase || event.clampedOccurredAt <= time
    }

    /// The state of a contact point at a time, as it was known.
    /// - Parameter events: those of the contact point, in the order of their sequences.
    public static func state(
        _ events: some Sequence<ConsentEvent>, controller: ControllerID, kind: ContactKind,
        at point: PastPoint
    ) -> ContactState {
        var state = ContactState(controller: controller, kind: kind)
        for event in events where event.sequence <= point.known && counts(event, at: point.time) {
            state.apply(event)
        }
        return state
    }

    /// The catalogue at a time.
    /// - Parameter events: the catalogue events that were known, with their payloads, in the order of their
    ///   sequences.
    public static func catalogue(
        _ events: some Sequence<ConsentEvent>, at time: Timestamp
    ) throws(CanonicalFormError) -> Catalogue {
        var catalogue = Catalogue()
        for event in events {
            var event = event
            if event.clampedOccurredAt > time { try withoutEnding(&event, catalogue) }
            try catalogue.apply(event)
        }
        return catalogue
    }

    /// Takes the closing of a controller or the retirement of a purpose out of an event.
    private static func withoutEnding(
        _ event: inout ConsentEvent, _ catalogue: Catalogue
    ) throws(CanonicalFormError) {
        switch event.kind {
        case .controllerPut:
            var controller = try Controller(decoding: event.payload)
            controller.closed = catalogue.controllers[controller.id]?.closed ?? false
            event.payload = controller.encoded
        case .purposePut:
            var purpose = try Purpose(decoding: event.payload)
            purpose.retired = catalogue.purposes[purpose.id]?.retired ?? false
            event.payload = purpose.encoded
        default: break
        }
    }
}
