// The index: every (controller, contact point) with its flattened state, in memory, for checks.
//
//     key ──► SlotTable ──► ProfileTable ──► outcome ──► NoticeValidity ──► reason
//                 └──────── OverflowTable ──────┘
//
// Many readers, one writer. Readers take no lock, allocate nothing and never wait for the writer; each file's
// opening comment proves its part. The writer's methods must be called by one thread at a time, in the order
// of the register's events. Nothing here knows the register, from which the index can be rebuilt at any time;
// a copy of it can be kept in a file (IndexSnapshot.swift).
//
// Invariant: a check that starts after `publishedSequence` was seen as S answers with every change made
// before `publish(sequence: S)`, perhaps with later ones.

import CPlatform
import ConsentDomain

/// The index. See the opening comment of this file.
public final class ConsentIndex: @unchecked Sendable {
    // MARK: Anyone's
    private let gate: ReaderGate
    private let kernel: CheckKernel
    private let counters: IndexCounters

    // MARK: The writer's
    @exclusivity(unchecked) var slots: SlotTable
    @exclusivity(unchecked) var profiles: ProfileTable
    @exclusivity(unchecked) private(set) var overflow: OverflowTable
    private var notices: NoticeValidity
    @exclusivity(unchecked) private var publication: IndexPublication
    /// Unreachable since the current grace period began at the latest.
    @exclusivity(unchecked) private var waiting = RetiredMemory()
    /// Unreachable since later.
    @exclusivity(unchecked) private var retired = RetiredMemory()
    let maxCapacity: Int
    @exclusivity(unchecked) private var writes: UInt = 0

    /// Makes an empty index.
    /// - Throws: `IndexError.memoryRefused` where the system gives no address range or memory.
    public init(configuration: IndexConfiguration = .init()) throws(IndexError) {
        slots = try SlotTable(
            initialCapacity: configuration.initialCapacity, maxCapacity: configuration.maxCapacity,
            hugePages: configuration.hugePages)
        profiles = try ProfileTable(
            limit: min(max(configuration.profileLimit, 0), IndexConfiguration.profileLimitMax),
            hugePages: configuration.hugePages)
        overflow = OverflowTable()
        notices = try NoticeValidity()
        publication = IndexPublication()
        maxCapacity = max(configuration.maxCapacity, configuration.initialCapacity)
        gate = publication.gate
        kernel = CheckKernel(
            slots: slots.reader, profiles: profiles.reader, overflow: overflow.reader, notices: notices.reader
        )
        counters = IndexCounters()
        count()
    }

    deinit {
        counters.deallocate()
        waiting.freeBlocks()
        retired.freeBlocks()
    }

    // MARK: - Readers: any thread

    /// The last sequence given to `publish`, 0 before.
    public var publishedSequence: UInt64 { gate.publishedSequence }

    /// Answers one question about many recipient keys of one controller.
    /// - Parameters:
    ///   - keys: `count` × 16 bytes, each the low then the high half of a recipient key, little-endian;
    ///     any alignment.
    ///   - count: 0 or more.
    ///   - constant: the controller's constant, XORed into each key.
    ///   - query: channel 1…8, purpose 1…63, class and time.
    ///   - reasons: room for `count` raw values of `Reason`; 1 and 2 allow.
    ///   - untilDays: room for `count` days; for reason 1 the day at whose start the consent ends
    ///     (0: no end), else 0.
    public func check(
        keys: UnsafeRawPointer, count: Int, constant: SlotKey, query: CheckQuery,
        reasons: UnsafeMutablePointer<UInt8>, untilDays: UnsafeMutablePointer<UInt16>
    ) {
        let counter = gate.enter()
        kernel.run(
            KeyColumn(keys: keys, constant: constant, common: query), count: count, reasons: reasons,
            untilDays: untilDays)
        gate.leave(counter)
    }

    /// Answers questions that arrived together and have only the time in common.
    /// - Parameters:
    ///   - queries: `count` questions, their keys with the controller's constant mixed in.
    ///   - count: 0 or more.
    ///   - today: UTC day of `now`.
    ///   - now: microseconds since the Unix epoch.
    ///   - reasons: as above.
    ///   - untilDays: as above.
    public func check(
        queries: UnsafePointer<SlotQuery>, count: Int, today: UInt16, now: Int64,
        reasons: UnsafeMutablePointer<UInt8>, untilDays: UnsafeMutablePointer<UInt16>
    ) {
        let counter = gate.enter()
        kernel.run(
            QueryList(queries: queries, today: today, now: now), count: count, reasons: reasons,
            untilDays: untilDays)
        gate.leave(counter)
    }

