// What is done to a register while its disk fails: grants, refusals, erasures, changes of the catalogue,
// flushes of derived rows, checkpoints, kept heads, backups and restarts, in an order that a seed gives. And
// what the register must hold afterwards, as far as it said so.

import ConsentDomain
import ConsentProof
import ConsentRegister
import Foundation
import TestRandomness

/// A register on a disk, what was done to it, and what it acknowledged.
final class DiskWorkload {
    enum Step: CaseIterable {
        case batch, withdrawal, erasure, notice, flushPart, flush, checkpoint, truncation, head, backup,
            restart
    }

    static let people = 24
    static let later = Timestamp(microseconds: 1_760_000_000_000_000)

    let path: String
    let keys: TestKeys
    var options = RegisterOptions()
    private(set) var maker: EventMaker
    private var random: SeededGenerator
    private(set) var register: SQLiteRegister?
    /// What is acknowledged, and in `models` what it was at the end of each commit, by the last sequence.
    private(set) var model: RegisterModel
    private(set) var models: [UInt64: RegisterModel] = [:]
    /// The commit under way, once it is staged; what it would leave.
    private(set) var attempted: RegisterModel?
    /// Marks in the texts of people whose erasure was acknowledged.
    private(set) var erased = Set<String>()
    private var headCount: Int64 = 0
    /// Called when something is acknowledged.
    var onAcknowledgement: (SQLiteRegister) throws(RegisterError) -> Void = { _ in }

    /// Makes an empty register.
    init(path: String, keys: TestKeys, seed: UInt64) throws(RegisterError) {
        self.path = path
        self.keys = keys
        maker = EventMaker(keys, seed: seed)
        random = SeededGenerator(seed: seed &+ 1)
        model = RegisterModel(keys)
        models[0] = model
        // Small enough that pages leave memory within a commit, and checkpoints come by themselves.
        options.cacheBytes = 32 << 10
        options.checkpointPages = 60
        try SQLiteRegister.create(path: path, keyring: keys.keyring, logKey: keys.logKey)
    }

    /// The register; opened where it is not.
    func opened() throws(RegisterError) -> SQLiteRegister {
        if let register { return register }
        let opened = try SQLiteRegister(
            path: path, keyring: keys.keyring, logKey: keys.logKey, options: options)
        try opened.finishErasures(now: Self.later)
        register = opened
        return opened
    }

    func close() { register = nil }

    /// What a server does with a failure: whoever may be told "not executed" is, or the register is let go.
    /// - Returns: whether the register goes on.
    func recover(from error: RegisterError) -> Bool {
        guard let register else { return false }
        // The register may commit and then find no space for what follows: what is committed counts.
        if case .full = error, let attempted, register.lastSequence == UInt64(attempted.events.count) {
            keep(attempted)
        }
        register.rollback()
        guard error.isRetryable else { return false }
        attempted = nil
        return true
    }

    /// Takes what was attempted for acknowledged.
    func keepAttempted() {
        if let attempted { keep(attempted) }
    }

    private func keep(_ next: RegisterModel) {
        model = next
        models[UInt64(next.events.count)] = next
        attempted = nil
    }

    /// Does a step.
    func run(_ step: Step) throws(RegisterError) {
        if step == .restart { close() }
        let register = try opened()
        switch step {
        case .batch:
            var events: [ConsentEvent] = []
            for _ in 0...random.below(10) { events.append(event()) }
            try commit(events, register)
            try onAcknowledgement(register)
            try register.checkpointIfDue()
        case .withdrawal:
            try commit([maker.event(.withdraw, person: random.below(Self.people))], register)
            try onAcknowledgement(register)
        case .erasure: try erase(register)
        case .notice:
            try commit([maker.notice("Bonjour \(model.events.count)")], register)
            try onAcknowledgement(register)
        case .flushPart: _ = try register.flushDerived(budget: .zero)
        case .flush: while try !register.flushDerived(budget: .seconds(1)) {}
        case .checkpoint: try register.checkpoint(truncating: false)
        case .truncation: try register.checkpoint(truncating: true)
        case .head:
            // Heads are kept by their time.
            headCount += 1
            try register.keepHead(now: Timestamp(microseconds: Self.later.microseconds + headCount))
        case .backup:
            let copy = path + ".backup"
            try? FileManager.default.removeItem(atPath: copy)
            try register.backup(to: copy)
        case .restart: break
        }
    }

    /// A step as a seed gives it: mostly commits.
    func nextStep() -> Step {
        let steps: [Step] =
            Step.allCases + [.batch, .batch, .batch, .withdrawal, .withdrawal, .flushPart, .flush]
        return steps[random.below(steps.count)]
    }

    // MARK: Events

    private func event() -> ConsentEvent {
        let kinds: [EventKind] = [.grant, .grant, .grant, .withdraw, .refuse, .object, .bounce, .contactSeen]
        let person = random.below(Self.people)
        var event = maker.event(
            kinds[random.below(kinds.count)], person: person, purpose: UInt8(1 + random.below(4)),
            reference: person % 3 == 0 ? Self.mark(person, model) : "")
        event.personal?.evidence.userAgent = Self.mark(person, model)
        return event
    }

    /// A text that is found nowhere but in the events of a person up to its erasure.
    private static func mark(_ person: Int, _ model: RegisterModel) -> String {
        "canary-\(person)-\(model.erasureCounts[person, default: 0])-"
    }

    private func commit(_ events: [ConsentEvent], _ register: SQLiteRegister) throws(RegisterError) {
        var next = model
        for event in events { next.append(try register.stage(event).event) }
        attempted = next
        try register.commit()
        keep(next)
    }

    private func erase(_ register: SQLiteRegister) throws(RegisterError) {
        let person = random.below(Self.people)
        var event = maker.event(.erase, person: person)
        event.channels = .all
        event.purposes = .all
        event.personal?.evidence = Evidence()
        let slot = maker.slot(person)
        let mark = Self.mark(person, model)
        var next = model
        let staged = try register.stage(event).event
        next.append(staged)
        next.erase(slot, before: staged.sequence, person: person)
        attempted = next
        try register.commit()
        keep(next)
        try onAcknowledgement(register)
        try register.finishErasures(now: Self.later)
        erased.insert(mark)
        try onAcknowledgement(register)
    }
}
