// Masks: which of many bytes lie in a range, as bits. Bit i of a mask is byte i.

#ifndef CONSENT_PLATFORM_BYTES_H
#define CONSENT_PLATFORM_BYTES_H

#include <stddef.h>
#include <stdint.h>

#include "PlatformChecksum.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

/// The same number, of which the compiler then knows nothing: it will not turn what follows from a comparison
/// into a branch on it.
static inline uint64_t consent_opaque_u64(uint64_t number) {
    __asm__("" : "+r"(number));
    return number;
}

/// How many bits are set.
static inline uint64_t consent_count_ones_u64(uint64_t number) {
#if defined(__x86_64__)
    // Every processor with SSE 4.2 has the instruction; compilers for any x86-64 may not assume it.
    if (__builtin_expect(consent_crc32c_has_instruction(), 1)) {
        uint64_t count;
        __asm__("popcntq %1, %0" : "=r"(count) : "r"(number) : "cc");
        return count;
    }
#endif
    return (uint64_t)__builtin_popcountll(number);
}

/// The same as consent_mask64_range_u8, a byte at a time: its oracle, and its fallback.
static inline uint64_t consent_mask64_range_u8_portable(
    const void *bytes, size_t count, uint8_t low, uint8_t high
) {
    const uint8_t *byte = (const uint8_t *)bytes;
    uint64_t mask = 0;
    for (size_t i = 0; i < count; i++)
        mask |= (uint64_t)(byte[i] >= low && byte[i] <= high) << i;
    return mask;
}

/// Bit i tells whether low <= bytes[i] <= high, for count <= 64 bytes; bits from count on are 0.
/// Reads exactly `count` bytes. An empty range (low > high) gives 0.
static inline uint64_t consent_mask64_range_u8(const void *bytes, size_t count, uint8_t low, uint8_t high) {
#if defined(__SSE2__)
    if (low > high) return 0;
    const uint8_t *byte = (const uint8_t *)bytes;
    const __m128i lows = _mm_set1_epi8((char)low), widths = _mm_set1_epi8((char)(high - low));
    uint64_t mask = 0;
    size_t i = 0;
    for (; i + 16 <= count; i += 16) {
        __m128i above = _mm_sub_epi8(_mm_loadu_si128((const __m128i *)(byte + i)), lows);
        __m128i inside = _mm_cmpeq_epi8(_mm_min_epu8(above, widths), above);
        mask |= (uint64_t)(uint32_t)_mm_movemask_epi8(inside) << i;
    }
    if (i < count) mask |= consent_mask64_range_u8_portable(byte + i, count - i, low, high) << i;
    return mask;
#else
    return consent_mask64_range_u8_portable(bytes, count, low, high);
#endif
}

/// The same for any count: writes (count + 7) / 8 bytes of bits; unused bits of the last byte are 0.
static inline void consent_mask_range_u8(
    const void *bytes, size_t count, uint8_t low, uint8_t high, void *bits
) {
    const uint8_t *byte = (const uint8_t *)bytes;
    uint8_t *out = (uint8_t *)bits;
    for (size_t i = 0; i < count; i += 64) {
        size_t part = count - i < 64 ? count - i : 64;
        uint64_t mask = consent_mask64_range_u8(byte + i, part, low, high);
        for (size_t done = 0; done < part; done += 8) {
            *out++ = (uint8_t)mask;
            mask >>= 8;
        }
    }
}

#endif
