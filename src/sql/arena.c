/* SPDX-License-Identifier: MIT
 * arena.c - see arena.h. */
#include "sql/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* The first is what malloc() has at hand in each thread; most statements need no other. */
#define CHUNK_FIRST 480
#define CHUNK_MAX ((size_t)64 << 10)

struct cvy_sql_chunk {
    struct cvy_sql_chunk *next;
    size_t size, used; /* of bytes */
    alignas(max_align_t) char bytes[];
};

static struct cvy_sql_chunk *add_chunk(struct cvy_sql_arena *a, size_t size)
{
    size_t last = a->chunks ? a->chunks->size : CHUNK_FIRST / 2;
    size_t room = last < CHUNK_MAX / 2 ? 2 * last : CHUNK_MAX; /* after a huge one no other */

    room = room < size ? size : room;
    if (room > SIZE_MAX - sizeof(struct cvy_sql_chunk)) {
        return NULL;
    }
    struct cvy_sql_chunk *c = malloc(sizeof(*c) + room);
    if (c) {
        c->size = room;
        c->used = 0;
        c->next = a->chunks;
        a->chunks = c;
    }
    return c;
}

void *cvy_sql_arena_alloc(struct cvy_sql_arena *a, size_t size)
{
    struct cvy_sql_chunk *c = a->chunks;
    size_t unit = alignof(max_align_t);

    if (size > SIZE_MAX - unit) {
        return NULL;
    }
    size = (size + unit - 1) / unit * unit;
    if (!c || c->size - c->used < size) {
        c = add_chunk(a, size);
        if (!c) {
            return NULL;
        }
    }
    void *p = c->bytes + c->used;
    c->used += size;
    a->used += size;
    return p;
}

char *cvy_sql_arena_copy(struct cvy_sql_arena *a, const void *data, size_t len)
{
    char *copy = len == SIZE_MAX ? NULL : cvy_sql_arena_alloc(a, len + 1);

    if (copy) {
        if (len > 0) {
            memcpy(copy, data, len);
        }
        copy[len] = '\0';
    }
    return copy;
}

void cvy_sql_arena_reset(struct cvy_sql_arena *a)
{
    struct cvy_sql_chunk *kept = a->chunks;

    a->used = 0;
    if (!kept) {
        return;
    }
    a->chunks = kept->next;
    kept->next = NULL;
    kept->used = 0;
    cvy_sql_arena_fini(a);
    a->chunks = kept;
}

void cvy_sql_arena_fini(struct cvy_sql_arena *a)
{
    while (a->chunks) {
        struct cvy_sql_chunk *c = a->chunks;
        a->chunks = c->next;
        free(c);
    }
    a->used = 0;
}
