// The layout of the file that the allocation counter maps; see AllocationCounter.c.

#ifndef ALLOCATION_COUNTER_H
#define ALLOCATION_COUNTER_H

/// Two u64: calls that allocated, and the bytes that they asked for.
#define ALLOCATION_COUNTER_FILE_BYTES 16

#endif
