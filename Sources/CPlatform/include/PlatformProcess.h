// Limits that the system sets to this process, and what it leaves behind when it crashes.

#ifndef CONSENT_PLATFORM_PROCESS_H
#define CONSENT_PLATFORM_PROCESS_H

#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>

#if defined(__linux__)
#include <sys/prctl.h>
#endif

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

/// From now on a crash leaves nothing of this process's memory behind. Returns 0, or -1 where the system refuses.
///
/// Three things would: the report of the Swift runtime, which shows registers and the memory that they point
/// to, and goes to wherever the logs go; a core file; and a core that the system pipes to a program of its
/// choice, which a limit of 0 does not prevent, and being no dumpable process does. The last one also closes
/// the memory to other processes of the same user.
static inline int consent_forbid_crash_dumps(void) {
    static const int crashes[] = {SIGQUIT, SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV};
    for (size_t i = 0; i < sizeof crashes / sizeof crashes[0]; i++)
        if (signal(crashes[i], SIG_DFL) == SIG_ERR) return -1;
    const struct rlimit none = {0, 0};
    if (setrlimit(RLIMIT_CORE, &none) != 0) return -1;
#if defined(__linux__)
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) return -1;
#endif
    return 0;
}

#endif