    /// What is on file for one cell; nil if the contact point is unknown.
    /// - Parameters:
    ///   - channel: raw value, 1…8.
    ///   - purpose: raw value, 1…63.
    public func outcome(_ key: SlotKey, channel: UInt8, purpose: UInt8) -> CellOutcome? {
        let counter = gate.enter()
        defer { gate.leave(counter) }
        return kernel.outcome(low: key.low, high: key.high, channel: channel, purpose: purpose)
    }

    /// Contact points of all controllers; exact when the writer rests.
    public var recipientCount: Int { counters.load(.recipients) }

    /// Whether the contact point is known.
    public func contains(_ key: SlotKey) -> Bool {
        kernel.slots.find(low: key.low, tag: SlotWord.tag(ofHigh: key.high)) != 0
    }

    /// Microseconds from which a notice is invalid; `.max`: never.
    public func noticeInvalidFrom(ordinal: UInt16) -> Int64 { kernel.notices.invalidFrom(ordinal) }

    /// Counts and bytes, measured now. Takes a millisecond or so: it asks the system what is in memory.
    public var statistics: IndexStatistics {
        var statistics = counters.read()
        let slotBytes = counters.load(.slotBytes)
        let arenaBytes = counters.load(.arenaBytes)
        let heapBytes = counters.load(.heapBytes)
        let slots = MemoryRegion.measure(kernel.slots.base, byteCount: slotBytes)
        let arena = MemoryRegion.measure(kernel.profiles.base, byteCount: arenaBytes)
        let notices = MemoryRegion.measure(kernel.notices.base, byteCount: NoticeValidity.byteCount)
        statistics.mappedBytes = slotBytes + arenaBytes + NoticeValidity.byteCount + heapBytes
        statistics.touchedBytes = slots.touched + arena.touched + notices.touched + heapBytes
        statistics.hugePageBytes = slots.huge + arena.huge + notices.huge
        return statistics
    }

    // MARK: - Writer: one thread at a time

    /// Makes room for `count` recipients in all, at once. For the start, before a bulk of puts.
    /// - Throws: `IndexError.memoryRefused`; the index is as before.
    public func reserve(_ count: Int) throws(IndexError) {
        try slots.reserve(count)
        self.count()
    }

    /// Goes on for a short step with a growth that is under way, which writes would do otherwise. For times
    /// when none come: a snapshot needs slots that stay where they are.
    /// - Returns: whether there is more to do.
    public func continueGrowth() -> Bool {
        defer { count() }
        return slots.continueGrowth()
    }

    /// Asks for the memory that a later `put` of this key needs. For bulk loads: some 8 to 32 keys ahead.
    public func prefetch(_ key: SlotKey) {
        consent_prefetch_write(slots.reader.line(slots.map.home(key.low)))
    }

    /// Inserts a contact point, or replaces its profile.
    /// - Throws: `IndexError.full`; the index is as before. Whoever keeps answering then must not say yes for
    ///   this key.
    public func put(_ key: SlotKey, profile: ContactProfile) throws(IndexError) {
        let error: IndexError? = profile.record.withUnsafeBytes { bytes in
            write(key, record: bytes, anchorDay: profile.anchorDay)
        }
        if let error { throw error }
    }

    /// The same from a record's bytes, which are copied.
    /// - Throws: as above.
    public func put(_ key: SlotKey, record: UnsafeRawBufferPointer, anchorDay: UInt16) throws(IndexError) {
        if let error = write(key, record: record, anchorDay: anchorDay) { throw error }
    }

    /// Makes a notice invalid from a time on, for every grant under it.
    /// - Parameters:
    ///   - ordinal: 1…65,535.
    ///   - from: microseconds since the Unix epoch; `.min`: from the beginning; `.max`: valid again.
    public func setNoticeInvalid(ordinal: UInt16, from: Int64) {
        precondition(ordinal != 0, "ordinal 0 means no notice")
        notices.set(ordinal, invalidFrom: from)
    }

    /// Declares every change up to a sequence visible.
    public func publish(sequence: UInt64) {
        publication.publish(sequence: sequence)
    }

    // MARK: - Parts

