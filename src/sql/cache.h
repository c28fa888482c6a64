/* SPDX-License-Identifier: MIT
 * cache.h - a connection's prepared statements by their text, the least recently used dropped
 * first. Used by who uses the connection. */
#ifndef CVY_SQL_CACHE_H
#define CVY_SQL_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cvy_sql_prepared {
    char *key; /* owned; NULL: free */
    uint64_t hash, used;
    void *handle; /* the back end's */
};

struct cvy_sql_cache {
    struct cvy_sql_prepared *entries;
    size_t room;
    uint64_t clock;
    void (*drop)(void *conn, void *handle); /* immutable */
    void *conn;
};

/* Room for max statements; max may be 0. 0, -ENOMEM. */
int cvy_sql_cache_init(struct cvy_sql_cache *c, int max, void (*drop)(void *conn, void *handle),
                       void *conn);
/* NULL: not there. */
void *cvy_sql_cache_find(struct cvy_sql_cache *c, const char *key);
/* What keeping one more would drop; NULL: nothing. */
void *cvy_sql_cache_oldest(const struct cvy_sql_cache *c);
/* Keeps handle under key, which is not there; may drop another. False: not kept (no room, no
 * memory): it stays the caller's. */
bool cvy_sql_cache_keep(struct cvy_sql_cache *c, const char *key, void *handle);
/* Drops one statement, or all. */
void cvy_sql_cache_forget(struct cvy_sql_cache *c, const void *handle);
void cvy_sql_cache_clear(struct cvy_sql_cache *c);
void cvy_sql_cache_fini(struct cvy_sql_cache *c);

#endif
