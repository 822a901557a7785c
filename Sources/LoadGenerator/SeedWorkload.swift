// Seeding: writes the population's events, one request each, or a thousand rows of an import.
//
// Order does not matter to the final state (see Population), so requests are pipelined freely. Event ids
// follow from the population: seeding again, or going on after an interruption, repeats events and changes
// nothing. Requests are encoded from plain values here, with allocations: the server's disk is the slower
// side.

import Synchronization
import WireProtocol

/// How far a seeding is; shared by all connections.
package final class SeedProgress: Sendable {
    private let recorded = Atomic<Int>(0)
    private let repeated = Atomic<Int>(0)
    private let failure = Mutex<(status: Status, message: String)?>(nil)

    /// Nothing done yet.
    package init() {}

    /// Requests (or rows) recorded now.
    package var recordedCount: Int { recorded.load(ordering: .relaxed) }
    /// Requests (or rows) that had been recorded before.
    package var repeatedCount: Int { repeated.load(ordering: .relaxed) }
    /// The first answer that means that seeding cannot go on.
    package var firstFailure: (status: Status, message: String)? { failure.withLock { $0 } }

    func add(recorded count: Int, repeated again: Int) {
        recorded.add(count, ordering: .relaxed)
        repeated.add(again, ordering: .relaxed)
    }

    func fail(_ status: Status, _ message: String) {
        failure.withLock { if $0 == nil { $0 = (status, message) } }
    }

    var hasFailed: Bool { failure.withLock { $0 != nil } }
}

/// One event of a person, for all of their contact points.
package struct SeedEvent: Hashable, Sendable {
    /// Number of the person's first contact point.
    package var person: Int
    /// 0: first grant or refusal; 1: second grant; 2: withdrawal.
    package var ordinal: Int
}

/// The events of the persons in a range of recipients, in order.
package struct SeedEvents: Sequence, IteratorProtocol, Sendable {
    private let population: Population
    private let end: Int
    private var person: Int
    private var ordinal = 0

    /// - Parameters:
    ///   - population: whose events.
    ///   - range: numbers of recipients; persons count by their first contact point.
    package init(population: Population, range: Range<Int>) {
        self.population = population
        person = range.lowerBound
        end = range.upperBound
    }

    package mutating func next() -> SeedEvent? {
        while person < end {
            let current = SeedEvent(person: person, ordinal: ordinal)
            let exists =
                population.kind(of: person) == .email && hasEvent(population.consents(of: person), ordinal)
            ordinal += 1
            if ordinal == 3 || population.kind(of: person) == .phone {
                ordinal = 0
                person += 1
            }
            if exists { return current }
        }
        return nil
    }

    private func hasEvent(_ consents: PersonConsents, _ ordinal: Int) -> Bool {
        switch ordinal {
        case 0: consents.first != nil || consents.denial != nil
        case 1: consents.second != nil
        default: consents.first != nil && consents.denial != nil
        }
    }
}

