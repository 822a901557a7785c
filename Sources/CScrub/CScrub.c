// A SQLite file layer that writes no byte of a database page that the page does not use, and gives out no page
// that is not as it was written.
//
// With `secure_delete` SQLite zeroes a cell that is deleted. But when it balances a B-tree it moves cells
// between pages, and lays a page out anew without clearing what stood there: a copy of a cell that moved away
// may stay in the unused middle of its old page, and is not found when the cell is deleted later. Here such
// bytes end on their way to the file. The checksums of the write-ahead log cover whole pages, so they are not
// touched there: whoever erases cuts the log to nothing and drops the page cache afterwards, and what is read
// again comes from clean pages.
//
// Pages of a sealed file end with a checksum of the page and its number, in bytes that SQLite leaves alone (it
// is told so when the file is made). It is made when a page is written and compared when it is read, so that
// a byte that changed on the disk, and a page that stands in another's place, are found wherever they are.
// The write-ahead log has checksums of its own. Files that were made before there were seals have none.
//
// All calls go to the default layer; only main databases are wrapped, and of their calls only those that read
// or write whole pages do more.
//
// Invariant: a page that does not have the exact form of a B-tree page is written unchanged, its seal aside.

#include "CScrub.h"

#include "CPlatform.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

// MARK: Pages

static int big_endian16(const unsigned char *bytes) { return bytes[0] << 8 | bytes[1]; }

int consent_scrub_page(unsigned char *page, int size, int isFirst) {
    const int header = isFirst ? 100 : 0;
    int headerSize;
    switch (page[header]) {
        case 0x0A: case 0x0D: headerSize = 8; break;   // leaf of an index, of a table
        case 0x02: case 0x05: headerSize = 12; break;  // interior page
        default: return 0;
    }
    const int pointers = header + headerSize;
    const int cells = big_endian16(page + header + 3);
    const int gap = pointers + 2 * cells;
    int content = big_endian16(page + header + 5);
    if (content == 0) content = 65536;
    if (gap > content || content > size) return 0;
    for (int cell = 0; cell < cells; cell++) {
        const int place = big_endian16(page + pointers + 2 * cell);
        if (place < content || place > size - 4) return 0;
    }
    // Free blocks: a chain in rising order, each with the place of the next and its own size.
    int last = 0;
    for (int block = big_endian16(page + header + 1); block != 0; block = big_endian16(page + block)) {
        if (block < content || block <= last || block > size - 4) return 0;
        const int length = big_endian16(page + block + 2);
        if (length < 4 || block + length > size) return 0;
        last = block + length - 1;
    }
    for (int block = big_endian16(page + header + 1); block != 0; block = big_endian16(page + block)) {
        memset(page + block + 4, 0, (size_t)(big_endian16(page + block + 2) - 4));
    }
    memset(page + gap, 0, (size_t)(content - gap));
    return 1;
}

// MARK: Seals

static uint32_t checksum(const unsigned char *page, int size, uint32_t number) {
    return consent_crc32c(consent_crc32c(0, &number, sizeof number), page, (size_t)(size - CONSENT_SEAL_BYTES));
}

void consent_page_seal(unsigned char *page, int size, uint32_t number) {
    const uint32_t sum = checksum(page, size, number);
    memcpy(page + size - CONSENT_SEAL_BYTES, &sum, CONSENT_SEAL_BYTES);
}

int consent_page_is_sound(const unsigned char *page, int size, uint32_t number) {
    const uint32_t sum = checksum(page, size, number);
    return memcmp(page + size - CONSENT_SEAL_BYTES, &sum, CONSENT_SEAL_BYTES) == 0;
}

/// Finds out whether a file has seals: as its header says, which SQLite reads too. An error is none of "no":
/// pages would be written without them.
static int find_seals(sqlite3_file *file, int *isSealed) {
    unsigned char header[100];
    const int result = file->pMethods->xRead(file, header, sizeof header, 0);
    *isSealed = result == SQLITE_OK && memcmp(header, "SQLite format 3", 16) == 0
        && header[20] == CONSENT_SEAL_BYTES;
    // The file is empty yet.
    return result == SQLITE_IOERR_SHORT_READ ? SQLITE_OK : result;
}

