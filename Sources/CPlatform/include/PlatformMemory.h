// Address space and pages: reserve much, commit little by little, ask for huge pages, prefetch lines.

#ifndef CONSENT_PLATFORM_MEMORY_H
#define CONSENT_PLATFORM_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#if defined(__GLIBC__)
#include <malloc.h>
#endif

/// Asks for the line at an address that will be read soon. Any address is allowed.
static inline void consent_prefetch_read(const void *address) { __builtin_prefetch(address, 0, 3); }

/// Asks for the line at an address that will be written soon. Any address is allowed.
static inline void consent_prefetch_write(const void *address) { __builtin_prefetch(address, 1, 3); }

/// Reserves addresses without memory: nothing can be read or written before consent_commit.
/// `alignment` is a power of two of at least a page. Returns NULL where the system refuses.
static inline void *consent_reserve(size_t byte_count, size_t alignment) {
    if (byte_count == 0 || byte_count > SIZE_MAX - alignment) return NULL;
    int flags = MAP_PRIVATE | MAP_ANONYMOUS;
#ifdef MAP_NORESERVE
    flags |= MAP_NORESERVE;
#endif
    size_t mapped = byte_count + alignment;
    void *base = mmap(NULL, mapped, PROT_NONE, flags, -1, 0);
    if (base == MAP_FAILED) return NULL;
    uintptr_t start = ((uintptr_t)base + alignment - 1) & ~(uintptr_t)(alignment - 1);
    size_t head = start - (uintptr_t)base;
    if (head > 0) munmap(base, head);
    if (mapped - head > byte_count) munmap((void *)(start + byte_count), mapped - head - byte_count);
    return (void *)start;
}

/// Makes part of a reservation readable and writable; its bytes are zero until written.
/// Address and length are multiples of a page. Returns whether the system agreed.
static inline bool consent_commit(void *address, size_t byte_count) {
    return mprotect(address, byte_count, PROT_READ | PROT_WRITE) == 0;
}

/// Makes committed memory unwritable again: a later write to it faults.
static inline bool consent_protect(void *address, size_t byte_count) {
    return mprotect(address, byte_count, PROT_READ) == 0;
}

/// Gives a reservation, or whole pages of it, back.
static inline void consent_release(void *address, size_t byte_count) { munmap(address, byte_count); }

/// Asks for huge pages. Returns whether the system took the advice, not whether it has granted any.
static inline bool consent_advise_huge_pages(void *address, size_t byte_count) {
#ifdef MADV_HUGEPAGE
    return madvise(address, byte_count, MADV_HUGEPAGE) == 0;
#else
    (void)address;
    (void)byte_count;
    return false;
#endif
}

/// Makes the allocator of small memory give less back to the system and take more at a time, from one arena:
/// a thread's own arena grows and shrinks by single pages, each with a system call and page faults anew.
static inline void consent_keep_freed_memory(void) {
#if defined(__GLIBC__)
    mallopt(M_ARENA_MAX, 1);
    mallopt(M_TOP_PAD, 1 << 20);
    mallopt(M_TRIM_THRESHOLD, 64 << 20);
#endif
}

/// Brings committed pages into memory ahead of their use, without changing their bytes.
static inline void consent_populate(void *address, size_t byte_count) {
#ifdef MADV_POPULATE_WRITE
    if (madvise(address, byte_count, MADV_POPULATE_WRITE) == 0) return;
#endif
    for (size_t offset = 0; offset < byte_count; offset += 4096)
        __atomic_fetch_or((unsigned char *)address + offset, 0, __ATOMIC_RELAXED);
}

/// Gives memory that was freed back to the system. Takes milliseconds; for the end of a large piece of work.
static inline void consent_return_freed_memory(void) {
#if defined(__GLIBC__)
    malloc_trim(0);
#endif
}

#endif
