/* SPDX-License-Identifier: MIT
 * double_init_test.c - a flag of one's own instead of covey_once: it is looked at before the lock
 * is taken and not again after. */
#include "explore.h"

struct service {
    covey_mutex mutex;
    covey_once_flag once;
    bool is_started;
    int starts;
};

static void start(void *arg)
{
    struct service *s = arg;
    s->starts++;
}

static int use_own_flag(covey_ctx *ctx, void *arg)
{
    struct service *s = arg;

    (void)ctx;
    if (!s->is_started) {
        covey_mutex_lock(&s->mutex);
        start(s);
        s->is_started = true;
        covey_mutex_unlock(&s->mutex);
    }
    return 0;
}

static int use_once(covey_ctx *ctx, void *arg)
{
    struct service *s = arg;

    (void)ctx;
    covey_once(&s->once, start, s);
    return s->starts == 1 ? 0 : -EINVAL;
}

static int use_twice(covey_ctx *ctx, covey_fn *fn)
{
    struct service s = {0};
    covey_group *g = covey_group_new(ctx);

    (void)covey_group_go(g, fn, &s);
    (void)covey_group_go(g, fn, &s);
    int code = covey_group_wait(g);
    COVEY_TEST_CHECK(s.starts == 1);
    return code;
}

static int broken(covey_ctx *ctx, void *arg)
{
    (void)arg;
    return use_twice(ctx, use_own_flag);
}

static int corrected(covey_ctx *ctx, void *arg)
{
    (void)arg;
    return use_twice(ctx, use_once);
}

BUG(double_init, COVEY_TEST_FAILED, 500)
