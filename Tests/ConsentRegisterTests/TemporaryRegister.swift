// What the tests of this module share: a register in a folder of its own, plausible events, and a model
// that answers the register's look-ups from a plain list of events.

import CSQLite
import CScrub
import ConsentDomain
import ConsentProof
import ConsentRegister
import Foundation
import TestRandomness

/// A folder that is deleted with this value.
final class TemporaryFolder {
    let path: String

    init() throws {
        path = NSTemporaryDirectory() + "consent-register-" + UUID().uuidString
        try FileManager.default.createDirectory(
            atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func file(_ name: String) -> String { path + "/" + name }

    /// Changes a file's bytes in place.
    func patch(_ name: String, _ change: (inout Data) -> Void) throws {
        var data = try Data(contentsOf: URL(fileURLWithPath: file(name)))
        change(&data)
        try data.write(to: URL(fileURLWithPath: file(name)))
    }
}

/// The keys of all test registers.
struct TestKeys {
    let keyring: RecipientKeyring
    let logKey: LogSigningKey

    init(secretByte: UInt8 = 7, logByte: UInt8 = 9) throws {
        keyring = try RecipientKeyring(secret: [UInt8](repeating: secretByte, count: 32), epoch: 1)
        guard let key = LogSigningKey(seed: [UInt8](repeating: logByte, count: 32)) else {
            throw CocoaError(.coderInvalidValue)
        }
        logKey = key
    }
}

/// A register that can be closed and opened again.
final class TestRegister {
    let folder: TemporaryFolder
    let keys: TestKeys
    var options = RegisterOptions()
    private var open: SQLiteRegister?

    init(isTest: Bool = false, isSealed: Bool = true) throws {
        folder = try TemporaryFolder()
        keys = try TestKeys()
        try SQLiteRegister.create(
            path: path, keyring: keys.keyring, logKey: keys.logKey, isTestRegister: isTest,
            isSealed: isSealed)
        try reopen()
    }

    var path: String { folder.file("register.db") }

    /// The open register; opened where it is not.
    var register: SQLiteRegister {
        get throws {
            if let open { return open }
            return try reopen()
        }
    }

    func close() { open = nil }

    @discardableResult
    func reopen() throws -> SQLiteRegister {
        open = nil
        let register = try SQLiteRegister(
            path: path, keyring: keys.keyring, logKey: keys.logKey, options: options)
        open = register
        return register
    }

    /// Runs SQL on the closed register with a plain connection.
    func runSQL(_ sql: String) throws {
        close()
        try rawSQL(path, sql)
    }
}

/// SQLite's own words for a statement that failed.
struct SQLFailure: Error, CustomStringConvertible {
    var description: String
}

/// Runs SQL through the register's file layer, so that what it changes is sealed.
func rawSQL(_ path: String, _ sql: String) throws {
    var handle: OpaquePointer?
    defer { sqlite3_close(handle) }
    let flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE
    func failure() -> SQLFailure { SQLFailure(description: String(cString: sqlite3_errmsg(handle))) }
    guard sqlite3_open_v2(path, &handle, flags, consent_scrub_vfs()) == SQLITE_OK else { throw failure() }
    guard sqlite3_exec(handle, sql, nil, nil, nil) == SQLITE_OK else { throw failure() }
}

/// Makes events about numbered people.
struct EventMaker {
    let keyring: RecipientKeyring
    var generator: SeededGenerator
    private var count: UInt64 = 0

    init(_ keys: TestKeys, seed: UInt64) {
        keyring = keys.keyring
        generator = SeededGenerator(seed: seed)
    }

    func recipientKey(_ person: Int, controller: UInt32 = 1) -> RecipientKey {
        let address = [UInt8]("person\(person)@example.com".utf8)
        return address.withUnsafeBytes {
            keyring.recipientKey(controller: ControllerID(rawValue: controller), kind: .email, normalised: $0)
        }
    }

    func slot(_ person: Int, controller: UInt32 = 1) -> SlotKey {
        keyring.slotKey(
            recipientKey(person, controller: controller), controller: ControllerID(rawValue: controller))
    }

    mutating func event(
        _ kind: EventKind, person: Int, controller: UInt32 = 1, purpose: UInt8 = 2, reference: String = "",
        id: EventID? = nil
    ) -> ConsentEvent {
        count += 1
        let time = Timestamp(microseconds: 1_750_000_000_000_000 + Int64(count) * 1_000_000)
        var event = ConsentEvent(kind: kind, occurredAt: time, recordedAt: time)
        event.controller = ControllerID(rawValue: controller)
        event.contactKind = .email
        event.keyEpoch = 1
        event.channels = ChannelSet([Channel.email])
        event.purposes = PurposeSet([PurposeID(rawValue: purpose)].compactMap { $0 })
        event.source = .widget
        event.act = .tickedBox
        event.client = "test"
        if kind == .grant {
            event.noticeOrdinal = 1
            event.validityDay = Day(rawValue: UInt16.random(in: 21_000...22_000, using: &generator))
            event.retentionDay = Day(rawValue: 22_500)
        }
        let eventID = id ?? EventID(low: generator.next(), high: generator.next())
        var personal = PersonalPart(
            key: recipientKey(person, controller: controller), eventID: eventID,
            contentMAC: EventID(low: count, high: 1), addressCommitment: .sha256([UInt8(person & 0xFF)]))
        personal.reference = reference
        personal.evidence.userAgent = "browser \(person % 5)"
        event.personal = personal
        return event
    }

    /// Any event about one of `people` people of three controllers.
    mutating func random(people: Int) -> ConsentEvent {
        let kinds: [EventKind] = [
            .grant, .grant, .grant, .withdraw, .refuse, .object, .bounce, .contactSeen, .erase,
        ]
        let kind = kinds[Int.random(in: 0..<kinds.count, using: &generator)]
        let person = Int.random(in: 0..<people, using: &generator)
        return event(
            kind, person: person, controller: UInt32.random(in: 1...3, using: &generator),
            purpose: UInt8.random(in: 1...4, using: &generator),
            reference: person % 3 == 0 ? "customer \(person / 2)" : "")
    }

    mutating func notice(_ text: String) -> ConsentEvent {
        count += 1
        let time = Timestamp(microseconds: 1_750_000_000_000_000 + Int64(count) * 1_000_000)
        var event = ConsentEvent(kind: .noticePut, occurredAt: time, recordedAt: time)
        event.payload =
            Notice(
                locale: "fr-FR", text: text, channels: ChannelSet([Channel.email]),
                purposes: PurposeSet([PurposeID(rawValue: 2)].compactMap { $0 }),
                controllers: [ControllerID(rawValue: 1)]
            ).encoded
        return event
    }
}

/// What a register of these events must answer, worked out event by event and held in plain dictionaries.
struct RegisterModel {
    var events: [ConsentEvent] = []
    var states: [SlotKey: ContactState] = [:]
    var sequences: [SlotKey: [UInt64]] = [:]
    var ids: [EventID: UInt64] = [:]
    var references: [RecipientKey: Set<SlotKey>] = [:]
    var frontier = MerkleFrontier()
    var catalogue = Catalogue()
    /// How often each person was erased.
    var erasureCounts: [Int: Int] = [:]
    let keyring: RecipientKeyring

    init(_ keys: TestKeys) { keyring = keys.keyring }

    mutating func append(_ event: ConsentEvent) {
        events.append(event)
        frontier.append(leafHash: TreeHash.leaf(event.leaf))
        if !event.payload.isEmpty { try? catalogue.apply(event) }
        guard let personal = event.personal, let kind = event.contactKind else { return }
        let slot = keyring.slotKey(personal.key, controller: event.controller)
        states[slot, default: ContactState(controller: event.controller, kind: kind)].apply(event)
        sequences[slot, default: []].append(event.sequence)
        if ids[personal.eventID] == nil { ids[personal.eventID] = event.sequence }
        if !personal.reference.isEmpty {
            references[keyring.referenceKey(controller: event.controller, personal.reference), default: []]
                .insert(slot)
        }
    }
    /// Destroys the personal parts of a contact point's events before an erase event, which is the last one.
    mutating func erase(_ slot: SlotKey, before sequence: UInt64, person: Int) {
        for gone in sequences[slot] ?? [] where gone < sequence {
            let event = events[Int(gone) - 1]
            guard event.kind != .erase, let personal = event.personal else { continue }
            events[Int(gone) - 1].personal = nil
            events[Int(gone) - 1].salt = []
            sequences[slot]?.removeAll { $0 == gone }
            let reference = keyring.referenceKey(controller: event.controller, personal.reference)
            references[reference]?.remove(slot)
        }
        erasureCounts[person, default: 0] += 1
    }
}
