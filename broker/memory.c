/* memory.c - what large messages took goes back to the system
 *
 * The C library raises, with each large block that is freed, the size from which blocks are mapped by themselves, to 32 MB: from
 * then on frames of 10 MB lie in the heap, and below any small block that outlives them they stay resident for good. A fixed
 * bound keeps every such block a mapping of its own, which ends when it is freed. What a pass of the planner needs for a while is
 * smaller, and stays in the heap, whose end is given back when twice as much of it is free. */
#include <malloc.h>

#include "broker/shell.h"

#define MAPPED_BYTES (4 * 1024 * 1024)

void shell_memory_begin(void)
{
    mallopt(M_MMAP_THRESHOLD, MAPPED_BYTES);
    mallopt(M_TRIM_THRESHOLD, 2 * MAPPED_BYTES);
}
