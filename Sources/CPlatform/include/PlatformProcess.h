// Limits that the system sets to this process.

#ifndef CONSENT_PLATFORM_PROCESS_H
#define CONSENT_PLATFORM_PROCESS_H

#include <stdint.h>
#include <sys/resource.h>

/// Descriptors that this process may have open.
static inline uint64_t consent_descriptor_limit(void) {
    struct rlimit limit;
    return getrlimit(RLIMIT_NOFILE, &limit) == 0 ? (uint64_t)limit.rlim_cur : 0;
}

/// Lets this process have as many descriptors open as its owner may; the usual limit is far lower.
static inline void consent_raise_descriptor_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

#endif
