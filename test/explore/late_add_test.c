/* SPDX-License-Identifier: MIT
 * late_add_test.c - a wait group whose add is the first thing that the counted task does: the wait
 * may come before it. */
#include "explore.h"

struct sum {
    covey_waitgroup wg;
    bool adds_itself;
    int value;
};

static int add_one(covey_ctx *ctx, void *arg)
{
    struct sum *s = arg;

    (void)ctx;
    if (s->adds_itself) {
        covey_waitgroup_add(&s->wg, 1);
    }
    s->value++;
    covey_waitgroup_done(&s->wg);
    return 0;
}

static int sum_up(covey_ctx *ctx, bool adds_itself)
{
    struct sum s = {.adds_itself = adds_itself};
    covey_group *g = covey_group_new(ctx);

    for (int i = 0; i < 3; i++) {
        if (!adds_itself) {
            covey_waitgroup_add(&s.wg, 1);
        }
        (void)covey_group_go(g, add_one, &s);
    }
    (void)covey_waitgroup_wait(NULL, &s.wg);
    int seen = s.value;
    (void)covey_group_wait(g);
    return seen == 3 ? 0 : covey_errorf(-EINVAL, "%d of 3 were waited for", seen);
}

static int broken(covey_ctx *ctx, void *arg)
{
    (void)arg;
    return sum_up(ctx, true);
}

static int corrected(covey_ctx *ctx, void *arg)
{
    (void)arg;
    return sum_up(ctx, false);
}

BUG(late_add, COVEY_TEST_FAILED, 100)
