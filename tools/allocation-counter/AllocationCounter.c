// Counts the heap allocations of a whole program, from outside, by standing before the C library's allocator.
//
// Why: "no allocation a check" is a claim about the program as it ships, Swift's runtime and SwiftNIO included, so
// it is counted in that program and not in a copy of its parts. Preload this library (LD_PRELOAD) and name a file
// in ALLOCATION_COUNTS; the file is mapped, and whoever reads it sees the counts at that moment:
//
//     0  u64  calls that allocated: malloc, calloc, realloc, aligned_alloc, posix_memalign, memalign
//     8  u64  bytes that they asked for
//
// Without the variable it counts nothing. Invariant: nothing here allocates.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "AllocationCounter.h"

#if defined(__linux__) && defined(__GLIBC__)

// The names under which glibc keeps its own functions for exactly this use.
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *old, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);

static uint64_t *counts;

__attribute__((constructor)) static void open_counts(void) {
    const char *path = getenv("ALLOCATION_COUNTS");
    if (path == NULL) return;
    int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0) return;
    if (ftruncate(file, ALLOCATION_COUNTER_FILE_BYTES) == 0) {
        void *mapped = mmap(NULL, ALLOCATION_COUNTER_FILE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
        if (mapped != MAP_FAILED) counts = mapped;
    }
    close(file);
}

static inline void count(size_t size) {
    if (counts == NULL) return;
    __atomic_fetch_add(&counts[0], 1, __ATOMIC_RELAXED);
    __atomic_fetch_add(&counts[1], size, __ATOMIC_RELAXED);
}

void *malloc(size_t size) {
    count(size);
    return __libc_malloc(size);
}

void *calloc(size_t number, size_t size) {
    count(number * size);
    return __libc_calloc(number, size);
}

void *realloc(void *old, size_t size) {
    count(size);
    return __libc_realloc(old, size);
}

void *memalign(size_t alignment, size_t size) {
    count(size);
    return __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
    count(size);
    return __libc_memalign(alignment, size);
}

int posix_memalign(void **result, size_t alignment, size_t size) {
    count(size);
    if (alignment < sizeof(void *) || (alignment & (alignment - 1)) != 0) return EINVAL;
    void *memory = __libc_memalign(alignment, size);
    if (memory == NULL) return ENOMEM;
    *result = memory;
    return 0;
}

#endif
