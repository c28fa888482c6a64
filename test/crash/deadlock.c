/* SPDX-License-Identifier: MIT
 * deadlock.c - every task waits and nothing could wake one. */
#include <covey.h>

static covey_chan *nobody_sends;

static int waiter(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    return covey_chan_recv(NULL, nobody_sends, NULL);
}

static int first(covey_ctx *ctx, void *arg)
{
    covey_group *g = covey_group_new(ctx);

    (void)arg;
    nobody_sends = covey_chan_new(0, 0);
    (void)covey_group_go(g, waiter, NULL);
    (void)covey_group_go(g, waiter, NULL);
    return covey_group_wait(g);
}

int main(void)
{
    return covey_run(first, NULL);
}
