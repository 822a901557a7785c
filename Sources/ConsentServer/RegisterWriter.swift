// What the writer thread does with a group of writes.
//
//     1 stage      each job: gate, events, fold             (WriteExecutor)
//     2 commit     one transaction, one fsync                (ConsentRegister)
//     3 publish    states and notices, then the sequence     (ConsentIndex)
//     4 acknowledge, 5 wake the watchers
//
// A job that is refused stages nothing. When the disk is full before the fsync, the whole group is rolled
// back and answered "not executed". When the commit itself fails, nobody knows what is on disk: the group
// fails, marketing is indeterminate from then on, and the process ends; recovery is a restart.

import CPlatform
import ConsentDomain
import ConsentIndex
import ConsentRegister
import Failpoint
import Logging
import WireProtocol

/// Owns the register. Lives on the writer thread.
final class RegisterWriter {
    let register: SQLiteRegister
    let core: ServerCore
    let catalogueHistory = CatalogueHistory()
    /// Kept open, and so locked, as long as the register.
    private let folder: StateFolder
    private var watches: [RegisterStream] = []
    private var lastHeartbeat = consent_monotonic_nanoseconds()
    private var lastHead = consent_monotonic_nanoseconds()
    var snapshot: SnapshotTurn
    private var isFlushing = false
    /// Derived rows that have to be written before grants and imports go on.
    private var owedRows = 0
    private(set) var hasFailed = false
    /// When a destruction that failed may be tried again, in monotonic nanoseconds.
    var nextErasureAttempt: UInt64 = 0
    private var nextComplaint: UInt64 = 0

    /// - Parameter snapshotSequence: of the index snapshot on file; nil: there is none that is of use.
    init(
        folder: consuming StateFolder, register: SQLiteRegister, core: ServerCore, snapshotSequence: UInt64?
    ) {
        snapshot = SnapshotTurn(
            path: "\(core.stateFolder)/\(IndexStart.snapshotName)", sequence: snapshotSequence)
        self.folder = folder
        self.register = register
        self.core = core
    }

    // MARK: Start

    /// What has to be done before the first write: the rest of the replay, and erasures that were cut off.
    func begin() {
        do throws(RegisterError) {
            if !register.isReplayed { try register.replay() }
        } catch {
            return stop("the register cannot be replayed: \(error)", [])
        }
        finishErasuresIfDue()
    }

    // MARK: Writes

    /// Commits jobs, refusals first as they come. What stands alone makes a group of its own.
    func commit(_ jobs: [WriteJob]) {
        var group: [WriteJob] = []
        for job in jobs {
            if job.standsAlone {
                commitGroup(group)
                group.removeAll()
                commitGroup([job])
            } else {
                group.append(job)
            }
        }
        commitGroup(group)
    }

    private func commitGroup(_ jobs: [WriteJob]) {
        guard !jobs.isEmpty else { return }
        guard !hasFailed else { return fail(jobs, "the register failed before: the server is stopping") }
        let before = register.lastSequence
        var watch = Stopwatch()
        var executor = WriteExecutor(
            register: register, core: core, now: core.clock.now,
            eventCountMax: jobs.reduce(0) { $0 + $1.eventCount })
        var completions: [Completion] = []
        completions.reserveCapacity(jobs.count)
        do throws(RegisterError) {
            for job in jobs {
                if job.call.isExpired && !job.isRefusal {
                    completions.append(
                        Completion(
                            job.call, .deadlineExceeded, "the deadline passed before the write began",
                            notExecuted: true))
                } else {
                    completions.append(try executor.execute(job))
                }
            }
            watch.lap(core.metrics.stageTime)
            if executor.stagedCount > 0 { try register.commit() }
        } catch {
            // The register may commit and then find no space to shorten its log: what is committed counts.
            guard case .full = error, register.lastSequence > before else {
                return recover(jobs, from: error)
            }
            complainOfSpace("the write-ahead log stays as it is", error)
        }
        let commitSeconds = watch.lap(core.metrics.commitTime)
        do throws(IndexError) {
            try publish(executor)
        } catch {
            return stop("the index cannot take what was committed: \(error)", jobs)
        }
        if executor.stagedCount > 0 { Failpoint.commitBeforeAck.reached() }
        owe(for: executor.stagedCount)
        core.metrics.writes.count(executor.stagedCount)
        core.metrics.refusals.count(executor.refusedCount)
        let erasures = jobs.filter(\.isErasure)
        Completion.deliver(
            erasures.isEmpty ? completions : zip(jobs, completions).filter { !$0.0.isErasure }.map(\.1))
        if executor.stagedCount > 0 {
            core.metrics.commits.count()
            core.metrics.commitSeconds.record(commitSeconds)
            core.metrics.lastCommit.store(consent_wall_nanoseconds() / 1_000_000_000, ordering: .relaxed)
            wakeWatches()
        }
        watch.lap(core.metrics.publishTime)
        guard !erasures.isEmpty, finishErasures(for: erasures) else { return }
        Completion.deliver(zip(jobs, completions).filter { $0.0.isErasure }.map(\.1))
    }

