/* SPDX-License-Identifier: MIT
 * check_then_act_test.c - get or create in a map whose operations are safe one by one: two tasks
 * may both find nothing and both create. */
#include "explore.h"

#include <string.h>

#define ENTRIES 4

/* The smallest map that is safe for concurrent use. */
struct map {
    covey_rwmutex mutex;
    const char *keys[ENTRIES];
    int values[ENTRIES];
    size_t len;
};

static int find(struct map *m, const char *key)
{
    for (size_t i = 0; i < m->len; i++) {
        if (strcmp(m->keys[i], key) == 0) {
            return (int)i;
        }
    }
    return -1;
}

static bool load(struct map *m, const char *key, int *value)
{
    covey_rwmutex_rlock(&m->mutex);
    int at = find(m, key);
    if (at >= 0) {
        *value = m->values[at];
    }
    covey_rwmutex_runlock(&m->mutex);
    return at >= 0;
}

static void store_locked(struct map *m, const char *key, int value)
{
    int at = find(m, key);

    if (at < 0) {
        at = (int)m->len++;
        m->keys[at] = key;
    }
    m->values[at] = value;
}

static void store(struct map *m, const char *key, int value)
{
    covey_rwmutex_lock(&m->mutex);
    store_locked(m, key, value);
    covey_rwmutex_unlock(&m->mutex);
}

struct sessions {
    struct map map;
    int created;
};

static int open_session(covey_ctx *ctx, void *arg)
{
    struct sessions *s = arg;
    int session;

    (void)ctx;
    if (!load(&s->map, "alice", &session)) {
        store(&s->map, "alice", ++s->created);
    }
    return 0;
}

static int open_session_at_once(covey_ctx *ctx, void *arg)
{
    struct sessions *s = arg;

    (void)ctx;
    covey_rwmutex_lock(&s->map.mutex);
    if (find(&s->map, "alice") < 0) {
        store_locked(&s->map, "alice", ++s->created);
    }
    covey_rwmutex_unlock(&s->map.mutex);
    return 0;
}

static int open_twice(covey_ctx *ctx, covey_fn *fn)
{
    struct sessions s = {0};
    covey_group *g = covey_group_new(ctx);

    (void)covey_group_go(g, fn, &s);
    (void)covey_group_go(g, fn, &s);
    (void)covey_group_wait(g);
    return s.created == 1 ? 0 : covey_errorf(-EEXIST, "%d sessions for one user", s.created);
}

static int broken(covey_ctx *ctx, void *arg)
{
    (void)arg;
    return open_twice(ctx, open_session);
}

static int corrected(covey_ctx *ctx, void *arg)
{
    (void)arg;
    return open_twice(ctx, open_session_at_once);
}

BUG(check_then_act, COVEY_TEST_FAILED, 300)
