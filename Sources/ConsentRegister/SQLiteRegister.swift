// The register in one SQLite file: what it holds in memory, how it is made and opened.
//
// A start reads the catalogue, the roots of complete blocks and then only the events after
// `derivedSequence` (SQLiteRegister+Start.swift). Nothing here is proportional to the whole log but one root
// a 256 events.
//
// Invariants: the tree has exactly the committed events; tables and generations together hold what they
// derive; after a failed commit nothing is written any more.

import ConsentDomain
import ConsentProof
import Failpoint

/// How a register is opened.
public struct RegisterOptions: Sendable {
    /// Memory for SQLite's pages, in bytes.
    public var cacheBytes = 64 << 20
    /// Pages in the write-ahead log from which on `checkpointIfDue` moves them to the database.
    public var checkpointPages = 1_000
    /// Contact points in memory from which on a replay writes them to the derived tables before it goes on.
    public var replayDirtyCountMax = 1_000_000
    /// Events that a replay folds between two looks at that count.
    public var replayStepEvents = 4_096
    /// Go on where events at the end were lost (`RegisterError.lostEnd`), as a register that was restored:
    /// under a new incarnation, and with the loss to be accepted.
    public var acceptsLostEnd = false
    /// Leave the events after `derivedSequence` for a call of `replay`, which has to come before all else.
    public var defersReplay = false
    /// For the test of the tests alone: commits that do not wait for the disk lose events with the power.
    package var waitsForDisk = true
    /// Likewise: a start that does not sync what a killed process has left tells of what may still be lost.
    package var settlesLog = true

    /// The defaults.
    public init() {}
}

/// The register in a SQLite file. Confined to one thread at a time; it may be handed from one to another.
public final class SQLiteRegister: RegisterStore, @unchecked Sendable {
    // MARK: Fixed once opened

    let database: Database
    let statements: Statements
    let keyring: RecipientKeyring
    let logKey: LogSigningKey
    let options: RegisterOptions
    /// 16 random bytes, new after each restore.
    public let incarnation: [UInt8]
    /// Whether the register was made for load tests.
    public let isTestRegister: Bool
    /// Size of the write-ahead log, told by SQLite at each commit.
    let writeAheadLog: WriteAheadLog
    /// How far it has come, beside the database.
    let endMark: EndMark

    // MARK: Committed
    // Access to what each event touches is not checked at run time: one thread uses a register.

    /// Sequence of the last committed event; 0: none.
    @exclusivity(unchecked) public internal(set) var lastSequence: UInt64 = 0
    /// Events up to this one are in the derived tables.
    public internal(set) var derivedSequence: UInt64 = 0
    /// When the last committed event was recorded; `.epoch` where there is none.
    @exclusivity(unchecked) public internal(set) var lastRecordedAt = Timestamp.epoch
    /// Whether a backup was restored and its gap is not accepted yet.
    public internal(set) var restorePending: Bool
    @exclusivity(unchecked) var committedCatalogue = Catalogue()
    @exclusivity(unchecked) var tree = LogTree()
    /// Root that the tree had when the derived tables were last complete; nil: they never were.
    var derivedRoot: TreeHash?
    /// Block roots that the derived tables hold.
    var derivedBlockCount: UInt64 = 0
    /// What is staged is in it already.
    @exclusivity(unchecked) var active = Generation()
    /// Places of the derived tables written since the start: contact points, event ids, references, blocks.
    public internal(set) var derivedRowCount: UInt64 = 0
    @exclusivity(unchecked) var frozen: FrozenGeneration?
    /// Complete blocks that were read last, the newest at the end.
    var recentBlocks: [(block: UInt64, tree: BlockTree)] = []
    static let recentBlocksMax = 8
    /// Once it is set nothing is written any more, not even at the end: no sync that failed is tried again.
    @exclusivity(unchecked) var isStopped = false {
        didSet { if isStopped { database.leaveLog() } }
    }
    /// Whether the events after the tables are folded in.
    @exclusivity(unchecked) public internal(set) var isReplayed = false
    /// What `readAhead` has folded: of the events after a sequence.
    var recent: (after: UInt64, contacts: [RecentContact])?
    /// Contact points that the replay will meet for the first time, and the tables do not have.
    var absent = Set<SlotKey>()
    /// Events that were read for the replay, with the hashes of their leaves.
    var ahead: [(event: ConsentEvent, leafHash: TreeHash)] = []
    /// Erase events whose destruction is not done.
    @exclusivity(unchecked) var erasures = ErasureQueue()
    /// Size of the last head that was kept; nil: not read yet.
    var keptHeadSize: UInt64?

