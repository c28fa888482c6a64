/* SPDX-License-Identifier: MIT
 * select_order_test.c - "quit is sent after the last item, so all items have been received when it
 * comes": but of several ready cases a select takes any. */
#include "explore.h"

#define ITEMS 3

struct pipe {
    covey_chan *items, *quit;
};

static int produce(covey_ctx *ctx, void *arg)
{
    struct pipe *p = arg;

    for (int i = 0; i < ITEMS; i++) {
        (void)covey_chan_send(ctx, p->items, &i);
    }
    return covey_chan_send(ctx, p->quit, NULL);
}

static int consume(covey_ctx *ctx, bool drains)
{
    struct pipe p = {covey_chan_new(sizeof(int), ITEMS), covey_chan_new(0, 1)};
    covey_group *g = covey_group_new(ctx);
    int received = 0;
    int item;

    (void)covey_group_go(g, produce, &p);
    while (covey_select(ctx, COVEY_RECV(p.items, &item), COVEY_RECV(p.quit, NULL)) == 0) {
        received++;
    }
    while (drains && covey_chan_try_recv(p.items, &item) == 0) {
        received++;
    }
    (void)covey_group_wait(g);
    covey_chan_unref(p.items);
    covey_chan_unref(p.quit);
    return received == ITEMS ? 0 : covey_errorf(-EINVAL, "%d of %d items", received, ITEMS);
}

static int broken(covey_ctx *ctx, void *arg)
{
    (void)arg;
    return consume(ctx, false);
}

static int corrected(covey_ctx *ctx, void *arg)
{
    (void)arg;
    return consume(ctx, true);
}

BUG(select_order, COVEY_TEST_FAILED, 100)
