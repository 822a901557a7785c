// The sentence for one address of a question: a check names addresses, not a consent.

extension Refusal {
    /// A sentence about one item of a batch that could not be checked, and what to do.
    /// - Parameter locale: BCP 47; French for `fr…`, else English.
    public func itemSentence(locale: String) -> String {
        guard self == .badAddress else { return sentence(locale: locale) }
        return locale.lowercased().hasPrefix("fr")
            ? "L'adresse ne peut être comprise : écrivez une adresse e-mail avec son domaine, ou un numéro "
                + "de téléphone avec + et l'indicatif du pays."
            : "The address cannot be normalised: write an e-mail address with its domain, or a phone number "
                + "with + and its country code."
    }
}
