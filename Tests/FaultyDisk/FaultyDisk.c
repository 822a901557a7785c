// A SQLite file layer for tests: tells each call to a file of a watched folder before it happens, and lets
// the test decide whether it does.
//
// It becomes the default layer before anything opens a database, so that the register's own layer (CScrub)
// stands on top of it as it stands on SQLite's in production. Files of folders that nobody watches are opened
// by the layer beneath and never come back here.

#define _GNU_SOURCE  // memmem

#include "FaultyDisk.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// MARK: Watched folders

typedef struct {
    char *folder;
    size_t length;
    faulty_decision decide;
    void *context;
} watcher;

enum { WATCHERS_MAX = 64 };
static watcher watchers[WATCHERS_MAX];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

int faulty_disk_watch(const char *folder, faulty_decision decide, void *context) {
    int result = 1;
    pthread_mutex_lock(&lock);
    for (int place = 0; place < WATCHERS_MAX && result != 0; place++) {
        if (watchers[place].folder != NULL) continue;
        watchers[place] = (watcher){strdup(folder), strlen(folder), decide, context};
        result = 0;
    }
    pthread_mutex_unlock(&lock);
    return result;
}

void faulty_disk_unwatch(const char *folder) {
    pthread_mutex_lock(&lock);
    for (int place = 0; place < WATCHERS_MAX; place++) {
        if (watchers[place].folder == NULL || strcmp(watchers[place].folder, folder) != 0) continue;
        free(watchers[place].folder);
        watchers[place].folder = NULL;
    }
    pthread_mutex_unlock(&lock);
}

int faulty_disk_contains(const void *bytes, size_t count, const void *part, size_t partCount) {
    return memmem(bytes, count, part, partCount) != NULL;
}

static int watcher_of(const char *path, watcher *found) {
    int isFound = 0;
    if (path == NULL) return 0;
    pthread_mutex_lock(&lock);
    for (int place = 0; place < WATCHERS_MAX && !isFound; place++) {
        const watcher *each = &watchers[place];
        if (each->folder == NULL || strncmp(path, each->folder, each->length) != 0) continue;
        if (path[each->length] != '/') continue;
        *found = *each;
        isFound = 1;
    }
    pthread_mutex_unlock(&lock);
    return isFound;
}

static int decide(const watcher *by, struct faulty_call call, int *written) {
    *written = 0;
    return by->decide(by->context, &call, written);
}

// MARK: Files

typedef struct {
    sqlite3_file base;
    /// The layer beneath, in the same allocation.
    sqlite3_file *inner;
    watcher by;
    /// SQLite keeps it until the file is closed.
    const char *path;
    /// The next sync makes the file's name durable too.
    int syncsFolder;
} faulty_file;

static faulty_file *own(sqlite3_file *file) { return (faulty_file *)file; }
static sqlite3_file *inner(sqlite3_file *file) { return own(file)->inner; }

static int ask(sqlite3_file *file, enum faulty_kind kind, int64_t offset, int count) {
    int written;
    return decide(
        &own(file)->by,
        (struct faulty_call){.kind = kind, .path = own(file)->path, .offset = offset, .count = count}, &written);
}

static int faulty_close(sqlite3_file *f) { return inner(f)->pMethods->xClose(inner(f)); }

static int faulty_read(sqlite3_file *f, void *bytes, int count, sqlite3_int64 offset) {
    const int code = ask(f, FAULTY_READ, offset, count);
    if (code != SQLITE_OK) return code;
    return inner(f)->pMethods->xRead(inner(f), bytes, count, offset);
}

static int faulty_write(sqlite3_file *f, const void *bytes, int count, sqlite3_int64 offset) {
    int written;
    const int code = decide(
        &own(f)->by,
        (struct faulty_call){
            .kind = FAULTY_WRITE, .path = own(f)->path, .offset = offset, .count = count, .bytes = bytes,
        },
        &written);
    const int wanted = code == SQLITE_OK ? count : written;
    const int result = wanted > 0 ? inner(f)->pMethods->xWrite(inner(f), bytes, wanted, offset) : SQLITE_OK;
    return code != SQLITE_OK ? code : result;
}

static int faulty_truncate(sqlite3_file *f, sqlite3_int64 size) {
    const int code = ask(f, FAULTY_TRUNCATE, size, 0);
    return code != SQLITE_OK ? code : inner(f)->pMethods->xTruncate(inner(f), size);
}

static int faulty_sync(sqlite3_file *f, int flags) {
    (void)flags;
    int written;
    const int code = decide(
        &own(f)->by,
        (struct faulty_call){.kind = FAULTY_SYNC, .path = own(f)->path, .flag = own(f)->syncsFolder}, &written);
    if (code == SQLITE_OK) own(f)->syncsFolder = 0;
    return code;
}

static int faulty_size(sqlite3_file *f, sqlite3_int64 *size) {
    const int code = ask(f, FAULTY_SIZE, 0, 0);
    return code != SQLITE_OK ? code : inner(f)->pMethods->xFileSize(inner(f), size);
}

