// Four SipHash-2-4-128 side by side, under one key: one hash is a chain in which each step waits for the one
// before, and four of them keep a processor as busy as one.
//
// Bytes are given as words: what a short prefix and an address make when they stand in one piece. The lanes may
// have different lengths; a lane that is done keeps its state while the others go on.

#ifndef CONSENT_PLATFORM_SIPHASH_H
#define CONSENT_PLATFORM_SIPHASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "PlatformChecksum.h"

/// Whether consent_siphash_four works here.
static inline bool consent_siphash_has_four(void) { return consent_crc32c_constants.has_four_lanes; }

/// Hashes four byte strings. Only where consent_siphash_has_four.
/// `starts[i]` has `counts[i]` bytes, and 8 more that may be read; `hashes` gets low and high words, lane by lane.
void consent_siphash_four(
    uint64_t k0, uint64_t k1, const void *const starts[4], const uint32_t counts[4], uint64_t hashes[8]
);

#endif