    /// Makes committed events visible, before anyone is told that they were committed.
    private func publish(_ executor: WriteExecutor) throws(IndexError) {
        guard executor.stagedCount > 0 else { return }
        core.clock.recorded(at: executor.now)
        let changes = executor.changedProfiles
        for place in changes.indices {
            if place + 8 < changes.count { core.index.prefetch(changes[place + 8].slot) }
            try core.index.put(changes[place].slot, profile: changes[place].profile)
        }
        if executor.changedCatalogue { postCatalogue() }
        core.index.publish(sequence: register.lastSequence)
        postFigures()
    }

    /// Shows the register's figures to Stats.
    func postFigures() {
        let figures = RegisterFigures(
            events: register.lastSequence, walBytes: UInt64(register.walBytes),
            derivedSequence: register.derivedSequence, snapshotSequence: snapshot.sequence ?? 0)
        core.registerFigures.withLock { $0 = figures }
    }

    /// Shows the register's catalogue to the event loops and its notices to the index.
    func postCatalogue() {
        let catalogue = register.catalogue
        for notice in catalogue.notices.values where notice.invalidatedFrom != .distantFuture {
            core.index.setNoticeInvalid(ordinal: notice.ordinal, from: notice.invalidatedFrom.microseconds)
        }
        core.board.post(
            CatalogueSnapshot(
                version: core.board.current.version + 1, catalogue: catalogue, keyring: core.keyring))
    }

    func recover(_ jobs: [WriteJob], from error: RegisterError) {
        register.rollback()
        if error.isRetryable {
            complainOfSpace("writes are refused", error)
            return fail(jobs, "\(error)", notExecuted: true)
        }
        stop("the register failed: \(error)", jobs)
    }

    /// Logs a lack of space, once a while: it comes back with every group, and the log may be on that disk.
    private func complainOfSpace(_ message: String, _ error: RegisterError) {
        let now = consent_monotonic_nanoseconds()
        guard now >= nextComplaint else { return }
        nextComplaint = now + 5_000_000_000
        core.logger.error("\(message)", metadata: ["error": "\(error)"])
    }

    /// Nothing can be known any more: marketing is indeterminate, and the process ends.
    func stop(_ message: String, _ jobs: [WriteJob]) {
        hasFailed = true
        core.serving.fail()
        core.logger.critical("stopping", metadata: ["error": "\(message)"])
        fail(jobs, "\(message); the server stops")
        core.onFatalError()
    }

    func fail(_ jobs: [WriteJob], _ message: String, notExecuted: Bool = false) {
        Completion.deliver(
            jobs.map {
                Completion(
                    $0.call, .unavailable, message, notExecuted: notExecuted,
                    retryAfterMicroseconds: notExecuted ? 1_000_000 : 0)
            })
    }

    // MARK: Watches

    /// Adds a watch; it is woken after each commit.
    func add(_ watch: RegisterStream) {
        watches.append(watch)
    }

    private func wakeWatches() {
        guard !watches.isEmpty else { return }
        watches.removeAll { $0.isEnded }
        for watch in watches { watch.schedule(adding: 0) }
    }

    /// Wakes the watches at intervals, so that they say how far they are complete.
    func heartbeat() {
        guard !watches.isEmpty else { return }
        let now = consent_monotonic_nanoseconds()
        guard now &- lastHeartbeat > UInt64(core.limits.heartbeatSeconds) * 1_000_000_000 else { return }
        lastHeartbeat = now
        wakeWatches()
    }