    // MARK: Staged

    /// Controllers, purposes and notices, staged changes included.
    @exclusivity(unchecked) public internal(set) var catalogue = Catalogue()
    @exclusivity(unchecked) var staged: [StagedAppend] = []
    @exclusivity(unchecked) var salts = SaltPool()
    @exclusivity(unchecked) var stagedChanges = StagedChanges()

    /// Tells whether a contact point may be on file. Where it answers no, the tables are not asked; to be
    /// set once the index holds all contact points. It must never answer no for one that is on file.
    @exclusivity(unchecked) public var mayExist: ((SlotKey) -> Bool)?

    /// Tells how many contact points are on file, to be noted for the next start.
    public var contactCount: (() -> Int)?
    /// About how many contact points are on file; 0: not known. As it was noted by the last flush.
    public let contactCountHint: Int

    /// What is appended for one event.
    struct StagedAppend {
        let leaf: [UInt8]
        let leafHash: TreeHash
        let recordedAt: Timestamp
        let salt: [UInt8]
        let personal: [UInt8]
        let payload: [UInt8]
        let erasure: PendingErasure?
    }

    /// Opens a register that `create` made, and replays what the derived tables lack.
    /// - Parameters:
    ///   - path: of the database file.
    ///   - keyring: of the recipient key that the register was made with.
    ///   - logKey: the key that signs its heads.
    public init(
        path: String, keyring: RecipientKeyring, logKey: LogSigningKey,
        options: RegisterOptions = RegisterOptions()
    ) throws(RegisterError) {
        let database = try Database(path: path, mode: .existing)
        try database.configure(cacheBytes: options.cacheBytes)
        if !options.waitsForDisk { try database.setSynchronous(false) }
        guard try Migrations.version(of: database) > 0 else { throw .missing(path: path) }
        try Self.armFailpoint(try Meta.readAll(database))
        try Migrations.apply(to: database)
        let meta = try Meta.readAll(database)
        guard var incarnation = meta[.incarnation], incarnation.count == 16 else {
            throw .corrupt("the register has no incarnation")
        }
        guard let check = meta[.recipientCheck], keyring.matches(checkValue: check) else {
            throw .otherRecipientKey
        }
        // The first start after a new key epoch, or after a restore from before it.
        if check != keyring.checkValue { try Meta.write(database, .recipientCheck, keyring.checkValue) }
        guard meta[.logKeyID] == logKey.publicKey.keyID else { throw .otherLogKey }
        guard meta[.sealed] != [1] || database.isSealed else {
            throw .corrupt("the header says that pages have no checksums")
        }
        isTestRegister = meta[.testRegister] == [1]
        let last = UInt64(
            bitPattern: try database.number("SELECT max(seq) FROM event", "reading the last event"))
        let loss = try EndMark.loss(ofRegister: path, incarnation: incarnation, sequence: last)
        if let loss {
            guard options.acceptsLostEnd else {
                // What is behind the end stays in the log, for whoever wants to look at it.
                database.leaveLog()
                throw loss
            }
            incarnation = FileSystem.randomBytes(16)
            try Self.markRestored(database, incarnation)
        }
        self.incarnation = incarnation
        restorePending = loss != nil || meta[.restorePending] == [1]
        let count = meta[.contacts].map { $0.reversed().reduce(0 as UInt64) { $0 << 8 | UInt64($1) } } ?? 0
        // No more than one an event, whatever was written.
        contactCountHint = Int(min(count, last))
        self.keyring = keyring
        self.logKey = logKey
        self.options = options
        writeAheadLog = WriteAheadLog(database)
        if options.settlesLog { try writeAheadLog.settle(database) }
        endMark = try EndMark(ofRegister: path, incarnation: incarnation, sequence: last)
        statements = try Statements(database)
        self.database = database
        lastSequence = last
        try load(derived: meta[.derived])
        try loadErasures()
        if !options.defersReplay { try replay() }
    }

