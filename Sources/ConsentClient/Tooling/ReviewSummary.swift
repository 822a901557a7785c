// What is due, in sentences: a weekly reminder for whoever answers for the consents of a salon.
//
// Invariant: no address and no customer reference stands in it; the numbers are those of the list it was made
// from. A person is a reference; a contact point without one counts by itself.

import ConsentDomain

/// Counts of reminders.
package struct ReviewSummary: Hashable, Sendable {
    private struct Count: Hashable, Sendable {
        var consents = 0
        var people = Set<String>()
        var first: Timestamp?
    }

    private var counts: [Reminder.Kind: Count] = [:]

    package init() {}

    /// Counts one reminder; one whose kind is not known is left aside.
    package mutating func add(_ entry: ReviewEntry) {
        guard let kind = entry.kind else { return }
        var count = counts[kind] ?? Count()
        count.consents += 1
        count.people.insert(
            entry.reference.isEmpty
                ? "key " + (entry.key?.bytes.hexadecimal ?? "") : "reference " + entry.reference)
        if let due = entry.due { count.first = min(count.first ?? due, due) }
        counts[kind] = count
    }

    /// Consents of one kind, people concerned, and when the first is due.
    package func figures(_ kind: Reminder.Kind) -> (consents: Int, people: Int, first: Timestamp?) {
        let count = counts[kind] ?? Count()
        return (count.consents, count.people.count, count.first)
    }

    /// The text.
    /// - Parameters:
    ///   - name: of the controller.
    ///   - days: how far ahead it looked.
    ///   - locale: BCP 47; French for `fr…`, else English.
    package func text(name: String, days: Int, locale: String) -> String {
        let isFrench = locale.lowercased().hasPrefix("fr")
        var lines = [
            isFrench ? "Consentements de \(name) : à faire" : "Consents of \(name): what to do", "",
        ]
        for kind in Reminder.Kind.allCases where figures(kind).consents > 0 {
            lines.append("- " + (isFrench ? french(kind, days) : english(kind, days)))
        }
        if lines.count == 2 {
            lines.append(
                isFrench
                    ? "Rien à faire : aucun consentement n'expire dans les \(days) jours et rien n'attend."
                    : "Nothing to do: no consent ends within \(days) days and nothing waits.")
        }
        lines.append("")
        lines.append(
            isFrench
                ? "Ne redemandez un accord qu'à l'occasion d'un contact voulu par la personne ; sans réponse, "
                    + "c'est non."
                : "Ask for a consent again only when the person is in contact anyway; no answer is a no.")
        return lines.joined(separator: "\n")
    }

    private func english(_ kind: Reminder.Kind, _ days: Int) -> String {
        let (consents, people, first) = figures(kind)
        let subject =
            (consents == 1 ? "1 consent" : "\(consents) consents") + " of "
            + (people == 1 ? "1 person" : "\(people) people")
        let day = first.map { ", the first on \($0.day.iso8601)" } ?? ""
        let one = consents == 1
        switch kind {
        case .expiring:
            return
                "\(subject) \(one ? "ends" : "end") within \(days) days\(day): renew while the person is here."
        case .lapsing:
            return "\(subject) \(one ? "waits" : "wait") for a confirmation and will lapse\(day): send the "
                + "confirmation message again."
        case .unproven:
            return "\(subject) came without proof and \(one ? "does" : "do") not count: ask anew."
        case .noticeInvalidated:
            return "\(subject) \(one ? "was" : "were") given under a notice that is no longer valid and "
                + "\(one ? "does" : "do") not count: ask anew with the current notice."
        }
    }

    private func french(_ kind: Reminder.Kind, _ days: Int) -> String {
        let (consents, people, first) = figures(kind)
        let one = consents == 1
        let subject =
            (one ? "1 consentement" : "\(consents) consentements") + " de "
            + (people == 1 ? "1 personne" : "\(people) personnes")
        let day = first.map { ", le premier le \($0.day.iso8601)" } ?? ""
        switch kind {
        case .expiring:
            return "\(subject) \(one ? "expire" : "expirent") dans les \(days) jours\(day) : renouvelez-"
                + "\(one ? "le" : "les") quand la personne est là."
        case .lapsing:
            return "\(subject) \(one ? "attend" : "attendent") une confirmation et "
                + "\(one ? "tombera" : "tomberont")\(day) : renvoyez le message de confirmation."
        case .unproven:
            return "\(subject) \(one ? "est arrivé" : "sont arrivés") sans preuve et ne "
                + "\(one ? "compte" : "comptent") pas : redemandez l'accord."
        case .noticeInvalidated:
            return "\(subject) \(one ? "a été donné" : "ont été donnés") avec un message qui n'est plus "
                + "valable et ne \(one ? "compte" : "comptent") pas : redemandez l'accord avec le message "
                + "actuel."
        }
    }
}
