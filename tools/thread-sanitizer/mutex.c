// Shows the thread sanitizer what a `Mutex` of Swift's Synchronization does when two threads want it at once.
//
// The sanitizer understands the mutex as long as one thread alone wants it: that is an atomic exchange,
// compiled into the project's own code. Who has to wait calls `_lockSlow` of libswiftSynchronization, which
// is not instrumented: it spins, then lets the kernel hand the lock on. So each hand-over looks like a race
// on what the mutex guards. Preloaded (tools/scripts/sanitizer.sh), this stands before the slow
// functions and tells the sanitizer of both ends.
//
// Invariant: nothing is hidden that the mutex does not order: who takes it is told to have seen what was done
// before it was given back, and nothing else. In a program without the sanitizer this does nothing.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdbool.h>
#include <stdint.h>

// Of the sanitizer, where the program has it.
__attribute__((weak)) void __tsan_acquire(void *address);
__attribute__((weak)) void __tsan_release(void *address);

// Functions of Swift: the mutex itself is their context.
#define SWIFT __attribute__((swiftcall))
#define CONTEXT __attribute__((swift_context))

// _MutexHandle's, as they are exported.
#define LOCK "$s15Synchronization12_MutexHandleV9_lockSlowyys6UInt32VF"
#define TRY_LOCK "$s15Synchronization12_MutexHandleV12_tryLockSlowSbyF"
#define UNLOCK "$s15Synchronization12_MutexHandleV11_unlockSlowyyF"

SWIFT void lock_slow(uint32_t thread, CONTEXT void *mutex) __asm__(LOCK);
SWIFT bool try_lock_slow(CONTEXT void *mutex) __asm__(TRY_LOCK);
SWIFT void unlock_slow(CONTEXT void *mutex) __asm__(UNLOCK);

SWIFT void lock_slow(uint32_t thread, CONTEXT void *mutex) {
    SWIFT void (*next)(uint32_t, CONTEXT void *) = dlsym(RTLD_NEXT, LOCK);
    next(thread, mutex);
    if (__tsan_acquire) __tsan_acquire(mutex);
}

SWIFT bool try_lock_slow(CONTEXT void *mutex) {
    SWIFT bool (*next)(CONTEXT void *) = dlsym(RTLD_NEXT, TRY_LOCK);
    bool isTaken = next(mutex);
    if (isTaken && __tsan_acquire) __tsan_acquire(mutex);
    return isTaken;
}

SWIFT void unlock_slow(CONTEXT void *mutex) {
    SWIFT void (*next)(CONTEXT void *) = dlsym(RTLD_NEXT, UNLOCK);
    if (__tsan_release) __tsan_release(mutex);
    next(mutex);
}