    // MARK: Time

    /// Lets the next start know how late it is.
    func noteTime() {
        guard !hasFailed else { return }
        do throws(RegisterError) {
            try register.noteTime(core.clock.now)
        } catch {
            stop("the register cannot note the time: \(error)", [])
        }
    }

    // MARK: Heads

    /// Keeps a signed head at intervals.
    func keepHeadIfDue() {
        let now = consent_monotonic_nanoseconds()
        guard now &- lastHead > UInt64(core.limits.headSeconds) * 1_000_000_000 else { return }
        lastHead = now
        keepHead()
    }

    private func keepHead() {
        guard !hasFailed else { return }
        do throws(RegisterError) {
            try register.keepHead(now: core.clock.now)
        } catch {
            if error.isFatal { return stop("the register failed: \(error)", []) }
            core.logger.error("a head was not kept", metadata: ["error": "\(error)"])
        }
    }

    // MARK: Derived rows

    /// Whether a flush or a snapshot was begun and can go on.
    var wantsToRun: Bool { isFlushing || owesRows || snapshot.wantsToRun }

    /// Whether so much is not flushed that it must go on while writes come.
    var isFlushUrgent: Bool {
        owesRows || register.dirtyCount > max(core.limits.dirtyContactsMax, dirtyShare)
    }

    private var dirtyShare: Int { core.index.recipientCount * core.limits.dirtyContactsPercentMax / 100 }

    /// Whether derived rows have to be written before grants and imports go on. Refusals never wait for it.
    var owesRows: Bool { owedRows > 0 && !hasFailed }

    /// Notes what a group has made necessary: an event has three derived rows, and one more is paid, so that
    /// what is being written is complete before as much has come again.
    private func owe(for eventCount: Int) {
        guard register.dirtyCount > max(core.limits.dirtyContactsLimit, 2 * dirtyShare) else {
            return owedRows = 0
        }
        owedRows += 4 * eventCount
    }

    /// Writes a part of the derived rows.
    /// - Parameter isIdle: whether nothing waits for the end of the step.
    func flushStep(isIdle: Bool) {
        guard !hasFailed, isFlushing || register.dirtyCount > 0 else { return }
        let microseconds =
            isIdle || owesRows ? core.limits.flushStepMicroseconds : core.limits.readStepMicroseconds
        let before = register.derivedRowCount
        var watch = Stopwatch()
        defer { watch.lap(core.metrics.flushTime) }
        do throws(RegisterError) {
            // While nothing waits a step may be long, and ends as soon as something does.
            isFlushing = try !register.flushDerived(
                budget: .microseconds(microseconds), until: { isIdle && core.pipeline.hasWaitingWrites })
            owedRows = isFlushing ? max(0, owedRows - Int(register.derivedRowCount - before)) : 0
            postFigures()
        } catch {
            isFlushing = false
            owedRows = 0
            if error.isFatal { return stop("the register failed: \(error)", []) }
            complainOfSpace("derived rows were not written; trying again later", error)
        }
    }

    /// Moves the write-ahead log to the database when it has grown; after the acknowledgements, not before
    /// them.
    func checkpointIfDue() {
        guard !hasFailed else { return }
        var watch = Stopwatch()
        defer { watch.lap(core.metrics.flushTime) }
        do throws(RegisterError) {
            if try register.checkpointIfDue() { postFigures() }
        } catch {
            if case .full = error {
                complainOfSpace("the write-ahead log stays as it is", error)
            } else {
                stop("the register failed: \(error)", [])
            }
        }
    }

    /// Flushes what can be flushed in time and closes the register.
    func close() {
        let deadline = consent_monotonic_nanoseconds() + UInt64(core.limits.stopFlushSeconds) * 1_000_000_000
        isFlushing = register.dirtyCount > 0
        while isFlushing && consent_monotonic_nanoseconds() < deadline {
            flushStep(isIdle: true)
            checkpointIfDue()
            isFlushing = isFlushing || (register.dirtyCount > 0 && !hasFailed)
        }
        keepHead()
        writeLastSnapshot()
        do throws(RegisterError) {
            try register.checkpoint(truncating: true)
        } catch {
            core.logger.error("the write-ahead log stays as it is", metadata: ["error": "\(error)"])
        }
    }
}
