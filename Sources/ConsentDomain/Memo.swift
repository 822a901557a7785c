// What staff read before they record a consent: the five conditions, in French and English.
//
// A memo's id is the SHA-256 of its text, so an event proves which words were read. A text that was ever
// recorded stays here for good: a new wording is a new memo.

/// A memo for staff.
public struct Memo: Hashable, Sendable {
    /// BCP 47.
    public let locale: String
    /// The text.
    public let text: String
    /// SHA-256 of the text's UTF-8.
    public let id: Digest32

    init(locale: String, text: String) {
        self.locale = locale
        self.text = text
        id = .sha256(Array(text.utf8))
    }

    /// All memos, the current one of each locale first.
    public static let all = [french, english]

    /// Their ids: what the gate accepts.
    public static let ids = Set(all.map(\.id))

    /// The current memo of a locale (`fr`, `fr-CH`, …); English where there is none.
    public static func current(locale: String) -> Memo {
        let language = locale.prefix { $0 != "-" && $0 != "_" }.lowercased()
        return all.first { $0.locale == language } ?? english
    }

    /// French.
    public static let french = Memo(
        locale: "fr",
        text: """
            Avant d'enregistrer un consentement à recevoir des messages commerciaux par e-mail ou par SMS

            Vous répondez de ce consentement : vous devez pouvoir montrer qu'il a été donné, quand, et \
            après lecture \
            de quel message. Il n'est valable que si les cinq conditions suivantes sont réunies.

            1. Libre. La personne peut refuser sans aucune conséquence. Le rendez-vous, son prix et les \
            avantages \
            auxquels elle a droit n'en dépendent pas.
            2. Spécifique. Elle accepte un canal et un type de message précis. L'e-mail et le SMS sont deux \
            accords \
            distincts : un oui à l'e-mail n'est pas un oui au SMS. Il vaut pour votre établissement seul.
            3. Éclairé. Elle a lu ou entendu, avant d'accepter, qui lui écrira, ce qui lui sera envoyé, \
            comment ses \
            données sont utilisées et comment se désinscrire à tout moment.
            4. Univoque. L'accord est demandé à part, et non au milieu des conditions de vente. On comprend \
            sans \
            hésiter ce qui est accepté.
            5. Par un acte positif. La personne coche elle-même une case vide, signe, ou dit clairement \
            oui. Une case \
            déjà cochée, un silence ou une absence de réponse ne valent pas accord.

            En cas de doute, n'enregistrez rien. Si la personne refuse ou change d'avis, enregistrez-le \
            aussitôt : \
            aucun message commercial ne lui sera plus envoyé. Les confirmations et rappels de rendez-vous ne \
            demandent pas de consentement.
            """)

    /// English.
    public static let english = Memo(
        locale: "en",
        text: """
            Before you record a consent to marketing messages by e-mail or text message

            You answer for this consent: you must be able to show that it was given, when, and after \
            reading which \
            message. It counts only if all five of these conditions are met.

            1. Free. The person can say no and nothing follows from it. The appointment, its price and \
            whatever the \
            person is entitled to do not depend on the answer.
            2. Specific. The person accepts one channel and one kind of message. E-mail and text message \
            are two \
            agreements: a yes to e-mail is no yes to text messages. It holds for your business alone.
            3. Informed. Before agreeing, the person read or heard who will write, what will be sent, how \
            the data is \
            used, and how to unsubscribe at any time.
            4. Unambiguous. The agreement is asked for by itself, not among the terms of sale. It is plain \
            what is \
            being accepted.
            5. By an affirmative act. The person ticks an empty box, signs, or clearly says yes. A box that \
            was \
            ticked beforehand, silence, or no answer is no agreement.

            If in doubt, record nothing. If the person refuses or has a change of mind, record it at once: \
            no more \
            marketing will be sent. Confirmations and reminders of appointments need no consent.
            """)
}
