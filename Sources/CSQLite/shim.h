// SQLite, and the one call of its that takes variable arguments, which Swift cannot make, for each of its uses.

#ifndef CONSENT_CSQLITE_SHIM_H
#define CONSENT_CSQLITE_SHIM_H

#include <sqlite3.h>

/// Forbids SQL that could corrupt the file, such as writing to the schema table. Returns a result code.
static inline int consent_sqlite_set_defensive(sqlite3 *database) {
    int enabled = 0;
    int result = sqlite3_db_config(database, SQLITE_DBCONFIG_DEFENSIVE, 1, &enabled);
    if (result != SQLITE_OK) return result;
    return enabled == 1 ? SQLITE_OK : SQLITE_ERROR;
}

/// Closing the connection leaves the write-ahead log as it is. Returns a result code.
static inline int consent_sqlite_leave_log(sqlite3 *database) {
    int enabled = 0;
    return sqlite3_db_config(database, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, &enabled);
}

#endif
