/* SPDX-License-Identifier: MIT
 * arena.h - bytes that are given up together: what the values of some rows point to. Not locked. */
#ifndef CVY_SQL_ARENA_H
#define CVY_SQL_ARENA_H

#include <stddef.h>

struct cvy_sql_chunk;

/* Ready when zero. */
struct cvy_sql_arena {
    struct cvy_sql_chunk *chunks; /* the newest first */
    size_t used;                  /* bytes handed out */
};

/* Aligned for any type. NULL: out of memory. */
void *cvy_sql_arena_alloc(struct cvy_sql_arena *a, size_t size);
/* A copy of len bytes with a NUL behind it. */
char *cvy_sql_arena_copy(struct cvy_sql_arena *a, const void *data, size_t len);
/* Gives everything up; one chunk is kept for later. */
void cvy_sql_arena_reset(struct cvy_sql_arena *a);
void cvy_sql_arena_fini(struct cvy_sql_arena *a);

#endif
