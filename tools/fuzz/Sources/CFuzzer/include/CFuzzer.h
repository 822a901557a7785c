// What Swift needs of libFuzzer: its driver, its mutations, and its counters of edges.

#ifndef CONSENT_FUZZER_H
#define CONSENT_FUZZER_H

#include <stddef.h>
#include <stdint.h>

/// Runs libFuzzer with a program's arguments.
int LLVMFuzzerRunDriver(int *argc, char ***argv, int (*callback)(const uint8_t *data, size_t size));

/// Mutates bytes in place, up to max_size of them; returns how many there are then.
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);

/// How many edges of the program have a counter.
size_t consent_fuzz_edge_count(void);

/// Marks the edges that were taken since libFuzzer last reset its counters: before the input that runs now.
void consent_fuzz_mark_edges(uint8_t *seen);

#endif
