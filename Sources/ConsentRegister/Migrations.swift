// The register's tables, as numbered steps that only go forward.
//
// A released step never changes; a new format is a new step at the end. `user_version` counts the steps
// taken, `application_id` tells a register from other databases.
//
//     truth     event        sequence, leaf: append-only (triggers)
//               payload      what catalogue events write, deflated: append-only
//               personal     salt and personal part: never changed; the only table that may lose rows
//               meta         incarnation, check values of keys, marks
//               head         heads signed at intervals: append-only
//               pending_erasure   erase events whose destruction is not done, and the day it is due
//               erased_id    keyed hashes of the ids of events whose personal part is destroyed
//     derived   state        one row a contact point (StateRow.swift)
//               event_id, contact_event, reference     lookups
//               tree_block   root of each 256 leaves that are complete
//
// Invariant: the derived tables can be emptied and made anew from the truth; they hold all of the events up
// to the sequence in meta's `derived`, and perhaps some of those after it.

import Failpoint

/// Creates and upgrades the tables.
enum Migrations {
    /// "CNSD".
    static let applicationID: UInt32 = 0x434E_5344

    /// The format that this program writes.
    static var latest: Int { steps.count }

    /// Takes the steps that are missing.
    static func apply(to database: borrowing Database) throws(RegisterError) {
        let found = try version(of: database)
        for step in found..<steps.count {
            let action = "upgrading the register to format \(step + 1)"
            try database.begin(action)
            do {
                try database.execute(steps[step], action)
                try database.execute("PRAGMA user_version=\(step + 1)", action)
                Failpoint.migrationBefore.reached()
            } catch {
                try database.rollback(action)
                throw error
            }
            try database.commit(action)
            Failpoint.migrationAfter.reached()
        }
    }

    /// The format of a register; refuses one that is none, or that a newer program wrote.
    static func version(of database: borrowing Database) throws(RegisterError) -> Int {
        let id = UInt32(
            truncatingIfNeeded: try database.number("PRAGMA application_id", "reading the format"))
        let found = Int(try database.number("PRAGMA user_version", "reading the format"))
        let tables = try database.number("SELECT count(*) FROM sqlite_schema", "reading the format")
        guard id == applicationID || (id == 0 && found == 0 && tables == 0) else {
            throw .notARegister(applicationID: id)
        }
        guard found <= latest else { throw .newerThanProgram(found: found, known: latest) }
        return found
    }

    private static let steps = [
        """
        PRAGMA application_id=\(applicationID);
        CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
        CREATE TABLE event (seq INTEGER PRIMARY KEY, leaf BLOB NOT NULL) STRICT;
        CREATE TABLE personal (seq INTEGER PRIMARY KEY, salt BLOB NOT NULL, body BLOB NOT NULL) STRICT;
        CREATE TABLE payload (seq INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT;
        CREATE TABLE state (key BLOB PRIMARY KEY, row BLOB NOT NULL) STRICT, WITHOUT ROWID;
        CREATE TABLE event_id (id BLOB PRIMARY KEY, seq INTEGER NOT NULL) STRICT, WITHOUT ROWID;
        CREATE TABLE contact_event (key BLOB NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (key, seq))
            STRICT, WITHOUT ROWID;
        CREATE TABLE reference (ref BLOB NOT NULL, key BLOB NOT NULL, PRIMARY KEY (ref, key))
            STRICT, WITHOUT ROWID;
        CREATE TABLE tree_block (block INTEGER PRIMARY KEY, root BLOB NOT NULL) STRICT;
        CREATE TRIGGER event_update BEFORE UPDATE ON event
            BEGIN SELECT RAISE(ABORT, 'events are append-only'); END;
        CREATE TRIGGER event_delete BEFORE DELETE ON event
            BEGIN SELECT RAISE(ABORT, 'events are append-only'); END;
        CREATE TRIGGER payload_update BEFORE UPDATE ON payload
            BEGIN SELECT RAISE(ABORT, 'payloads are append-only'); END;
        CREATE TRIGGER payload_delete BEFORE DELETE ON payload
            BEGIN SELECT RAISE(ABORT, 'payloads are append-only'); END;
        CREATE TRIGGER personal_update BEFORE UPDATE ON personal
            BEGIN SELECT RAISE(ABORT, 'personal parts are never changed'); END;
        """,
        keptHeads,
        """
        CREATE TABLE pending_erasure (seq INTEGER PRIMARY KEY, due INTEGER NOT NULL) STRICT;
        CREATE TABLE erased_id (id BLOB PRIMARY KEY, seq INTEGER NOT NULL) STRICT, WITHOUT ROWID;
        """,
        // State rows have another form: the derived tables are made anew at the start.
        """
        DELETE FROM state; DELETE FROM event_id; DELETE FROM contact_event; DELETE FROM reference;
        DELETE FROM tree_block; DELETE FROM meta WHERE name = 'derived';
        """,
        // Pages of registers that are made from here on are sealed, and a program that does not know of it
        // would break their seals.
        "",
    ]
}