/// One connection's share of a seeding.
package final class SeedWorkload: Workload {
    /// Rows of one import request.
    package static let rowsPerImport = 1_000

    private let population: Population
    private let notice: Wire.Bytes32
    private let isBulk: Bool
    private let progress: SeedProgress
    private var events: SeedEvents
    private var waiting: [[SeedEvent]] = []
    private var sent: [[SeedEvent]]

    /// - Parameters:
    ///   - population: what is written.
    ///   - notice: id of the notice that everyone was shown, 32 bytes.
    ///   - range: recipients of this connection's share.
    ///   - inFlight: requests in flight.
    ///   - isBulk: import requests instead of durable single grants.
    ///   - progress: where to count.
    package init(
        population: Population, notice: Wire.Bytes32, range: Range<Int>, inFlight: Int, isBulk: Bool,
        progress: SeedProgress
    ) {
        self.population = population
        self.notice = notice
        self.isBulk = isBulk
        self.progress = progress
        events = SeedEvents(population: population, range: range)
        sent = Array(repeating: [], count: inFlight)
    }

    package func appendRequest(slot: Int, stream: UInt32, to writer: inout FrameWriter) -> Bool {
        guard !progress.hasFailed else { return false }
        let batch = waiting.popLast() ?? events.prefix(upTo: isBulk ? SeedWorkload.rowsPerImport : 1)
        guard let first = batch.first else { return false }
        sent[slot] = batch
        if isBulk {
            let frame = writer.beginFrame(.request, code: Wire.Method.`import`.rawValue, stream: stream)
            Wire.ImportRequest(rows: batch.map(row)).encode(into: &writer)
            writer.endFrame(frame)
        } else {
            append(first, stream: stream, to: &writer)
        }
        return true
    }

    package func judge(slot: Int, status: Status, payload: RawSpan) -> Reply {
        let batch = sent[slot]
        sent[slot] = []
        switch status {
        case .ok: return isBulk ? judgeImport(payload) : judgeWrite(payload)
        case .resourceExhausted, .aborted:
            waiting.append(batch)
            return .retry
        default:
            let detail = try? Wire.ErrorDetail(decoding: payload)
            let refusals = (detail?.refusals ?? []).map(\.sentence)
            progress.fail(status, ([detail?.message ?? ""] + refusals).joined(separator: " "))
            return .failed
        }
    }

    // MARK: Answers

    private func judgeWrite(_ payload: RawSpan) -> Reply {
        guard let answer = try? Wire.WriteResponse(decoding: payload) else { return .failed }
        guard answer.status == .recorded || answer.status == .repeated else {
            progress.fail(.failedPrecondition, answer.refusals.map(\.sentence).joined(separator: " "))
            return .failed
        }
        let isNew = answer.status == .recorded
        progress.add(recorded: isNew ? 1 : 0, repeated: isNew ? 0 : 1)
        return .answered(units: 1, wrong: 0)
    }

    private func judgeImport(_ payload: RawSpan) -> Reply {
        guard let answer = try? Wire.ImportResponse(decoding: payload) else { return .failed }
        guard answer.refused == 0 && answer.unproven == 0 else {
            let sentences = (answer.issues.first?.refusals ?? []).map(\.sentence)
            progress.fail(
                .failedPrecondition,
                "\(answer.refused + answer.unproven) rows were not recorded as they stand: "
                    + sentences.joined(separator: " "))
            return .failed
        }
        progress.add(recorded: Int(answer.recorded), repeated: Int(answer.repeated))
        return .answered(units: Int(answer.recorded + answer.repeated), wrong: 0)
    }

    // MARK: Requests

    private func append(_ event: SeedEvent, stream: UInt32, to writer: inout FrameWriter) {
        let row = row(event)
        let method =
            switch row.kind {
            case .grant: Wire.Method.grant
            case .withdraw: Wire.Method.withdraw
            default: Wire.Method.refuse
            }
        let frame = writer.beginFrame(.request, code: method.rawValue, stream: stream)
        if row.kind == .grant {
            Wire.GrantRequest(
                eventId: row.eventId, controller: row.controller, contacts: row.contacts,
                channels: row.channels, purposes: row.purposes, notice: notice, source: row.source,
                act: row.act, occurredAt: row.occurredAt
            ).encode(into: &writer)
        } else {
            Wire.RefusalRequest(
                eventId: row.eventId, controller: row.controller, contacts: row.contacts,
                channels: row.channels, purposes: row.purposes, source: row.source,
                occurredAt: row.occurredAt
            ).encode(into: &writer)
        }
        writer.endFrame(frame)
    }

    /// An event as a row of an import, which has every field that a single request needs.
    private func row(_ event: SeedEvent) -> Wire.ImportRow {
        let consents = population.consents(of: event.person)
        let contacts = [event.person] + (population.secondContact(of: event.person).map { [$0] } ?? [])
        let channels = contacts.map { Wire.Channel(rawValue: population.kind(of: $0).channel) }
        var row = Wire.ImportRow(
            controller: population.controller(of: event.person),
            contacts: contacts.map { number in
                Wire.WriteContact(
                    kind: Wire.ContactKind(rawValue: population.kind(of: number).rawValue),
                    address: population.address(of: number, space: .seeded))
            },
            source: Wire.Source.widget,
            eventId: Wire.Bytes16(population.eventID(person: event.person, ordinal: event.ordinal)))
        let grant = event.ordinal == 0 ? consents.first : event.ordinal == 1 ? consents.second : nil
        if let grant {
            row.kind = .grant
            row.channels = channels
            row.purposes = SeedWorkload.list(grant.purposes)
            row.notice = notice
            row.act = .tickedBox
            row.occurredAt = grant.occurredAt
        } else if let denial = consents.denial {
            row.kind = denial.isRefusal ? .refuse : .withdraw
            // Nothing named means everything; one purpose is named with the channels that the person has.
            row.channels = denial.purposes == 0 ? [] : channels
            row.purposes = SeedWorkload.list(denial.purposes)
            row.occurredAt = denial.occurredAt
        }
        return row
    }

    private static func list(_ purposes: UInt8) -> [UInt8] {
        (1...7).filter { purposes & 1 << $0 != 0 }
    }
}

extension SeedEvents {
    /// Takes the next so many events, fewer at the end.
    package mutating func prefix(upTo count: Int) -> [SeedEvent] {
        var taken: [SeedEvent] = []
        while taken.count < count, let event = next() { taken.append(event) }
        return taken
    }
}
