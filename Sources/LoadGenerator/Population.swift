// The population that `seed` writes and `check` asks about: every fact follows from a seed and a number.
//
// Why a function and not a list: ten million recipients need no memory here, two runs agree without a file,
// and the expected answer to any question is known without asking the server.
//
// A recipient is a contact point of one controller. Recipient i belongs to controller i mod C, where it has
// the rank i / C. Ranks repeat every four:
//
//   rank mod 4    0               1               2               3
//                 e-mail ──────── phone           e-mail          e-mail
//                 └─ one person, one grant ─┘     a person each
//
// Invariant: a person's consents depend on (seed, anchor day, number of the first contact point) alone, and
// the final state does not depend on the order in which the person's events are recorded: a denial occurs
// after every grant, and of two grants the later one counts.

/// Kinds of contact points that the population has.
package enum RecipientKind: UInt8, CaseIterable, Sendable {
    /// E-mail address, asked about on the channel e-mail.
    case email = 1
    /// Phone number, asked about on the channel SMS.
    case phone = 2

    /// Number of the channel on which it is asked about.
    package var channel: UInt8 { rawValue }
}

/// A reproducible population of recipients and their consents.
package struct Population: Hashable, Sendable {
    /// What all of it follows from.
    package let seed: UInt64
    /// Contact points.
    package let recipients: Int
    /// Controllers among which they are spread.
    package let controllers: Int
    /// Day (since 1970-01-01, UTC) before which every event occurred.
    package let anchorDay: Int

    /// Number of the first controller.
    package static let firstController: UInt32 = 1_000
    /// Most controllers.
    package static let controllersMax = 10_000
    /// Most recipients; phone numbers are unique up to here.
    package static let recipientsMax = 100_000_000
    /// Months until a consent ends.
    package static let validityMonths = 36
    /// Days over which the events are spread: 36 months and a little more, so that about 3 % have expired.
    package static let spreadDays = 1_130

    /// - Parameters:
    ///   - seed: what all of it follows from.
    ///   - recipients: contact points, 1…`recipientsMax`.
    ///   - controllers: controllers, 1…`controllersMax`, at most as many as recipients.
    ///   - anchorDay: day before which every event occurred.
    package init(seed: UInt64, recipients: Int, controllers: Int, anchorDay: Int) throws(LoadError) {
        guard (1...Population.recipientsMax).contains(recipients) else {
            throw .usage("--recipients must be 1 to \(Population.recipientsMax), not \(recipients)")
        }
        guard (1...Population.controllersMax).contains(controllers), controllers <= recipients else {
            throw .usage(
                "--controllers must be 1 to \(min(Population.controllersMax, recipients)), not \(controllers)"
            )
        }
        self.seed = seed
        self.recipients = recipients
        self.controllers = controllers
        self.anchorDay = anchorDay
    }

    /// Whether another population is this one, apart from the day on which it was written.
    func isSame(as other: Population) -> Bool {
        seed == other.seed && recipients == other.recipients && controllers == other.controllers
    }

    // MARK: Layout

    /// Place of a recipient's controller, `0..<controllers`.
    package func controllerIndex(of recipient: Int) -> Int { recipient % controllers }

    /// Number of a recipient's controller.
    package func controller(of recipient: Int) -> UInt32 {
        Population.firstController + UInt32(controllerIndex(of: recipient))
    }

    /// Kind of a recipient's contact point.
    package func kind(of recipient: Int) -> RecipientKind {
        (recipient / controllers) & 3 == 1 ? .phone : .email
    }

    /// The first contact point of the person whom a recipient belongs to.
    package func person(of recipient: Int) -> Int {
        kind(of: recipient) == .phone ? recipient - controllers : recipient
    }

    /// The second contact point of the person whose first one is `person`; nil when there is none.
    package func secondContact(of person: Int) -> Int? {
        guard (person / controllers) & 3 == 0, person + controllers < recipients else { return nil }
        return person + controllers
    }

    /// How many recipients of a kind a controller has among the first `limit` ones.
    package func poolCount(controllerIndex: Int, kind: RecipientKind, limit: Int) -> Int {
        let ranks = limit / controllers + (controllerIndex < limit % controllers ? 1 : 0)
        let phones = (ranks + 2) / 4
        return kind == .phone ? phones : ranks - phones
    }

    /// The n-th recipient of a kind of a controller, n from 0.
    package func recipient(controllerIndex: Int, kind: RecipientKind, position: Int) -> Int {
        let rank =
            switch kind {
            case .phone: 4 * position + 1
            case .email: 4 * (position / 3) + [0, 2, 3][position % 3]
            }
        return rank * controllers + controllerIndex
    }
}

// MARK: - The mark that a seeded register carries

extension Population {
    private static let markHead = "load-population/1"

    /// The version text of the load tester's notice: says on the server which population is there.
    package var mark: String {
        "\(Population.markHead) seed=\(seed) recipients=\(recipients) controllers=\(controllers) "
            + "day=\(anchorDay)"
    }

    /// The population that a mark names; nil when it is not a mark.
    package init?(mark: String) {
        let words = mark.split(separator: " ")
        guard words.count == 5, words[0] == Population.markHead else { return nil }
        func number<T: FixedWidthInteger>(_ word: Substring, _ name: String) -> T? {
            word.hasPrefix(name + "=") ? T(word.dropFirst(name.count + 1)) : nil
        }
        guard let seed: UInt64 = number(words[1], "seed"),
            let recipients: Int = number(words[2], "recipients"),
            let controllers: Int = number(words[3], "controllers"), let day: Int = number(words[4], "day")
        else { return nil }
        guard
            let population = try? Population(
                seed: seed, recipients: recipients, controllers: controllers, anchorDay: day)
        else { return nil }
        self = population
    }
}
