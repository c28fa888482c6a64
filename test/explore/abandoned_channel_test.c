/* SPDX-License-Identifier: MIT
 * abandoned_channel_test.c - who asked gives up; who answers sends on a channel that nobody
 * receives from any more, and waits for ever. */
#include "explore.h"

static int answer(covey_ctx *ctx, void *arg)
{
    covey_chan *ch = *(covey_chan **)arg;

    (void)ctx;
    (void)covey_sleep(NULL, 5 * COVEY_MS);
    (void)covey_chan_send(NULL, ch, NULL);
    covey_chan_unref(ch);
    return 0;
}

static int ask(covey_ctx *ctx, size_t capacity)
{
    covey_chan *ch = covey_chan_new(0, capacity);
    covey_chan *theirs = covey_chan_ref(ch);

    (void)covey_go_copy(answer, &theirs, sizeof(theirs));
    (void)covey_select(ctx, COVEY_RECV(ch, NULL), COVEY_AFTER(5 * COVEY_MS));
    covey_chan_unref(ch);
    return 0;
}

static int broken(covey_ctx *ctx, void *arg)
{
    (void)arg;
    return ask(ctx, 0);
}

static int corrected(covey_ctx *ctx, void *arg)
{
    (void)arg;
    return ask(ctx, 1);
}

BUG(abandoned_channel, COVEY_TEST_LEAK, 100)
