/* SPDX-License-Identifier: MIT
 * alloc.h - memory for records that must not share cache lines. Freed by free(). */
#ifndef CVY_BASE_ALLOC_H
#define CVY_BASE_ALLOC_H

#include "base/atomic.h"

#include <stdlib.h>
#include <string.h>

/* Zeroed, aligned to a cache line; NULL: out of memory. */
static inline void *cvy_alloc_lines(size_t size)
{
    size = (size + CVY_CACHE_LINE - 1) / CVY_CACHE_LINE * CVY_CACHE_LINE;
    void *p = aligned_alloc(CVY_CACHE_LINE, size);
    if (p) {
        memset(p, 0, size);
    }
    return p;
}

#endif
