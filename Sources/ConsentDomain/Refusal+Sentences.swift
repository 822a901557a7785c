// Each refusal as a sentence that names the remedy, in French and English.

extension Refusal {
    /// A sentence that says what is wrong and what to do.
    /// - Parameter locale: BCP 47; French for `fr…`, else English.
    public func sentence(locale: String) -> String {
        locale.lowercased().hasPrefix("fr") ? french : english
    }

    private var english: String {
        switch self {
        case .notFree:
            "The notice makes acceptance a condition of the service: ask again with a notice that leaves a "
                + "free choice."
        case .notSpecific:
            "The consent is not specific: name at least one channel and one purpose, and show a notice that "
                + "names "
                + "them and the controller."
        case .notInformed:
            "The person was not informed: show a notice that is on record and valid at that time, and that "
                + "explains "
                + "how to withdraw and how the data is used."
        case .ambiguous:
            "It is not plain what was accepted: ask apart from the terms of sale, and state the act by "
                + "which the "
                + "person agreed."
        case .notAffirmative:
            "A pre-ticked box or silence is no consent: ask with an empty box and record the act of the "
                + "person."
        case .attestationMissing:
            "A consent that staff record, or that was spoken or signed, needs the memo that they read and "
                + "all five "
                + "attestations: show the memo and state both."
        case .inTheFuture:
            "The act lies in the future: check the clock and the time zone of the sender."
        case .badAddress:
            "An address cannot be used: give 1 to 8 valid addresses, one or more for each channel and none "
                + "that no "
                + "channel takes."
        case .unknownController:
            "The controller is unknown or closed: check its number, or write it to the catalogue first."
        case .unknownPurpose:
            "A purpose is unknown or retired: check its number, or write it to the catalogue first."
        case .wrongClass:
            "A service purpose needs no consent: name marketing purposes only."
        case .unprovenImport:
            "The row comes without proof (notice, act, time or attestations): it is kept, denies, and waits "
                + "for "
                + "review; ask the person again."
        case .badToken:
            "The confirmation is wrong, too late or overtaken by a refusal: ask the person for a new consent."
        case .eventIDReused:
            "The event id was used before for another content: send a new event under an id of its own."
        case .referenceRequired:
            "This controller requires a customer reference: state it."
        case .badText:
            "A text is too long or holds an e-mail address, a phone number or a URL's query: shorten it or "
                + "take that out."
        case .unknownReference:
            "No contact point is known under this customer reference: check it, or name the addresses."
        case .erased:
            "The person's data was erased and an import cannot bring it back: ask the person for a new "
                + "consent."
        }
    }

    private var french: String {
        switch self {
        case .notFree:
            "Le message fait de l'accord une condition du service : redemandez-le avec un message qui "
                + "laisse le choix."
        case .notSpecific:
            "Le consentement n'est pas spécifique : nommez au moins un canal et une finalité, et montrez un "
                + "message "
                + "qui les nomme ainsi que le responsable."
        case .notInformed:
            "La personne n'a pas été informée : montrez un message enregistré et valable à ce moment, qui "
                + "explique "
                + "comment se désinscrire et comment les données sont utilisées."
        case .ambiguous:
            "On ne sait pas clairement ce qui a été accepté : demandez l'accord à part des conditions de "
                + "vente et "
                + "indiquez l'acte par lequel la personne a accepté."
        case .notAffirmative:
            "Une case pré-cochée ou un silence n'est pas un accord : présentez une case vide et enregistrez "
                + "l'acte de "
                + "la personne."
        case .attestationMissing:
            "Un consentement saisi par le personnel, oral ou signé demande le mémo lu et les cinq "
                + "attestations : "
                + "montrez le mémo et indiquez-les."
        case .inTheFuture:
            "L'acte se situe dans le futur : vérifiez l'horloge et le fuseau horaire de l'émetteur."
        case .badAddress:
            "Une adresse est inutilisable : donnez de 1 à 8 adresses valables, au moins une pour chaque "
                + "canal et "
                + "aucune qui ne serve à un canal."
        case .unknownController:
            "Le responsable est inconnu ou fermé : vérifiez son numéro ou inscrivez-le d'abord au catalogue."
        case .unknownPurpose:
            "Une finalité est inconnue ou retirée : vérifiez son numéro ou inscrivez-la d'abord au catalogue."
        case .wrongClass:
            "Une finalité de service n'a pas besoin de consentement : ne nommez que des finalités "
                + "commerciales."
        case .unprovenImport:
            "La ligne arrive sans preuve (message, acte, date ou attestations) : elle est gardée, vaut "
                + "refus et attend "
                + "un examen ; redemandez l'accord à la personne."
        case .badToken:
            "La confirmation est fausse, trop tardive ou dépassée par un refus : redemandez l'accord à la "
                + "personne."
        case .eventIDReused:
            "L'identifiant d'événement a déjà servi pour un autre contenu : envoyez un nouvel événement "
                + "sous un "
                + "identifiant propre."
        case .referenceRequired:
            "Ce responsable exige une référence client : indiquez-la."
        case .badText:
            "Un texte est trop long ou contient une adresse e-mail, un numéro de téléphone ou les "
                + "paramètres d'une "
                + "URL : raccourcissez-le ou retirez-les."
        case .unknownReference:
            "Aucune adresse n'est connue sous cette référence client : vérifiez-la ou nommez les adresses."
        case .erased:
            "Les données de la personne ont été effacées et un import ne peut les rétablir : redemandez "
                + "l'accord à la "
                + "personne."
        }
    }
}
