// The counters that `-sanitize=fuzzer` puts into code: one byte an edge, in a section of their own.

#include "CFuzzer.h"

extern uint8_t __start___sancov_cntrs[] __attribute__((visibility("hidden")));
extern uint8_t __stop___sancov_cntrs[] __attribute__((visibility("hidden")));

size_t consent_fuzz_edge_count(void) { return (size_t)(__stop___sancov_cntrs - __start___sancov_cntrs); }

void consent_fuzz_mark_edges(uint8_t *seen) {
    size_t count = consent_fuzz_edge_count();
    for (size_t edge = 0; edge < count; edge++) seen[edge] |= __start___sancov_cntrs[edge] != 0;
}