    /// Lets a test end the process at the place that it has named, where the register is one for tests.
    static func armFailpoint(_ meta: [Meta: [UInt8]]) throws(RegisterError) {
        guard Failpoint.arm(isTestRegister: meta[.testRegister] == [1]) else { throw .notForTests }
    }

    /// Makes a new, empty register.
    /// - Parameters:
    ///   - path: of a file that does not exist.
    ///   - isTestRegister: whether load tests may write to it.
    public static func create(
        path: String, keyring: RecipientKeyring, logKey: LogSigningKey, isTestRegister: Bool = false
    ) throws(RegisterError) {
        try create(
            path: path, keyring: keyring, logKey: logKey, isTestRegister: isTestRegister, isSealed: true)
    }

    /// The same, and for tests as it was before pages were sealed.
    package static func create(
        path: String, keyring: RecipientKeyring, logKey: LogSigningKey, isTestRegister: Bool, isSealed: Bool
    ) throws(RegisterError) {
        try FileSystem.create(path, [], permissions: 0o600)
        let database = try Database(path: path, mode: .new)
        if isSealed { try database.seal() }
        try database.configure(cacheBytes: 1 << 20)
        try Migrations.apply(to: database)
        let action = "making the register"
        try database.begin(action)
        try Meta.write(database, .incarnation, FileSystem.randomBytes(16))
        try Meta.write(database, .recipientCheck, keyring.checkValue)
        try Meta.write(database, .logKeyID, logKey.publicKey.keyID)
        try Meta.write(database, .testRegister, [isTestRegister ? 1 : 0])
        try Meta.write(database, .restorePending, [0])
        try Meta.write(database, .sealed, [isSealed ? 1 : 0])
        try database.commit(action)
    }

    /// Number of contact points whose state the derived tables do not hold yet.
    public var dirtyCount: Int { active.slots.count + (frozen?.generation.slots.count ?? 0) }

    /// Number of events staged.
    public var stagedCount: Int { staged.count }

    /// Limits the size of the register's file; growth beyond it fails like a full disk.
    /// - Parameter pages: pages of 4,096 bytes; never less than there are.
    package func limitPages(to pages: Int) throws(RegisterError) {
        _ = try database.number("PRAGMA max_page_count=\(max(1, pages))", "limiting the register's size")
    }

    /// Throws once a commit has failed.
    func requireRunning() throws(RegisterError) {
        guard !isStopped else { throw .stopped }
    }

    /// Runs changes of derived rows in one transaction, which may be lost in a power loss until the next
    /// durable one: they can be made anew.
    func inDerivedTransaction(
        _ action: String, _ body: () throws(RegisterError) -> Void
    ) throws(RegisterError) {
        try requireRunning()
        try setSynchronous(false)
        do throws(RegisterError) {
            try inTransaction(action, body)
        } catch {
            try setSynchronous(true)
            throw error
        }
        try setSynchronous(true)
    }

    private func setSynchronous(_ isFull: Bool) throws(RegisterError) {
        do throws(RegisterError) {
            try database.setSynchronous(isFull && options.waitsForDisk)
        } catch {
            // What the setting is now is not known, and a commit might not be durable.
            isStopped = true
            throw error
        }
    }

    /// Runs changes in one durable transaction; leaves nothing behind on an error.
    func inTransaction(_ action: String, _ body: () throws(RegisterError) -> Void) throws(RegisterError) {
        try requireRunning()
        do throws(RegisterError) {
            try database.begin(action)
            do throws(RegisterError) {
                try body()
            } catch {
                try database.rollback(action)
                // A long transaction begins the log anew, with a sync, before its COMMIT.
                if case .inputOutput(let failure) = error, failure.isFailedSync {
                    throw .commitFailed(failure)
                }
                throw error
            }
            try database.commit(action)
        } catch {
            if error.isFatal { isStopped = true }
            throw error
        }
    }
}

/// The register's statements, compiled once.
struct Statements: ~Copyable {
    let insertEvent: Statement
    let insertPersonal: Statement
    let insertPayload: Statement
    let putState: Statement
    let putEventID: Statement
    let putContactEvent: Statement
    let putReference: Statement
    let putBlock: Statement
    let putMeta: Statement
    let getState: Statement
    let getEventID: Statement
    let getContactEvents: Statement
    let getReference: Statement
    let getEvents: Statement
    let getLeaves: Statement
    let scanStates: Statement