// MARK: Files

typedef struct {
    sqlite3_file base;
    /// The default layer's file, in the same allocation.
    sqlite3_file *inner;
    /// Where a page is scrubbed; `size` bytes.
    unsigned char *copy;
    int size;
    int isSealed;
} scrub_file;

static sqlite3_file *inner(sqlite3_file *file) { return ((scrub_file *)file)->inner; }

static int is_page(int count, sqlite3_int64 offset) {
    return count >= 512 && count <= 65536 && (count & (count - 1)) == 0 && offset % count == 0;
}

static int scrub_write(sqlite3_file *base, const void *bytes, int count, sqlite3_int64 offset) {
    scrub_file *file = (scrub_file *)base;
    if (!is_page(count, offset)) return file->inner->pMethods->xWrite(file->inner, bytes, count, offset);
    if (file->size < count) {
        unsigned char *larger = realloc(file->copy, (size_t)count);
        if (larger == NULL) return SQLITE_IOERR_NOMEM;
        file->copy = larger;
        file->size = count;
    }
    memcpy(file->copy, bytes, (size_t)count);
    consent_scrub_page(file->copy, count, offset == 0);
    if (file->isSealed) consent_page_seal(file->copy, count, (uint32_t)(offset / count) + 1);
    return file->inner->pMethods->xWrite(file->inner, file->copy, count, offset);
}

static int scrub_close(sqlite3_file *base) {
    scrub_file *file = (scrub_file *)base;
    free(file->copy);
    file->copy = NULL;
    return file->inner->pMethods->xClose(file->inner);
}

static int scrub_read(sqlite3_file *f, void *bytes, int count, sqlite3_int64 offset) {
    const int result = inner(f)->pMethods->xRead(inner(f), bytes, count, offset);
    // SQLite reads some of the header by itself, which no seal covers: it reads the page as well.
    if (!((scrub_file *)f)->isSealed || !is_page(count, offset)) return result;
    if (result == SQLITE_IOERR_SHORT_READ) {
        // Beyond the end SQLite takes zeros for the page. A page in part is no page.
        sqlite3_int64 size = 0;
        const int failure = inner(f)->pMethods->xFileSize(inner(f), &size);
        if (failure != SQLITE_OK) return failure;
        return size > offset ? SQLITE_IOERR_DATA : result;
    }
    if (result != SQLITE_OK) return result;
    return consent_page_is_sound(bytes, count, (uint32_t)(offset / count) + 1) ? SQLITE_OK : SQLITE_IOERR_DATA;
}
static int scrub_truncate(sqlite3_file *f, sqlite3_int64 size) {
    return inner(f)->pMethods->xTruncate(inner(f), size);
}
static int scrub_sync(sqlite3_file *f, int flags) { return inner(f)->pMethods->xSync(inner(f), flags); }
static int scrub_size(sqlite3_file *f, sqlite3_int64 *size) {
    return inner(f)->pMethods->xFileSize(inner(f), size);
}
static int scrub_lock(sqlite3_file *f, int level) { return inner(f)->pMethods->xLock(inner(f), level); }
static int scrub_unlock(sqlite3_file *f, int level) { return inner(f)->pMethods->xUnlock(inner(f), level); }
static int scrub_reserved(sqlite3_file *f, int *held) {
    return inner(f)->pMethods->xCheckReservedLock(inner(f), held);
}
static int scrub_control(sqlite3_file *f, int operation, void *argument) {
    if (operation == CONSENT_CONTROL_SEAL) {
        ((scrub_file *)f)->isSealed = 1;
        return SQLITE_OK;
    }
    return inner(f)->pMethods->xFileControl(inner(f), operation, argument);
}
static int scrub_sector(sqlite3_file *f) { return inner(f)->pMethods->xSectorSize(inner(f)); }
static int scrub_device(sqlite3_file *f) { return inner(f)->pMethods->xDeviceCharacteristics(inner(f)); }
static int scrub_shm_map(sqlite3_file *f, int region, int size, int extend, void volatile **memory) {
    return inner(f)->pMethods->xShmMap(inner(f), region, size, extend, memory);
}
static int scrub_shm_lock(sqlite3_file *f, int offset, int count, int flags) {
    return inner(f)->pMethods->xShmLock(inner(f), offset, count, flags);
}
static void scrub_shm_barrier(sqlite3_file *f) { inner(f)->pMethods->xShmBarrier(inner(f)); }
static int scrub_shm_unmap(sqlite3_file *f, int remove) {
    return inner(f)->pMethods->xShmUnmap(inner(f), remove);
}

