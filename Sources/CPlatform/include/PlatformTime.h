// Clocks, in nanoseconds, and how often the system took the processor away.

#ifndef CONSENT_PLATFORM_TIME_H
#define CONSENT_PLATFORM_TIME_H

#include <stdint.h>
#include <sys/resource.h>
#include <time.h>

static inline uint64_t consent_clock_nanoseconds(clockid_t clock) {
    struct timespec now;
    if (clock_gettime(clock, &now) != 0) return 0;
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/// Time since some fixed point; never goes back, not even when the wall clock is set.
static inline uint64_t consent_monotonic_nanoseconds(void) {
    return consent_clock_nanoseconds(CLOCK_MONOTONIC);
}

/// Wall clock, since 1970-01-01 UTC.
static inline uint64_t consent_wall_nanoseconds(void) { return consent_clock_nanoseconds(CLOCK_REALTIME); }

/// CPU time that this thread has used.
static inline uint64_t consent_thread_cpu_nanoseconds(void) {
    return consent_clock_nanoseconds(CLOCK_THREAD_CPUTIME_ID);
}

/// CPU time that this process has used.
static inline uint64_t consent_process_cpu_nanoseconds(void) {
    return consent_clock_nanoseconds(CLOCK_PROCESS_CPUTIME_ID);
}

/// How often this thread lost its processor to another one; 0 where the system does not tell.
static inline uint64_t consent_thread_preemptions(void) {
#if defined(__linux__)
    struct rusage usage;
    // 1 is RUSAGE_THREAD, which some headers declare only on request.
    return getrusage((__typeof__(RUSAGE_SELF))1, &usage) == 0 ? (uint64_t)usage.ru_nivcsw : 0;
#else
    return 0;
#endif
}

#endif
