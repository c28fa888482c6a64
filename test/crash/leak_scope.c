/* SPDX-License-Identifier: MIT
 * leak_scope.c - a test of a user's leaves a task and a descriptor behind. */
#include <covey.h>

#include <unistd.h>

static int left_behind(covey_ctx *ctx, void *arg)
{
    return covey_chan_recv(ctx, arg, NULL);
}

static int first(covey_ctx *ctx, void *arg)
{
    covey_chan *ch = covey_chan_new(0, 0);

    (void)ctx;
    (void)arg;
    COVEY_NO_LEAKS
    {
        (void)covey_go(left_behind, ch);
        (void)dup(0);
    }
    return 0;
}

int main(void)
{
    return covey_run(first, NULL);
}