    private func write(_ key: SlotKey, record: UnsafeRawBufferPointer, anchorDay: UInt16) -> IndexError? {
        let tag = SlotWord.tag(ofHigh: key.high)
        writes &+= 1
        if writes & 31 == 0 { reclaim() }
        slots.advance()
        if let offset = slots.locate(low: key.low, tag: tag) {
            replace(at: offset, key: key, record: record, anchorDay: anchorDay)
        } else {
            let home = slots.map.home(key.low)
            guard let offset = slots.freeSlot(home: home) else {
                return .full(recipients: slots.recipients, maxCapacity: maxCapacity)
            }
            let profile = reference(for: key, record: record, anchorDay: anchorDay, replacing: nil)
            slots.fill(
                offset: offset, home: home, key: key.low,
                value: SlotWord.make(profile: profile, day: anchorDay, tag: tag))
            slots.countRecipient()
        }
        count()
        return nil
    }

    private func replace(at offset: Int, key: SlotKey, record: UnsafeRawBufferPointer, anchorDay: UInt16) {
        let old = UInt32(truncatingIfNeeded: slots.value(at: offset) & SlotWord.profileMask)
        let isInOverflow = old == UInt32(ProfileReader.overflowReference)
        let profile = reference(
            for: key, record: record, anchorDay: anchorDay, replacing: isInOverflow ? nil : old)
        slots.replace(
            at: offset,
            value: SlotWord.make(profile: profile, day: anchorDay, tag: SlotWord.tag(ofHigh: key.high)))
        // Only now that no slot refers to the old profile for this key may it go.
        if isInOverflow {
            if profile != old { overflow.remove(low: key.low, high: key.high, retired: &retired.blocks) }
        } else if profiles.release(old) {
            retired.profiles.append(old)
        }
    }

    /// A profile with this record, or the overflow reference once the overflow table has it.
    private func reference(
        for key: SlotKey, record: UnsafeRawBufferPointer, anchorDay: UInt16, replacing replaced: UInt32?
    ) -> UInt32 {
        if let profile = profiles.intern(record, replacing: replaced) { return profile }
        overflow.put(
            low: key.low, high: key.high, anchorDay: anchorDay, record: record, retired: &retired.blocks)
        return UInt32(ProfileReader.overflowReference)
    }

    /// Frees what no reader can reach any more, and starts the next grace period. Never waits.
    private func reclaim() {
        if !waiting.isEmpty {
            guard publication.pollGracePeriod() else { return }
            for profile in waiting.profiles { profiles.reclaim(profile) }
            waiting.profiles.removeAll(keepingCapacity: true)
            waiting.freeBlocks()
        }
        guard !retired.isEmpty else { return }
        swap(&waiting, &retired)
        publication.beginGracePeriod()
    }

    func count() {
        counters.store(.recipients, slots.recipients)
        counters.store(.profiles, profiles.count)
        counters.store(.overflowEntries, overflow.count)
        counters.store(.slots, Int(slots.lines) * 4)
        counters.store(.displacementMax, Int(slots.displacementMax))
        counters.store(.slotBytes, slots.region.committed)
        counters.store(.arenaBytes, profiles.region.committed)
        counters.store(.heapBytes, profiles.tableByteCount + overflow.byteCount + ReaderGate.byteCount)
    }
}

/// Memory that no shared word refers to any more.
private struct RetiredMemory {
    var profiles: [UInt32] = []
    var blocks: [UnsafeMutableRawPointer] = []

    var isEmpty: Bool { profiles.isEmpty && blocks.isEmpty }

    mutating func freeBlocks() {
        for block in blocks { block.deallocate() }
        blocks.removeAll(keepingCapacity: true)
    }
}

/// The writer's counts, for anyone to read.
private struct IndexCounters: @unchecked Sendable {
    enum Name: Int, CaseIterable {
        case recipients, profiles, overflowEntries, slots, displacementMax, slotBytes, arenaBytes, heapBytes
    }

    private let base: UnsafeMutableRawPointer

    init() {
        base = UnsafeMutableRawPointer.allocate(byteCount: Name.allCases.count * 8, alignment: 64)
        base.initializeMemory(as: UInt8.self, repeating: 0, count: Name.allCases.count * 8)
    }

    func deallocate() { base.deallocate() }

    func store(_ name: Name, _ value: Int) {
        consent_atomic_store_relaxed_u64(base + name.rawValue * 8, UInt64(value))
    }

    func load(_ name: Name) -> Int { Int(consent_atomic_load_relaxed_u64(base + name.rawValue * 8)) }

    func read() -> IndexStatistics {
        var statistics = IndexStatistics()
        statistics.recipients = load(.recipients)
        statistics.profiles = load(.profiles)
        statistics.overflowEntries = load(.overflowEntries)
        statistics.slots = load(.slots)
        statistics.displacementMax = load(.displacementMax)
        return statistics
    }
}
