// Four SipHash-2-4-128 at once, in the four 64-bit lanes of AVX2. See PlatformSipHash.h.

#include "CPlatform.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define FOUR_LANES __attribute__((target("avx2")))

typedef struct {
    __m256i v0, v1, v2, v3;
} lanes;

FOUR_LANES static inline __m256i rotated(__m256i word, int count) {
    return _mm256_or_si256(_mm256_slli_epi64(word, count), _mm256_srli_epi64(word, 64 - count));
}

FOUR_LANES static inline __m256i halves_swapped(__m256i word) {
    return _mm256_shuffle_epi32(word, _MM_SHUFFLE(2, 3, 0, 1));
}

FOUR_LANES static inline void sip_round(lanes *state) {
    state->v0 = _mm256_add_epi64(state->v0, state->v1);
    state->v1 = _mm256_xor_si256(rotated(state->v1, 13), state->v0);
    state->v0 = halves_swapped(state->v0);
    state->v2 = _mm256_add_epi64(state->v2, state->v3);
    state->v3 = _mm256_xor_si256(rotated(state->v3, 16), state->v2);
    state->v0 = _mm256_add_epi64(state->v0, state->v3);
    state->v3 = _mm256_xor_si256(rotated(state->v3, 21), state->v0);
    state->v2 = _mm256_add_epi64(state->v2, state->v1);
    state->v1 = _mm256_xor_si256(rotated(state->v1, 17), state->v2);
    state->v2 = halves_swapped(state->v2);
}

FOUR_LANES static inline lanes compressed(lanes state, __m256i word) {
    state.v3 = _mm256_xor_si256(state.v3, word);
    sip_round(&state);
    sip_round(&state);
    state.v0 = _mm256_xor_si256(state.v0, word);
    return state;
}

FOUR_LANES static inline __m256i chosen(__m256i old, __m256i new, __m256i mask) {
    return _mm256_blendv_epi8(old, new, mask);
}

/// Word number `place` of a lane: eight bytes, or what is left with the count on top; behind it anything.
static inline long long word_of(const uint8_t *start, uint32_t count, uint32_t place) {
    uint32_t last = count / 8;
    uint64_t word;
    memcpy(&word, start + 8 * (size_t)(place < last ? place : last), 8);
    uint64_t tail = (word & (((uint64_t)1 << (8 * (count & 7))) - 1)) | (uint64_t)count << 56;
    return (long long)(place < last ? word : tail);
}

FOUR_LANES void consent_siphash_four(
    uint64_t k0, uint64_t k1, const void *const starts[4], const uint32_t counts[4], uint64_t hashes[8]
) {
    lanes state = {
        _mm256_set1_epi64x((long long)(k0 ^ 0x736f6d6570736575)),
        _mm256_set1_epi64x((long long)(k1 ^ 0x646f72616e646f6d ^ 0xee)),
        _mm256_set1_epi64x((long long)(k0 ^ 0x6c7967656e657261)),
        _mm256_set1_epi64x((long long)(k1 ^ 0x7465646279746573)),
    };
    const uint8_t *const *start = (const uint8_t *const *)starts;
    uint32_t fewest = UINT32_MAX, most = 0;
    for (int lane = 0; lane < 4; lane++) {
        uint32_t words = counts[lane] / 8 + 1;
        fewest = words < fewest ? words : fewest;
        most = words > most ? words : most;
    }
    __m256i last = _mm256_set_epi64x(counts[3] / 8, counts[2] / 8, counts[1] / 8, counts[0] / 8);
    for (uint32_t place = 0; place < most; place++) {
        __m256i word = _mm256_set_epi64x(
            word_of(start[3], counts[3], place), word_of(start[2], counts[2], place),
            word_of(start[1], counts[1], place), word_of(start[0], counts[0], place));
        lanes next = compressed(state, word);
        if (place < fewest) {
            state = next;
        } else {
            // Lanes whose last word is behind them keep what they have.
            __m256i done = _mm256_cmpgt_epi64(_mm256_set1_epi64x(place), last);
            state.v0 = chosen(next.v0, state.v0, done);
            state.v1 = chosen(next.v1, state.v1, done);
            state.v2 = chosen(next.v2, state.v2, done);
            state.v3 = chosen(next.v3, state.v3, done);
        }
    }
    state.v2 = _mm256_xor_si256(state.v2, _mm256_set1_epi64x(0xee));
    for (int round = 0; round < 4; round++) sip_round(&state);
    __m256i low = _mm256_xor_si256(_mm256_xor_si256(state.v0, state.v1), _mm256_xor_si256(state.v2, state.v3));
    state.v1 = _mm256_xor_si256(state.v1, _mm256_set1_epi64x(0xdd));
    for (int round = 0; round < 4; round++) sip_round(&state);
    __m256i high = _mm256_xor_si256(_mm256_xor_si256(state.v0, state.v1), _mm256_xor_si256(state.v2, state.v3));
    // low 0, low 1, … and high 0, high 1, … become pairs, lane by lane.
    __m256i even = _mm256_unpacklo_epi64(low, high), odd = _mm256_unpackhi_epi64(low, high);
    _mm256_storeu_si256((__m256i *)hashes, _mm256_permute2x128_si256(even, odd, 0x20));
    _mm256_storeu_si256((__m256i *)(hashes + 4), _mm256_permute2x128_si256(even, odd, 0x31));
}

#else

void consent_siphash_four(
    uint64_t k0, uint64_t k1, const void *const starts[4], const uint32_t counts[4], uint64_t hashes[8]
) {
    (void)k0, (void)k1, (void)starts, (void)counts, (void)hashes;
    __builtin_trap();
}

#endif