/// Version 2: without memory-mapped reads, which the register does not use.
static const sqlite3_io_methods fileMethods = {
    2, scrub_close, scrub_read, scrub_write, scrub_truncate, scrub_sync, scrub_size, scrub_lock,
    scrub_unlock, scrub_reserved, scrub_control, scrub_sector, scrub_device, scrub_shm_map, scrub_shm_lock,
    scrub_shm_barrier, scrub_shm_unmap, NULL, NULL,
};

// MARK: The layer

static sqlite3_vfs *beneath(sqlite3_vfs *vfs) { return vfs->pAppData; }

static int scrub_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *base, int flags, int *outFlags) {
    sqlite3_vfs *below = beneath(vfs);
    if (!(flags & SQLITE_OPEN_MAIN_DB)) return below->xOpen(below, name, base, flags, outFlags);
    scrub_file *file = (scrub_file *)base;
    memset(file, 0, sizeof *file);
    file->inner = (sqlite3_file *)(file + 1);
    int result = below->xOpen(below, name, file->inner, flags, outFlags);
    if (result == SQLITE_OK) result = find_seals(file->inner, &file->isSealed);
    // A file that could not be opened may still have methods, and is then closed by SQLite.
    base->pMethods = file->inner->pMethods == NULL ? NULL : &fileMethods;
    return result;
}

static int scrub_delete(sqlite3_vfs *v, const char *name, int sync) {
    return beneath(v)->xDelete(beneath(v), name, sync);
}
static int scrub_access(sqlite3_vfs *v, const char *name, int flags, int *result) {
    return beneath(v)->xAccess(beneath(v), name, flags, result);
}
static int scrub_full_path(sqlite3_vfs *v, const char *name, int size, char *path) {
    return beneath(v)->xFullPathname(beneath(v), name, size, path);
}
static int scrub_randomness(sqlite3_vfs *v, int size, char *bytes) {
    return beneath(v)->xRandomness(beneath(v), size, bytes);
}
static int scrub_sleep(sqlite3_vfs *v, int microseconds) {
    return beneath(v)->xSleep(beneath(v), microseconds);
}
static int scrub_time(sqlite3_vfs *v, double *time) { return beneath(v)->xCurrentTime(beneath(v), time); }
static int scrub_error(sqlite3_vfs *v, int size, char *text) {
    return beneath(v)->xGetLastError(beneath(v), size, text);
}
static int scrub_time64(sqlite3_vfs *v, sqlite3_int64 *time) {
    return beneath(v)->xCurrentTimeInt64(beneath(v), time);
}

static sqlite3_vfs layer;
static int layerStatus = SQLITE_ERROR;

static void scrub_register(void) {
    if (sqlite3_initialize() != SQLITE_OK) return;
    sqlite3_vfs *below = sqlite3_vfs_find(NULL);
    if (below == NULL || below->iVersion < 2) return;
    // Extensions are never loaded, so the calls for shared libraries stay empty.
    layer = (sqlite3_vfs){
        .iVersion = 2, .szOsFile = (int)sizeof(scrub_file) + below->szOsFile,
        .mxPathname = below->mxPathname, .zName = "consentd", .pAppData = below, .xOpen = scrub_open,
        .xDelete = scrub_delete, .xAccess = scrub_access, .xFullPathname = scrub_full_path,
        .xRandomness = scrub_randomness, .xSleep = scrub_sleep, .xCurrentTime = scrub_time,
        .xGetLastError = scrub_error, .xCurrentTimeInt64 = scrub_time64,
    };
    layerStatus = sqlite3_vfs_register(&layer, 0);
}

const char *consent_scrub_vfs(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, scrub_register);
    return layerStatus == SQLITE_OK ? layer.zName : NULL;
}
