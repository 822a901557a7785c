// What the index needs of the machine beyond the words of PlatformAtomics.h: the counters by which readers
// show that they are inside a call, a stripe for the calling thread, and how much of a mapping is really in
// memory.

#ifndef CONSENT_INDEX_PLATFORM_H
#define CONSENT_INDEX_PLATFORM_H

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/// Counts a reader in. Whatever the reader loads afterwards is ordered after the count, for all threads.
static inline void consent_index_enter(void *counter) {
    __atomic_fetch_add((uint64_t *)counter, 1, __ATOMIC_SEQ_CST);
#if !defined(__x86_64__) && !defined(__i386__)
    // On x86 the locked addition above is a full barrier already.
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
}

/// Counts a reader out. Whatever the reader loaded before is done.
static inline void consent_index_leave(void *counter) {
    __atomic_fetch_sub((uint64_t *)counter, 1, __ATOMIC_RELEASE);
}

/// A number in 0…63 that is the same each time for one thread, and mostly another for another thread.
static inline uint64_t consent_index_thread_stripe(void) {
    return ((uint64_t)(uintptr_t)pthread_self() * 0x9E3779B97F4A7C15u) >> 58;
}

/// Bytes in memory, and bytes of these in huge pages, of the mappings that overlap a range.
struct consent_index_residency {
    uint64_t resident_bytes;
    uint64_t huge_bytes;
    /// 0 where the system does not tell.
    int is_known;
};

/// Reads what the system says of a range. Slow (it formats every mapping of the process): for statistics
/// only.
static inline struct consent_index_residency consent_index_measure(const void *start, size_t byte_count) {
    struct consent_index_residency result = {0, 0, 0};
#if defined(__linux__)
    FILE *file = fopen("/proc/self/smaps", "r");
    if (file == NULL) return result;
    result.is_known = 1;
    uint64_t low = (uint64_t)(uintptr_t)start, high = low + byte_count;
    int inside = 0;
    char text[512];
    while (fgets(text, sizeof text, file) != NULL) {
        unsigned long long first, second;
        char dash;
        if (sscanf(text, "%llx%c%llx ", &first, &dash, &second) == 3 && dash == '-')
            inside = first < high && second > low;
        else if (inside && sscanf(text, "Rss: %llu kB", &first) == 1)
            result.resident_bytes += first * 1024;
        else if (inside && sscanf(text, "AnonHugePages: %llu kB", &first) == 1)
            result.huge_bytes += first * 1024;
    }
    fclose(file);
#else
    (void)start;
    (void)byte_count;
#endif
    return result;
}

#endif