    init(_ database: borrowing Database) throws(RegisterError) {
        let insertEvent = try database.prepare("INSERT INTO event (seq, leaf) VALUES (?1, ?2)")
        let insertPersonal = try database.prepare(
            "INSERT INTO personal (seq, salt, body) VALUES (?1, ?2, ?3)")
        let insertPayload = try database.prepare("INSERT INTO payload (seq, body) VALUES (?1, ?2)")
        let putState = try database.prepare(
            "INSERT INTO state (key, row) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET row = ?2")
        let putEventID = try database.prepare("INSERT OR IGNORE INTO event_id (id, seq) VALUES (?1, ?2)")
        let putContactEvent = try database.prepare(
            "INSERT OR IGNORE INTO contact_event (key, seq) VALUES (?1, ?2)")
        let putReference = try database.prepare("INSERT OR IGNORE INTO reference (ref, key) VALUES (?1, ?2)")
        let putBlock = try database.prepare("INSERT OR REPLACE INTO tree_block (block, root) VALUES (?1, ?2)")
        let putMeta = try database.prepare(Meta.putSQL)
        let getState = try database.prepare("SELECT row FROM state WHERE key = ?1")
        let getEventID = try database.prepare("SELECT seq FROM event_id WHERE id = ?1")
        let getContactEvents = try database.prepare(
            "SELECT seq FROM contact_event WHERE key = ?1 ORDER BY seq")
        let getReference = try database.prepare("SELECT key FROM reference WHERE ref = ?1 ORDER BY key")
        let getEvents = try database.prepare(
            """
            SELECT e.seq, e.leaf, p.salt, p.body, y.body FROM event e
                LEFT JOIN personal p ON p.seq = e.seq LEFT JOIN payload y ON y.seq = e.seq
                WHERE e.seq > ?1 ORDER BY e.seq LIMIT ?2
            """)
        let getLeaves = try database.prepare(
            "SELECT seq, leaf FROM event WHERE seq > ?1 AND seq <= ?2 ORDER BY seq")
        let scanStates = try database.prepare("SELECT key, row FROM state ORDER BY key")
        // Each is a local first, so that those made before a failure are finalized.
        self.insertEvent = insertEvent
        self.insertPersonal = insertPersonal
        self.insertPayload = insertPayload
        self.putState = putState
        self.putEventID = putEventID
        self.putContactEvent = putContactEvent
        self.putReference = putReference
        self.putBlock = putBlock
        self.putMeta = putMeta
        self.getState = getState
        self.getEventID = getEventID
        self.getContactEvents = getContactEvents
        self.getReference = getReference
        self.getEvents = getEvents
        self.getLeaves = getLeaves
        self.scanStates = scanStates
    }
}

/// The marks in the table `meta`.
enum Meta: String {
    /// 16 random bytes.
    case incarnation
    /// Check value of the recipient key and of the normalisation.
    case recipientCheck = "recipient_check"
    /// 8 bytes: id of the log key.
    case logKeyID = "log_key_id"
    /// 1: made for load tests.
    case testRegister = "test_register"
    /// 1: restored, and its gap not yet accepted.
    case restorePending = "restore_pending"
    /// 1: each page ends with a checksum.
    case sealed
    /// u64 derived sequence, little-endian, and the root of the tree of that size.
    case derived
    /// u64, little-endian: about how many contact points there are.
    case contacts

    static let putSQL =
        "INSERT INTO meta (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = ?2"

    static func readAll(_ database: borrowing Database) throws(RegisterError) -> [Meta: [UInt8]] {
        let statement = try database.prepare("SELECT name, value FROM meta")
        var all: [Meta: [UInt8]] = [:]
        while try statement.step("reading the register's marks") {
            if let mark = Meta(rawValue: statement.text(0)) { all[mark] = statement.array(1) }
        }
        return all
    }

    static func write(_ database: borrowing Database, _ mark: Meta, _ value: [UInt8]) throws(RegisterError) {
        try mark.write(value, by: try database.prepare(putSQL))
    }

    func write(_ value: [UInt8], by statement: borrowing Statement) throws(RegisterError) {
        statement.bind(1, rawValue)
        statement.bind(2, value)
        try statement.run("writing the register's marks")
    }
}
