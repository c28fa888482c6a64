/* SPDX-License-Identifier: MIT
 * early_publish_test.c - a connection enters the table under the lock and gets its session after
 * the unlock: who finds it in between uses it without. */
#include "explore.h"

struct connection {
    int session; /* 0: none yet */
};

struct table {
    covey_mutex mutex;
    struct connection *first;
    struct connection storage;
    bool unlocks_early;
};

static int connect_one(covey_ctx *ctx, void *arg)
{
    struct table *t = arg;

    (void)ctx;
    covey_mutex_lock(&t->mutex);
    t->first = &t->storage;
    if (t->unlocks_early) {
        covey_mutex_unlock(&t->mutex);
        t->first->session = 42;
    } else {
        t->first->session = 42;
        covey_mutex_unlock(&t->mutex);
    }
    return 0;
}

static int use(covey_ctx *ctx, void *arg)
{
    struct table *t = arg;

    (void)ctx;
    covey_mutex_lock(&t->mutex);
    struct connection *c = t->first;
    covey_mutex_unlock(&t->mutex);
    return !c || c->session != 0 ? 0 : covey_errorf(-ENOTCONN, "a connection without a session");
}

static int connect_and_use(covey_ctx *ctx, bool unlocks_early)
{
    struct table t = {.unlocks_early = unlocks_early};
    covey_group *g = covey_group_new(ctx);

    (void)covey_group_go(g, connect_one, &t);
    (void)covey_group_go(g, use, &t);
    return covey_group_wait(g);
}

static int broken(covey_ctx *ctx, void *arg)
{
    (void)arg;
    return connect_and_use(ctx, true);
}

static int corrected(covey_ctx *ctx, void *arg)
{
    (void)arg;
    return connect_and_use(ctx, false);
}

BUG(early_publish, COVEY_TEST_FAILED, 500)
