/* SPDX-License-Identifier: MIT
 * lost_update_test.c - a counter whose every access is locked, but not the whole of an increment.
 */
#include "explore.h"

struct counter {
    covey_mutex mutex;
    int value;
};

static int get(struct counter *c)
{
    covey_mutex_lock(&c->mutex);
    int value = c->value;
    covey_mutex_unlock(&c->mutex);
    return value;
}

static void set(struct counter *c, int value)
{
    covey_mutex_lock(&c->mutex);
    c->value = value;
    covey_mutex_unlock(&c->mutex);
}

static int increment_in_two_steps(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    set(arg, get(arg) + 1);
    return 0;
}

static int increment(covey_ctx *ctx, void *arg)
{
    struct counter *c = arg;

    (void)ctx;
    covey_mutex_lock(&c->mutex);
    c->value++;
    covey_mutex_unlock(&c->mutex);
    return 0;
}

static int count_to_three(covey_ctx *ctx, covey_fn *fn)
{
    struct counter c = {0};
    covey_group *g = covey_group_new(ctx);

    for (int i = 0; i < 3; i++) {
        (void)covey_group_go(g, fn, &c);
    }
    (void)covey_group_wait(g);
    return c.value == 3 ? 0 : covey_errorf(-EINVAL, "the counter is %d", c.value);
}

static int broken(covey_ctx *ctx, void *arg)
{
    (void)arg;
    return count_to_three(ctx, increment_in_two_steps);
}

static int corrected(covey_ctx *ctx, void *arg)
{
    (void)arg;
    return count_to_three(ctx, increment);
}

BUG(lost_update, COVEY_TEST_FAILED, 200)
