/* SPDX-License-Identifier: MIT
 * missed_signal_test.c - a condition that is looked at outside the mutex: the signal may come
 * between the look and the wait, and nobody sends another. */
#include "explore.h"

struct box {
    covey_mutex mutex;
    covey_cond filled;
    bool is_full;
};

static int fill_unlocked(covey_ctx *ctx, void *arg)
{
    struct box *b = arg;

    (void)ctx;
    b->is_full = true;
    covey_cond_signal(&b->filled);
    return 0;
}

static int fill(covey_ctx *ctx, void *arg)
{
    struct box *b = arg;

    (void)ctx;
    covey_mutex_lock(&b->mutex);
    b->is_full = true;
    covey_mutex_unlock(&b->mutex);
    covey_cond_signal(&b->filled);
    return 0;
}

static int broken(covey_ctx *ctx, void *arg)
{
    struct box b = {0};
    covey_group *g = covey_group_new(ctx);

    (void)arg;
    (void)covey_group_go(g, fill_unlocked, &b);
    if (!b.is_full) {
        covey_mutex_lock(&b.mutex);
        (void)covey_cond_wait(NULL, &b.filled, &b.mutex);
        covey_mutex_unlock(&b.mutex);
    }
    return covey_group_wait(g);
}

static int corrected(covey_ctx *ctx, void *arg)
{
    struct box b = {0};
    covey_group *g = covey_group_new(ctx);

    (void)arg;
    (void)covey_group_go(g, fill, &b);
    covey_mutex_lock(&b.mutex);
    while (!b.is_full) {
        (void)covey_cond_wait(NULL, &b.filled, &b.mutex);
    }
    covey_mutex_unlock(&b.mutex);
    return covey_group_wait(g);
}

BUG(missed_signal, COVEY_TEST_DEADLOCK, 100)
