// The bytes of an address, sorted into classes: what a normalisation asks of them, as masks.
//
// Bit i of a mask is byte i. Up to 64 bytes are looked at together, sixteen at a time where the processor can.

#ifndef CONSENT_PLATFORM_ADDRESS_H
#define CONSENT_PLATFORM_ADDRESS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

/// Which bytes are letters (lower-case by then), digits, dots, dashes and at signs. No byte is in two.
struct consent_address_classes {
    uint64_t letters, digits, dots, dashes, ats;
};

/// A byte at a time: the oracle of the other, and its fallback.
static inline struct consent_address_classes consent_lower_address_portable(
    const void *bytes, size_t count, void *lowered
) {
    const uint8_t *in = (const uint8_t *)bytes;
    uint8_t *out = (uint8_t *)lowered;
    struct consent_address_classes classes = {0, 0, 0, 0, 0};
    for (size_t i = 0; i < count; i++) {
        uint8_t byte = in[i];
        if (byte >= 'A' && byte <= 'Z') byte |= 0x20;
        out[i] = byte;
        uint64_t bit = (uint64_t)1 << i;
        if (byte >= 'a' && byte <= 'z') classes.letters |= bit;
        if (byte >= '0' && byte <= '9') classes.digits |= bit;
        if (byte == '.') classes.dots |= bit;
        if (byte == '-') classes.dashes |= bit;
        if (byte == '@') classes.ats |= bit;
    }
    return classes;
}

#if defined(__SSE2__)
/// Up to 8 bytes as the low bytes of a word; reads no byte outside of them.
static inline uint64_t consent_partial_word(const uint8_t *bytes, size_t count) {
    if (count == 8) {
        uint64_t word;
        memcpy(&word, bytes, 8);
        return word;
    }
    if (count >= 4) {
        uint32_t low, high;
        memcpy(&low, bytes, 4);
        memcpy(&high, bytes + count - 4, 4);
        return low | (uint64_t)high << (8 * (count - 4));
    }
    if (count == 0) return 0;
    return bytes[0] | (uint64_t)bytes[count / 2] << (8 * (count / 2)) | (uint64_t)bytes[count - 1] << (8 * (count - 1));
}

static inline __m128i consent_in_range(__m128i bytes, char low, char high) {
    __m128i above = _mm_sub_epi8(bytes, _mm_set1_epi8(low));
    return _mm_cmpeq_epi8(_mm_min_epu8(above, _mm_set1_epi8((char)(high - low))), above);
}

static inline uint64_t consent_bits(__m128i mask, size_t at) { return (uint64_t)(uint32_t)_mm_movemask_epi8(mask) << at; }

/// Sixteen bytes that stand at position `at`.
static inline void consent_lower_sixteen(
    __m128i bytes, size_t at, uint8_t *lowered, struct consent_address_classes *classes
) {
    __m128i low = _mm_or_si128(bytes, _mm_and_si128(consent_in_range(bytes, 'A', 'Z'), _mm_set1_epi8(0x20)));
    _mm_storeu_si128((__m128i *)(lowered + at), low);
    classes->letters |= consent_bits(consent_in_range(low, 'a', 'z'), at);
    classes->digits |= consent_bits(consent_in_range(low, '0', '9'), at);
    classes->dots |= consent_bits(_mm_cmpeq_epi8(low, _mm_set1_epi8('.')), at);
    classes->dashes |= consent_bits(_mm_cmpeq_epi8(low, _mm_set1_epi8('-')), at);
    classes->ats |= consent_bits(_mm_cmpeq_epi8(low, _mm_set1_epi8('@')), at);
}
#endif

/// Writes up to 64 bytes with ASCII letters in lower case, and sorts them.
/// Reads exactly `count` bytes; `lowered` has room for 64 and does not overlap them. What is written behind the
/// `count` bytes means nothing.
static inline struct consent_address_classes consent_lower_address(
    const void *bytes, size_t count, void *lowered
) {
#if defined(__SSE2__)
    const uint8_t *in = (const uint8_t *)bytes;
    uint8_t *out = (uint8_t *)lowered;
    struct consent_address_classes classes = {0, 0, 0, 0, 0};
    if (count < 16) {
        uint64_t first = consent_partial_word(in, count < 8 ? count : 8);
        uint64_t second = count > 8 ? consent_partial_word(in + 8, count - 8) : 0;
        // Bytes that are not there are zeros, which are in no class.
        consent_lower_sixteen(_mm_set_epi64x((long long)second, (long long)first), 0, out, &classes);
        return classes;
    }
    for (size_t i = 0; i + 16 <= count; i += 16)
        consent_lower_sixteen(_mm_loadu_si128((const __m128i *)(in + i)), i, out, &classes);
    // The last sixteen overlap what is done: the same bytes give the same bits.
    consent_lower_sixteen(_mm_loadu_si128((const __m128i *)(in + count - 16)), count - 16, out, &classes);
    return classes;
#else
    return consent_lower_address_portable(bytes, count, lowered);
#endif
}

#endif
