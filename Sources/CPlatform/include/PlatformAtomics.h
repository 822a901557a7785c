// Atomic loads and stores through raw pointers, for memory that is shared word by word.
//
// Swift's Atomic<T> must live in a fixed place; words inside a mapped table do not. Pointers must be aligned
// to the size of the word.

#ifndef CONSENT_PLATFORM_ATOMICS_H
#define CONSENT_PLATFORM_ATOMICS_H

#include <stdint.h>

static inline uint64_t consent_atomic_load_relaxed_u64(const void *address) {
    return __atomic_load_n((const uint64_t *)address, __ATOMIC_RELAXED);
}

static inline uint64_t consent_atomic_load_acquire_u64(const void *address) {
    return __atomic_load_n((const uint64_t *)address, __ATOMIC_ACQUIRE);
}

static inline void consent_atomic_store_relaxed_u64(void *address, uint64_t value) {
    __atomic_store_n((uint64_t *)address, value, __ATOMIC_RELAXED);
}

static inline void consent_atomic_store_release_u64(void *address, uint64_t value) {
    __atomic_store_n((uint64_t *)address, value, __ATOMIC_RELEASE);
}

static inline uint32_t consent_atomic_load_relaxed_u32(const void *address) {
    return __atomic_load_n((const uint32_t *)address, __ATOMIC_RELAXED);
}

static inline uint32_t consent_atomic_load_acquire_u32(const void *address) {
    return __atomic_load_n((const uint32_t *)address, __ATOMIC_ACQUIRE);
}

static inline void consent_atomic_store_relaxed_u32(void *address, uint32_t value) {
    __atomic_store_n((uint32_t *)address, value, __ATOMIC_RELAXED);
}

static inline void consent_atomic_store_release_u32(void *address, uint32_t value) {
    __atomic_store_n((uint32_t *)address, value, __ATOMIC_RELEASE);
}

/// Adds and returns the value before, with relaxed order: for counters.
static inline uint64_t consent_atomic_add_relaxed_u64(void *address, uint64_t value) {
    return __atomic_fetch_add((uint64_t *)address, value, __ATOMIC_RELAXED);
}

/// Loads before the fence are done before loads and stores after it.
static inline void consent_fence_acquire(void) { __atomic_thread_fence(__ATOMIC_ACQUIRE); }

/// Loads and stores before the fence are done before stores after it.
static inline void consent_fence_release(void) { __atomic_thread_fence(__ATOMIC_RELEASE); }

/// One order of all such fences, for all threads.
static inline void consent_fence_sequential(void) { __atomic_thread_fence(__ATOMIC_SEQ_CST); }

#endif
