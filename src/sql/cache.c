/* SPDX-License-Identifier: MIT
 * cache.c - see cache.h. A few dozen statements: a search through all is quicker than a table. */
#include "sql/cache.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* FNV-1a. */
static uint64_t hash_of(const char *key)
{
    uint64_t h = UINT64_C(14695981039346656037);

    for (; *key; key++) {
        h = (h ^ (unsigned char)*key) * UINT64_C(1099511628211);
    }
    return h;
}

static void drop_entry(struct cvy_sql_cache *c, struct cvy_sql_prepared *e)
{
    if (e->key) {
        c->drop(c->conn, e->handle);
        free(e->key);
        *e = (struct cvy_sql_prepared){0};
    }
}

int cvy_sql_cache_init(struct cvy_sql_cache *c, int max, void (*drop)(void *conn, void *handle),
                       void *conn)
{
    *c = (struct cvy_sql_cache){.drop = drop, .conn = conn};
    if (max > 0) {
        c->entries = calloc((size_t)max, sizeof(*c->entries));
        c->room = c->entries ? (size_t)max : 0;
        return c->entries ? 0 : -ENOMEM;
    }
    return 0;
}

void *cvy_sql_cache_find(struct cvy_sql_cache *c, const char *key)
{
    uint64_t hash = hash_of(key);

    for (size_t i = 0; i < c->room; i++) {
        struct cvy_sql_prepared *e = &c->entries[i];
        if (e->key && e->hash == hash && strcmp(e->key, key) == 0) {
            e->used = ++c->clock;
            return e->handle;
        }
    }
    return NULL;
}

/* The one to be used next: a free one has used 0. NULL: no room at all. */
static struct cvy_sql_prepared *oldest_of(const struct cvy_sql_cache *c)
{
    struct cvy_sql_prepared *oldest = c->entries;

    for (size_t i = 1; i < c->room; i++) {
        if (c->entries[i].used < oldest->used) {
            oldest = &c->entries[i];
        }
    }
    return oldest;
}

void *cvy_sql_cache_oldest(const struct cvy_sql_cache *c)
{
    const struct cvy_sql_prepared *oldest = oldest_of(c);

    return oldest ? oldest->handle : NULL;
}

bool cvy_sql_cache_keep(struct cvy_sql_cache *c, const char *key, void *handle)
{
    struct cvy_sql_prepared *oldest = oldest_of(c);
    char *copy = oldest ? strdup(key) : NULL;

    if (!copy) {
        return false;
    }
    drop_entry(c, oldest);
    *oldest = (struct cvy_sql_prepared){
        .key = copy, .hash = hash_of(key), .used = ++c->clock, .handle = handle};
    return true;
}

void cvy_sql_cache_forget(struct cvy_sql_cache *c, const void *handle)
{
    for (size_t i = 0; i < c->room; i++) {
        if (c->entries[i].key && c->entries[i].handle == handle) {
            drop_entry(c, &c->entries[i]);
        }
    }
}

void cvy_sql_cache_clear(struct cvy_sql_cache *c)
{
    for (size_t i = 0; i < c->room; i++) {
        drop_entry(c, &c->entries[i]);
    }
}

void cvy_sql_cache_fini(struct cvy_sql_cache *c)
{
    cvy_sql_cache_clear(c);
    free(c->entries);
    c->entries = NULL;
    c->room = 0;
}
