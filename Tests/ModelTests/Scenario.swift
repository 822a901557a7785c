// Golden scenarios: stories in plain lines, with the answer that the law expects at the end or in between.
// They are the arbiter between model, fold and index.
//
// A line is one of
//
//     TIME SUBJECT KIND [CHANNELS] [PURPOSES] [WORDS]      an event; lines are recorded in this order
//     TIME catalogue WORDS                                 a change of the catalogue
//     check TIME SUBJECT CHANNEL PURPOSE [known K] [class C] -> REASON
//
// TIME is `2026-01-10`, `2026-01-10T09:00` or longer, UTC. SUBJECT is a controller and a kind of contact
// point: `A/email`, `A/phone`, `B/phone`. CHANNELS and PURPOSES are lists with commas, or `all`. Words:
// `recorded TIME` (later than it occurred), `until DAY` (validity), `keep DAY` (retention), `notice N`,
// `import`, `asked DAY` (double opt-in, lapses on that day), `of N` (the event that a confirmation is about;
// events are numbered from 1 over the whole story, the catalogue's included), `keyword` (STOP). K is a time
// or `#N`, a number of events.
//
// The catalogue starts with controllers A and B, `reminder` (service), `news` and `offers` (marketing), and
// three notices.

import ConsentDomain

/// A line that cannot be read.
struct ScenarioError: Error, CustomStringConvertible {
    var description: String
}

/// One expectation.
struct Expectation {
    var line: String
    var question: Question
    var isPast: Bool
    var reason: Reason
    /// Entries before it.
    var entryCount: Int
}

/// A story.
struct Scenario {
    var name: String
    var entries: [Entry] = Scenario.opening
    var expectations: [Expectation] = []

    static let purposes: [String: UInt8] = ["reminder": 1, "news": 2, "offers": 3, "parties": 4]

    /// What the catalogue starts with: before every story, outside its numbering.
    static let opening: [Entry] = {
        let changes: [Entry.Change] = [
            .open(ControllerID(rawValue: 1)), .open(ControllerID(rawValue: 2)),
        ]
        let purposes: [(UInt8, PurposeClass)] = [(1, .service), (2, .marketing), (3, .marketing)]
        let added = purposes.compactMap { raw, purposeClass in
            PurposeID(rawValue: raw).map { Entry.Change.add($0, purposeClass) }
        }
        let notices = (1...3).map { Entry.Change.publish(notice: $0) }
        return (changes + added + notices).enumerated().map { position, change in
            Entry(
                sequence: UInt64(position + 1), recordedAt: Timestamp(microseconds: 1),
                content: .change(change))
        }
    }()

    /// Reads stories: a line `# NAME` begins one.
    static func read(_ text: String) throws -> [Scenario] {
        var scenarios: [Scenario] = []
        for raw in text.split(separator: "\n") {
            let line = String(raw.drop { $0 == " " })
            if line.hasPrefix("# ") {
                scenarios.append(Scenario(name: String(line.dropFirst(2))))
            } else if !line.isEmpty {
                guard !scenarios.isEmpty else { throw ScenarioError(description: "no name: \(line)") }
                try scenarios[scenarios.count - 1].add(line)
            }
        }
        return scenarios
    }

    private mutating func add(_ line: String) throws {
        var words = Words(line)
        if words.take("check") {
            try expectations.append(expectation(&words))
        } else {
            let time = try words.time()
            let sequence = UInt64(entries.count + 1)
            if words.take("catalogue") {
                let change = try Self.change(&words)
                entries.append(Entry(sequence: sequence, recordedAt: time, content: .change(change)))
            } else {
                let subject = try words.subject()
                var event = ConsentEvent(kind: try words.kind(), occurredAt: time, recordedAt: time)
                event.sequence = sequence
                event.contactKind = subject.kind
                event.controller = subject.controller
                try Self.fill(&event, &words)
                entries.append(
                    Entry(sequence: sequence, recordedAt: event.recordedAt, content: .act(subject, event)))
            }
        }
        try words.finish()
    }

    private static func fill(_ event: inout ConsentEvent, _ words: inout Words) throws {
        if let channels = words.channels() { event.channels = channels }
        if let purposes = words.purposes() { event.purposes = purposes }
        while let word = words.next() {
            switch word {
            case "recorded": event.recordedAt = try words.time()
            case "until": event.validityDay = try words.time().day
            case "keep": event.retentionDay = try words.time().day
            case "notice": event.noticeOrdinal = UInt16(try words.number())
            case "import": event.via = .import
            case "keyword": event.source = .smsKeyword
            case "of": event.refersTo = try words.number() + UInt64(opening.count)
            case "widget": event.source = .widget
            case "asked":
                event.lapseDay = try words.time().day
                event.pendingChannels = event.channels
            default: throw ScenarioError(description: "'\(word)' in: \(words.line)")
            }
        }
    }

