// A SQLite file layer for tests: tells each call to a file of a watched folder before it happens, and lets
// the test decide whether it does.

#ifndef CONSENT_FAULTYDISK_H
#define CONSENT_FAULTYDISK_H

#include <stddef.h>
#include <stdint.h>

/// What SQLite asks of its files.
enum faulty_kind {
    FAULTY_OPEN,
    FAULTY_READ,
    FAULTY_WRITE,
    FAULTY_TRUNCATE,
    FAULTY_SYNC,
    FAULTY_SIZE,
    FAULTY_DELETE,
    FAULTY_ACCESS,
};

/// One call.
struct faulty_call {
    enum faulty_kind kind;
    /// The file; stays as long as the call.
    const char *path;
    /// OPEN: whether the file is made by it. DELETE: whether the folder is synced after it. SYNC: whether the
    /// folder is synced with the file, as SQLite's own layer does once for each journal that it has made.
    int flag;
    /// READ, WRITE: where; TRUNCATE: the new size.
    int64_t offset;
    /// READ, WRITE: how many bytes.
    int count;
    /// WRITE: the bytes.
    const void *bytes;
};

/// Decides about a call: 0 lets it happen, a SQLite result code fails it.
/// - written: of a WRITE that fails, how many of its bytes come to the file nevertheless; 0 at first.
typedef int (*faulty_decision)(void *context, const struct faulty_call *call, int *written);

/// Watches the files of a folder, from their next opening on. Syncs are told and not carried out: what is
/// durable is for the test to say. Files of other folders are left to SQLite's own layer.
/// - folder: an absolute path without a slash at its end.
/// Returns 0, or 1 where too many folders are watched.
int faulty_disk_watch(const char *folder, faulty_decision decide, void *context);

/// Ends that; no file of the folder may be open.
void faulty_disk_unwatch(const char *folder);

/// Whether bytes stand somewhere among others.
int faulty_disk_contains(const void *bytes, size_t count, const void *part, size_t partCount);

#endif
