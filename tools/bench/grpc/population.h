// The gRPC peer's population: keys and answers that follow from a number, so that server and client agree without
// a file.
//
// A key is 16 pseudo-random bytes, which is what a keyed hash of an address looks like. One in ten has withdrawn.
// Invariant: keys of numbers up to the population's size are on the server; the client asks about others as misses.

#pragma once

#include <cstdint>
#include <cstring>

namespace bench {

constexpr uint32_t kPurposes = 4;
constexpr uint8_t kConsent = 1, kWithdrawn = 65, kNoRecord = 96;

struct Key {
  uint64_t high, low;

  bool operator==(const Key& other) const { return high == other.high && low == other.low; }

  static Key read(const char* bytes) {
    Key key;
    std::memcpy(&key, bytes, sizeof key);
    return key;
  }
};
static_assert(sizeof(Key) == 16, "a key has 16 bytes on the wire");

/// splitmix64's finaliser.
inline uint64_t mix(uint64_t x) {
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

inline Key keyOf(uint64_t number) { return {mix(2 * number), mix(2 * number + 1)}; }

/// The answer for a recipient on file. Purposes are 1 to 4.
inline uint8_t reasonOf(uint64_t number, uint32_t purpose) {
  return mix(number ^ (uint64_t(purpose) << 56)) % 10 == 0 ? kWithdrawn : kConsent;
}

}  // namespace bench
