/* SPDX-License-Identifier: MIT
 * pool.h - takes all threads of the elastic pool, until a test lets them go. */
#ifndef TEST_HARNESS_POOL_H
#define TEST_HARNESS_POOL_H

#include <covey.h>
#include <stdatomic.h>

enum { POOL_THREADS = 512, POOL_CALLS = POOL_THREADS + 8 };

struct pool_crowd {
    covey_chan *gate;
    covey_group *group;
    atomic_int inside;
};

static int pool_wait(covey_ctx *ctx, void *arg)
{
    struct pool_crowd *c = arg;

    (void)ctx;
    atomic_fetch_add(&c->inside, 1);
    return covey_chan_recv(NULL, c->gate, NULL) == COVEY_ECLOSED ? 0 : -EINVAL;
}

static int pool_call(covey_ctx *ctx, void *arg)
{
    return covey_blocking(ctx, pool_wait, arg);
}

/* Each has begun, and some calls stand in line. */
static void pool_take(covey_ctx *ctx, struct pool_crowd *c)
{
    *c = (struct pool_crowd){.gate = covey_chan_new(0, 0), .group = covey_group_new(ctx)};
    for (int i = 0; i < POOL_CALLS; i++) {
        (void)covey_group_go(c->group, pool_call, c);
    }
    while (atomic_load(&c->inside) < POOL_THREADS) {
        covey_yield();
    }
}

static void pool_let_go(const struct pool_crowd *c)
{
    (void)covey_chan_close(c->gate);
}

/* The code of the calls; all have ended. */
static int pool_join(struct pool_crowd *c)
{
    int code = covey_group_wait(c->group);

    covey_chan_unref(c->gate);
    return code;
}

#endif
