// A flat table of 16-byte keys: open addressing, linear probing, at most half full, 24 bytes a slot, no pointers.
//
// Keys are random already, so their own bits are the hash. Filled before the server serves, and only read after that.

#pragma once

#include <cstddef>
#include <vector>

#include "population.h"

namespace bench {

class Table {
 public:
  explicit Table(size_t recipients) {
    size_t slots = 16;
    while (slots < 2 * recipients) slots *= 2;
    slots_.resize(slots);
    mask_ = slots - 1;
    for (size_t number = 0; number < recipients; number++) insert(number);
  }

  void prefetch(const Key& key) const { __builtin_prefetch(&slots_[key.high & mask_]); }

  uint8_t reason(const Key& key, uint32_t purpose) const {
    for (size_t place = key.high & mask_;; place = (place + 1) & mask_) {
      const Slot& slot = slots_[place];
      if (!slot.reasons[0]) return kNoRecord;
      if (slot.key == key) return slot.reasons[(purpose - 1) % kPurposes];
    }
  }

 private:
  struct Slot {
    Key key{};
    uint8_t reasons[kPurposes] = {};  // the first is 0 in an empty slot
  };

  void insert(size_t number) {
    Slot filled;
    filled.key = keyOf(number);
    for (uint32_t purpose = 1; purpose <= kPurposes; purpose++) {
      filled.reasons[purpose - 1] = reasonOf(number, purpose);
    }
    size_t place = filled.key.high & mask_;
    while (slots_[place].reasons[0]) place = (place + 1) & mask_;
    slots_[place] = filled;
  }

  std::vector<Slot> slots_;
  size_t mask_ = 0;
};

}  // namespace bench
