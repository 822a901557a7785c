// CRC32C (Castagnoli; reflected polynomial 0x82F63B78; start and end value inverted), as in RFC 3720.
//
// Three ways to the same number, tested against each other: the processor's instruction (SSE 4.2 or ARMv8),
// eight tables of 256 words where there is none, and one bit at a time as the oracle.
//
// The instruction takes three cycles but can start one a cycle, so long inputs run as three lanes of
// CONSENT_CRC32C_LANE bytes side by side; a lane's result is moved over the next lane's bytes by four tables
// (a CRC is linear: shifting it over n zero bytes is a fixed 32 × 32 bit matrix) and the lanes are XORed.

#ifndef CONSENT_PLATFORM_CHECKSUM_H
#define CONSENT_PLATFORM_CHECKSUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define CONSENT_CRC32C_LANE 512
#define CONSENT_CRC32C_POLYNOMIAL 0x82F63B78u

/// Set before main by CPlatform.c and never written again.
struct consent_crc32c_constants {
    /// slice[k][b]: the CRC of byte b followed by k zero bytes.
    uint32_t slice[8][256];
    /// shift[k][b]: byte k of a CRC with value b, moved over CONSENT_CRC32C_LANE zero bytes.
    uint32_t shift[4][256];
    /// Whether this processor has the instruction.
    bool has_instruction;
    /// Whether it has AVX2, for consent_siphash_four.
    bool has_four_lanes;
};
extern struct consent_crc32c_constants consent_crc32c_constants;

static inline uint64_t consent_load_little_u64(const uint8_t *bytes) {
    uint64_t word;
    memcpy(&word, bytes, 8);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

static inline uint32_t consent_load_little_u32(const uint8_t *bytes) {
    uint32_t word;
    memcpy(&word, bytes, 4);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap32(word);
#endif
    return word;
}

/// One bit at a time: the definition, and the oracle of the others.
static inline uint32_t consent_crc32c_bitwise(uint32_t crc, const void *bytes, size_t count) {
    const uint8_t *byte = (const uint8_t *)bytes;
    crc = ~crc;
    for (size_t i = 0; i < count; i++) {
        crc ^= byte[i];
        for (int bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ (CONSENT_CRC32C_POLYNOMIAL & (0u - (crc & 1)));
    }
    return ~crc;
}

/// Eight bytes a step through tables, for processors without the instruction.
static inline uint32_t consent_crc32c_tables(uint32_t crc, const void *bytes, size_t count) {
    const uint8_t *byte = (const uint8_t *)bytes;
    const uint32_t(*slice)[256] = (const uint32_t(*)[256])consent_crc32c_constants.slice;
    crc = ~crc;
    for (; count >= 8; count -= 8, byte += 8) {
        uint64_t word = consent_load_little_u64(byte) ^ crc;
        crc = slice[7][word & 255] ^ slice[6][word >> 8 & 255] ^ slice[5][word >> 16 & 255]
            ^ slice[4][word >> 24 & 255] ^ slice[3][word >> 32 & 255] ^ slice[2][word >> 40 & 255]
            ^ slice[1][word >> 48 & 255] ^ slice[0][word >> 56];
    }
    for (; count > 0; count--) crc = crc >> 8 ^ slice[0][(crc ^ *byte++) & 255];
    return ~crc;
}

#if defined(__x86_64__)
#define CONSENT_CRC32C_TARGET __attribute__((target("sse4.2")))
#define CONSENT_CRC32C_STEP8(crc, word) ((uint32_t)__builtin_ia32_crc32di((crc), (word)))
#define CONSENT_CRC32C_STEP4(crc, word) __builtin_ia32_crc32si((crc), (word))
#define CONSENT_CRC32C_STEP1(crc, byte) __builtin_ia32_crc32qi((crc), (byte))
#elif defined(__aarch64__)
#if defined(__clang__)
#define CONSENT_CRC32C_TARGET __attribute__((target("crc")))
#else
#define CONSENT_CRC32C_TARGET __attribute__((target("+crc")))
#endif
#define CONSENT_CRC32C_STEP8(crc, word) __builtin_arm_crc32cd((crc), (word))
#define CONSENT_CRC32C_STEP4(crc, word) __builtin_arm_crc32cw((crc), (word))
#define CONSENT_CRC32C_STEP1(crc, byte) __builtin_arm_crc32cb((crc), (byte))
#endif

#ifdef CONSENT_CRC32C_TARGET
static inline uint32_t consent_crc32c_over_lane(uint32_t crc) {
    const uint32_t(*shift)[256] = (const uint32_t(*)[256])consent_crc32c_constants.shift;
    return shift[0][crc & 255] ^ shift[1][crc >> 8 & 255] ^ shift[2][crc >> 16 & 255] ^ shift[3][crc >> 24];
}

/// By the instruction. Only where consent_crc32c_has_instruction.
CONSENT_CRC32C_TARGET
static inline uint32_t consent_crc32c_instruction(uint32_t crc, const void *bytes, size_t count) {
    const uint8_t *byte = (const uint8_t *)bytes;
    crc = ~crc;
    for (; count >= 3 * CONSENT_CRC32C_LANE; count -= 3 * CONSENT_CRC32C_LANE) {
        uint32_t second = 0, third = 0;
        for (size_t i = 0; i < CONSENT_CRC32C_LANE; i += 8) {
            crc = CONSENT_CRC32C_STEP8(crc, consent_load_little_u64(byte + i));
            second = CONSENT_CRC32C_STEP8(second, consent_load_little_u64(byte + i + CONSENT_CRC32C_LANE));
            third = CONSENT_CRC32C_STEP8(third, consent_load_little_u64(byte + i + 2 * CONSENT_CRC32C_LANE));
        }
        crc = consent_crc32c_over_lane(crc) ^ second;
        crc = consent_crc32c_over_lane(crc) ^ third;
        byte += 3 * CONSENT_CRC32C_LANE;
    }
    for (; count >= 8; count -= 8, byte += 8) crc = CONSENT_CRC32C_STEP8(crc, consent_load_little_u64(byte));
    if (count >= 4) {
        crc = CONSENT_CRC32C_STEP4(crc, consent_load_little_u32(byte));
        count -= 4;
        byte += 4;
    }
    for (; count > 0; count--) crc = CONSENT_CRC32C_STEP1(crc, *byte++);
    return ~crc;
}
#endif

/// Whether consent_crc32c uses the processor's instruction.
static inline bool consent_crc32c_has_instruction(void) { return consent_crc32c_constants.has_instruction; }

/// The CRC32C of `count` bytes that follow bytes whose CRC32C is `crc` (0 for none).
static inline uint32_t consent_crc32c(uint32_t crc, const void *bytes, size_t count) {
#ifdef CONSENT_CRC32C_TARGET
    if (__builtin_expect(consent_crc32c_constants.has_instruction, 1))
        return consent_crc32c_instruction(crc, bytes, count);
#endif
    return consent_crc32c_tables(crc, bytes, count);
}

#endif
