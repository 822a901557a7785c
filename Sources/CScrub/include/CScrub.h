// A SQLite file layer that writes no byte of a database page that the page does not use.

#ifndef CONSENT_CSCRUB_H
#define CONSENT_CSCRUB_H

/// Name of the layer, for `sqlite3_open_v2`; NULL where SQLite does not take it. Safe on any thread.
const char *consent_scrub_vfs(void);

/// Zeroes what a B-tree page does not use: the gap between its cell pointers and its cells, and the inside of
/// its free blocks. Leaves every other page as it is.
/// - page: `size` bytes, a power of two from 512 to 65,536.
/// - isFirst: whether it is page 1, which begins with the database's header.
/// Returns 1 for a B-tree page, 0 for another.
int consent_scrub_page(unsigned char *page, int size, int isFirst);

#endif
