/* SPDX-License-Identifier: MIT
 * lost_permit_test.c - a permit is taken, the work is cancelled, and that way out does not give it
 * back: the next one waits for ever. */
#include "explore.h"

struct limited {
    covey_sem *permits;
    bool loses;
};

static int work(covey_ctx *ctx, void *arg)
{
    struct limited *l = arg;
    int code = covey_sem_acquire(ctx, l->permits, 1);

    if (code < 0) {
        return code;
    }
    code = covey_sleep(ctx, COVEY_MS);
    if (code < 0 && l->loses) {
        return code;
    }
    covey_sem_release(l->permits, 1);
    return code;
}

static int cancel_and_go_on(covey_ctx *ctx, bool loses)
{
    struct limited l = {covey_sem_new(1), loses};
    covey_group *g = covey_group_new(ctx);

    (void)covey_group_go(g, work, &l);
    (void)covey_group_go(g, work, &l);
    (void)covey_sleep(ctx, COVEY_MS);
    covey_group_cancel(g, 0);
    (void)covey_group_wait(g);
    int code = covey_sem_acquire(NULL, l.permits, 1);
    covey_sem_release(l.permits, 1);
    covey_sem_free(l.permits);
    return code;
}

static int broken(covey_ctx *ctx, void *arg)
{
    (void)arg;
    return cancel_and_go_on(ctx, true);
}

static int corrected(covey_ctx *ctx, void *arg)
{
    (void)arg;
    return cancel_and_go_on(ctx, false);
}

BUG(lost_permit, COVEY_TEST_DEADLOCK, 100)
