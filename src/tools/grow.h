/* SPDX-License-Identifier: MIT
 * grow.h - arrays that grow. */
#ifndef CVY_TOOLS_GROW_H
#define CVY_TOOLS_GROW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* Room for one more element of size bytes behind the pointer at items, of which *room fit and count
 * are there. False: out of memory; nothing has changed. */
static inline bool cvy_tools_grow(void *items, size_t count, size_t *room, size_t size)
{
    void *old;

    if (count < *room) {
        return true;
    }
    size_t larger = *room ? *room * 2 : 16;
    memcpy(&old, items, sizeof(old));
    void *moved = realloc(old, larger * size);
    if (!moved) {
        return false;
    }
    memcpy(items, &moved, sizeof(moved));
    *room = larger;
    return true;
}

#endif
