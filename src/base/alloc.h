/* SPDX-License-Identifier: MIT
 * alloc.h - the core's memory: every allocation of base to io is made here, so that each can be
 * made to fail (COVEY_DEBUG=alloc). NULL: out of memory. Freed by free(). */
#ifndef CVY_BASE_ALLOC_H
#define CVY_BASE_ALLOC_H

#include "base/debug.h"

#include <stdlib.h>
#include <string.h>

static inline void *cvy_alloc(size_t size)
{
    return cvy_alloc_fails() ? NULL : malloc(size);
}

static inline void *cvy_alloc_zeroed(size_t size)
{
    return cvy_alloc_fails() ? NULL : calloc(1, size);
}

/* For records that must not share cache lines: zeroed, aligned to a line. */
static inline void *cvy_alloc_lines(size_t size)
{
    size = (size + CVY_CACHE_LINE - 1) / CVY_CACHE_LINE * CVY_CACHE_LINE;
    void *p = cvy_alloc_fails() ? NULL : aligned_alloc(CVY_CACHE_LINE, size);
    if (p) {
        memset(p, 0, size);
    }
    return p;
}

static inline void *cvy_realloc(void *p, size_t size)
{
    return cvy_alloc_fails() ? NULL : realloc(p, size);
}

/* Room for one more element of size bytes behind the pointer at items, of which *room fit and count
 * are there. False: out of memory; nothing has changed. */
static inline bool cvy_grow(void *items, size_t count, size_t *room, size_t size)
{
    void *old;

    if (count < *room) {
        return true;
    }
    size_t larger = *room ? *room * 2 : 16;
    memcpy(&old, items, sizeof(old));
    void *moved = cvy_realloc(old, larger * size);
    if (!moved) {
        return false;
    }
    memcpy(items, &moved, sizeof(moved));
    *room = larger;
    return true;
}

static inline char *cvy_strdup(const char *s)
{
    return cvy_alloc_fails() ? NULL : strdup(s);
}

static inline char *cvy_strndup(const char *s, size_t max)
{
    return cvy_alloc_fails() ? NULL : strndup(s, max);
}

#endif