    private static func change(_ words: inout Words) throws -> Entry.Change {
        switch words.next() {
        case "close": return .close(try words.controller())
        case "retire": return .retire(try words.purpose())
        case "add":
            let purpose = try words.purpose()
            return .add(purpose, words.take("service") ? .service : .marketing)
        case "invalidate":
            let notice = UInt16(try words.number())
            return .invalidate(notice: notice, from: words.take("from") ? try words.time() : .epoch)
        default: throw ScenarioError(description: "change in: \(words.line)")
        }
    }

    private func expectation(_ words: inout Words) throws -> Expectation {
        let time = try words.time()
        let subject = try words.subject()
        let channel = try words.channel()
        let purpose = try words.purpose()
        var question = Question(subject: subject, channel: channel, purpose: purpose, at: time)
        var isPast = false
        while let word = words.next(), word != "->" {
            switch word {
            case "class":
                guard let name = words.next(),
                    let stated = PurposeClass.allCases.first(where: { "\($0)" == name })
                else { throw ScenarioError(description: "class in: \(words.line)") }
                question.purposeClass = stated
            case "known":
                isPast = true
                question.known = try words.knowledge(openingCount: Self.opening.count)
            default: throw ScenarioError(description: "'\(word)' in: \(words.line)")
            }
        }
        guard let name = words.next(), let reason = Reason.allCases.first(where: { "\($0)" == name }) else {
            throw ScenarioError(description: "no reason in: \(words.line)")
        }
        return Expectation(
            line: words.line, question: question, isPast: isPast, reason: reason, entryCount: entries.count)
    }
}

/// The words of a line, read from the left.
struct Words {
    let line: String
    private var rest: [String]

    init(_ line: String) {
        self.line = line
        rest = line.split(separator: " ").map(String.init).reversed()
    }

    mutating func next() -> String? { rest.popLast() }

    mutating func take(_ word: String) -> Bool {
        guard rest.last == word else { return false }
        rest.removeLast()
        return true
    }

    func finish() throws {
        if let word = rest.last { throw ScenarioError(description: "'\(word)' left in: \(line)") }
    }

    private func bad(_ what: String) -> ScenarioError { ScenarioError(description: "\(what) in: \(line)") }

    mutating func number() throws -> UInt64 {
        guard let word = next(), let number = UInt64(word) else { throw bad("no number") }
        return number
    }

    mutating func time() throws -> Timestamp {
        guard let word = next() else { throw bad("no time") }
        let missing = [10: "T00:00:00Z", 16: ":00Z"][word.count] ?? "Z"
        guard let time = Timestamp(rfc3339: word + missing) else { throw bad("time '\(word)'") }
        return time
    }

    mutating func knowledge(openingCount: Int) throws -> Knowledge {
        guard let word = rest.last, word.hasPrefix("#") else { return .time(try time()) }
        rest.removeLast()
        guard let number = UInt64(word.dropFirst()) else { throw bad("number '\(word)'") }
        return .sequence(number + UInt64(openingCount))
    }

    mutating func controller() throws -> ControllerID {
        switch next() {
        case "A": ControllerID(rawValue: 1)
        case "B": ControllerID(rawValue: 2)
        case "nobody": ControllerID(rawValue: 9)
        default: throw bad("controller")
        }
    }

    mutating func subject() throws -> Subject {
        let parts = (next() ?? "").split(separator: "/").map(String.init)
        var name = Words(parts.first ?? "")
        let kind = ContactKind.allCases.first { "\($0)" == parts.last }
        guard parts.count == 2, let kind else { throw bad("subject") }
        return Subject(controller: try name.controller(), kind: kind)
    }

    mutating func kind() throws -> EventKind {
        let name = next() ?? ""
        guard let kind = EventKind.allCases.first(where: { "\($0)" == name }) else { throw bad("kind") }
        return kind
    }

    mutating func channel() throws -> Channel {
        guard let channel = channels()?.named.first else { throw bad("channel") }
        return channel
    }

    mutating func purpose() throws -> PurposeID {
        guard let purpose = purposes()?.named.first else { throw bad("purpose") }
        return purpose
    }

    /// A list of channels, if the next word is one.
    mutating func channels() -> ChannelSet? {
        guard let names = rest.last?.split(separator: ",").map(String.init) else { return nil }
        var channels = ChannelSet()
        for name in names {
            if name == "all" {
                channels.insert(.all)
            } else if let channel = Channel.allCases.first(where: { "\($0)" == name }) {
                channels.insert(ChannelSet([channel]))
            } else {
                return nil
            }
        }
        rest.removeLast()
        return channels
    }

    /// A list of purposes, if the next word is one.
    mutating func purposes() -> PurposeSet? {
        guard let names = rest.last?.split(separator: ",").map(String.init) else { return nil }
        var purposes = PurposeSet()
        for name in names {
            if name == "all" {
                purposes.insert(.all)
            } else if let raw = Scenario.purposes[name], let purpose = PurposeID(rawValue: raw) {
                purposes.insert(PurposeSet([purpose]))
            } else {
                return nil
            }
        }
        rest.removeLast()
        return purposes
    }
}
