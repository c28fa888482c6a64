/* SPDX-License-Identifier: MIT
 * forgotten_cancel_test.c - a heartbeat runs under a context of its own while a request is out. One
 * way out of the request forgets to end it: the one where the time-out comes first. */
#include "explore.h"

static int beat(covey_ctx *ctx, void *arg)
{
    covey_ctx **heart = arg;

    (void)ctx;
    while (covey_sleep(*heart, COVEY_SEC) == 0) {
    }
    covey_ctx_unref(*heart);
    return 0;
}

static int answer(covey_ctx *ctx, void *arg)
{
    int code = covey_sleep(ctx, 5 * COVEY_SEC);
    return code < 0 ? code : covey_chan_send(ctx, arg, NULL);
}

static int ask(covey_ctx *ctx, bool forgets)
{
    covey_ctx *heart = covey_ctx_with_cancel(covey_ctx_background());
    covey_ctx *held = covey_ctx_ref(heart);
    covey_chan *ch = covey_chan_new(0, 1);
    covey_group *g = covey_group_new(ctx);

    (void)covey_go_copy(beat, &held, sizeof(held));
    (void)covey_group_go(g, answer, ch);
    int which = covey_select(ctx, COVEY_RECV(ch, NULL), COVEY_AFTER(5 * COVEY_SEC));
    (void)covey_group_wait(g);
    covey_chan_unref(ch);
    if (which == 1 && forgets) {
        return COVEY_EDEADLINE;
    }
    covey_ctx_cancel(heart);
    covey_ctx_unref(heart);
    return 0;
}

static int broken(covey_ctx *ctx, void *arg)
{
    (void)arg;
    (void)ask(ctx, true);
    return 0;
}

static int corrected(covey_ctx *ctx, void *arg)
{
    (void)arg;
    return ask(ctx, false);
}

BUG(forgotten_cancel, COVEY_TEST_LEAK, 100)
