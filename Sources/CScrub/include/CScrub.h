// A SQLite file layer that writes no byte of a database page that the page does not use, and gives out no page
// that is not as it was written.

#ifndef CONSENT_CSCRUB_H
#define CONSENT_CSCRUB_H

#include <stdint.h>

enum {
    /// Bytes at the end of each page of a sealed file, which SQLite has to leave alone.
    CONSENT_SEAL_BYTES = 4,
    /// For `sqlite3_file_control`: the pages of this file, which is empty yet, are to be sealed.
    CONSENT_CONTROL_SEAL = 0x434E5344,
};

/// Name of the layer, for `sqlite3_open_v2`; NULL where SQLite does not take it. Safe on any thread.
const char *consent_scrub_vfs(void);

/// Zeroes what a B-tree page does not use: the gap between its cell pointers and its cells, and the inside of
/// its free blocks. Leaves every other page as it is.
/// - page: `size` bytes, a power of two from 512 to 65,536.
/// - isFirst: whether it is page 1, which begins with the database's header.
/// Returns 1 for a B-tree page, 0 for another.
int consent_scrub_page(unsigned char *page, int size, int isFirst);

/// Writes the seal of a page: CRC32C of its number, from 1, and of its bytes but the last four.
void consent_page_seal(unsigned char *page, int size, uint32_t number);

/// Whether a page has its seal.
int consent_page_is_sound(const unsigned char *page, int size, uint32_t number);

#endif
