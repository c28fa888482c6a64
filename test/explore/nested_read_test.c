/* SPDX-License-Identifier: MIT
 * nested_read_test.c - a reader reads again while it reads. Between the two a writer may come,
 * which the second must let go first, and which itself waits for the first. */
#include "explore.h"

struct config {
    covey_rwmutex mutex;
    int timeout, retries;
};

static int retries_of(struct config *c)
{
    covey_rwmutex_rlock(&c->mutex);
    int retries = c->retries;
    covey_rwmutex_runlock(&c->mutex);
    return retries;
}

static int read_nested(covey_ctx *ctx, void *arg)
{
    struct config *c = arg;

    (void)ctx;
    covey_rwmutex_rlock(&c->mutex);
    int budget = c->timeout * retries_of(c);
    covey_rwmutex_runlock(&c->mutex);
    return budget;
}

static int read_once(covey_ctx *ctx, void *arg)
{
    struct config *c = arg;

    (void)ctx;
    covey_rwmutex_rlock(&c->mutex);
    int budget = c->timeout * c->retries;
    covey_rwmutex_runlock(&c->mutex);
    return budget;
}

static int change(covey_ctx *ctx, void *arg)
{
    struct config *c = arg;

    (void)ctx;
    covey_rwmutex_lock(&c->mutex);
    c->timeout++;
    c->retries++;
    covey_rwmutex_unlock(&c->mutex);
    return 0;
}

static int read_and_change(covey_ctx *ctx, covey_fn *reader)
{
    struct config c = {0};
    covey_group *g = covey_group_new(ctx);

    (void)covey_group_go(g, reader, &c);
    (void)covey_group_go(g, change, &c);
    return covey_group_wait(g);
}

static int broken(covey_ctx *ctx, void *arg)
{
    (void)arg;
    return read_and_change(ctx, read_nested);
}

static int corrected(covey_ctx *ctx, void *arg)
{
    (void)arg;
    return read_and_change(ctx, read_once);
}

BUG(nested_read, COVEY_TEST_DEADLOCK, 1000)