static int faulty_lock(sqlite3_file *f, int level) { return inner(f)->pMethods->xLock(inner(f), level); }
static int faulty_unlock(sqlite3_file *f, int level) { return inner(f)->pMethods->xUnlock(inner(f), level); }
static int faulty_reserved(sqlite3_file *f, int *held) {
    return inner(f)->pMethods->xCheckReservedLock(inner(f), held);
}
static int faulty_control(sqlite3_file *f, int operation, void *argument) {
    return inner(f)->pMethods->xFileControl(inner(f), operation, argument);
}
static int faulty_sector(sqlite3_file *f) { return inner(f)->pMethods->xSectorSize(inner(f)); }
static int faulty_device(sqlite3_file *f) { return inner(f)->pMethods->xDeviceCharacteristics(inner(f)); }

/// Version 1: the register keeps the index of its log in memory and maps nothing.
static const sqlite3_io_methods fileMethods = {
    .iVersion = 1, .xClose = faulty_close, .xRead = faulty_read, .xWrite = faulty_write,
    .xTruncate = faulty_truncate, .xSync = faulty_sync, .xFileSize = faulty_size, .xLock = faulty_lock,
    .xUnlock = faulty_unlock, .xCheckReservedLock = faulty_reserved, .xFileControl = faulty_control,
    .xSectorSize = faulty_sector, .xDeviceCharacteristics = faulty_device,
};

// MARK: The layer

static sqlite3_vfs *beneath(sqlite3_vfs *vfs) { return vfs->pAppData; }

static int faulty_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *base, int flags, int *outFlags) {
    sqlite3_vfs *below = beneath(vfs);
    watcher by;
    if (!watcher_of(name, &by)) return below->xOpen(below, name, base, flags, outFlags);
    faulty_file *file = own(base);
    memset(file, 0, sizeof *file);
    const int isMade = (flags & SQLITE_OPEN_CREATE) != 0 && access(name, F_OK) != 0;
    int written;
    const int code = decide(
        &by, (struct faulty_call){.kind = FAULTY_OPEN, .path = name, .flag = isMade}, &written);
    if (code != SQLITE_OK) return code;
    file->inner = (sqlite3_file *)(file + 1);
    const int result = below->xOpen(below, name, file->inner, flags, outFlags);
    if (file->inner->pMethods != NULL) base->pMethods = &fileMethods;
    file->by = by;
    file->path = name;
    const int journals = SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_SUPER_JOURNAL | SQLITE_OPEN_WAL;
    file->syncsFolder = isMade && (flags & journals) != 0;
    return result;
}

static int faulty_delete(sqlite3_vfs *v, const char *name, int sync) {
    watcher by;
    if (watcher_of(name, &by)) {
        int written;
        const int code = decide(
            &by, (struct faulty_call){.kind = FAULTY_DELETE, .path = name, .flag = sync}, &written);
        if (code != SQLITE_OK) return code;
        sync = 0;
    }
    return beneath(v)->xDelete(beneath(v), name, sync);
}

static int faulty_access(sqlite3_vfs *v, const char *name, int flags, int *result) {
    watcher by;
    if (watcher_of(name, &by)) {
        int written;
        const int code = decide(&by, (struct faulty_call){.kind = FAULTY_ACCESS, .path = name}, &written);
        if (code != SQLITE_OK) return code;
    }
    return beneath(v)->xAccess(beneath(v), name, flags, result);
}

static int faulty_full_path(sqlite3_vfs *v, const char *name, int size, char *path) {
    return beneath(v)->xFullPathname(beneath(v), name, size, path);
}
static int faulty_randomness(sqlite3_vfs *v, int size, char *bytes) {
    return beneath(v)->xRandomness(beneath(v), size, bytes);
}
static int faulty_sleep(sqlite3_vfs *v, int microseconds) {
    return beneath(v)->xSleep(beneath(v), microseconds);
}
static int faulty_time(sqlite3_vfs *v, double *time) { return beneath(v)->xCurrentTime(beneath(v), time); }
static int faulty_error(sqlite3_vfs *v, int size, char *text) {
    return beneath(v)->xGetLastError(beneath(v), size, text);
}
static int faulty_time64(sqlite3_vfs *v, sqlite3_int64 *time) {
    return beneath(v)->xCurrentTimeInt64(beneath(v), time);
}

static sqlite3_vfs layer;

/// When the program is loaded: whoever opens a database later finds this layer as the default one.
__attribute__((constructor)) static void faulty_register(void) {
    if (sqlite3_initialize() != SQLITE_OK) return;
    sqlite3_vfs *below = sqlite3_vfs_find(NULL);
    if (below == NULL || below->iVersion < 2) return;
    layer = (sqlite3_vfs){
        .iVersion = 2, .szOsFile = (int)sizeof(faulty_file) + below->szOsFile,
        .mxPathname = below->mxPathname, .zName = "faulty", .pAppData = below, .xOpen = faulty_open,
        .xDelete = faulty_delete, .xAccess = faulty_access, .xFullPathname = faulty_full_path,
        .xRandomness = faulty_randomness, .xSleep = faulty_sleep, .xCurrentTime = faulty_time,
        .xGetLastError = faulty_error, .xCurrentTimeInt64 = faulty_time64,
    };
    sqlite3_vfs_register(&layer, 1);
}
