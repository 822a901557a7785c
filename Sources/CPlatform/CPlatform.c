// The constants of CRC32C and what this processor has, found once before main, so that no reader needs a lock or a
// check.

#include "CPlatform.h"

#if defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#endif

struct consent_crc32c_constants consent_crc32c_constants;

static bool detect_instruction(void) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    return __builtin_cpu_supports("sse4.2");
#elif defined(__aarch64__) && defined(__APPLE__)
    return true;
#elif defined(__aarch64__) && defined(__linux__)
    const unsigned long crc32_capability = 1ul << 7;
    return (getauxval(AT_HWCAP) & crc32_capability) != 0;
#else
    return false;
#endif
}

static bool detect_four_lanes(void) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx2");
#else
    return false;
#endif
}

__attribute__((constructor)) static void compute_crc32c_constants(void) {
    struct consent_crc32c_constants *constants = &consent_crc32c_constants;
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t crc = byte;
        for (int bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ (CONSENT_CRC32C_POLYNOMIAL & (0u - (crc & 1)));
        constants->slice[0][byte] = crc;
    }
    for (int k = 1; k < 8; k++)
        for (uint32_t byte = 0; byte < 256; byte++) {
            uint32_t before = constants->slice[k - 1][byte];
            constants->slice[k][byte] = before >> 8 ^ constants->slice[0][before & 255];
        }

    // A single bit moved over a lane of zero bytes, then every byte as the sum of its bits.
    for (int k = 0; k < 4; k++) {
        constants->shift[k][0] = 0;
        for (int bit = 0; bit < 8; bit++) {
            uint32_t crc = 1u << (8 * k + bit);
            for (int i = 0; i < CONSENT_CRC32C_LANE; i++) crc = crc >> 8 ^ constants->slice[0][crc & 255];
            constants->shift[k][1u << bit] = crc;
        }
        for (uint32_t byte = 1; byte < 256; byte++) {
            uint32_t lowest = byte & (0u - byte);
            constants->shift[k][byte] = constants->shift[k][byte ^ lowest] ^ constants->shift[k][lowest];
        }
    }
    constants->has_instruction = detect_instruction();
    constants->has_four_lanes = detect_four_lanes();
}
