/* SPDX-License-Identifier: MIT
 * segfault.c - a task writes where nothing is. */
#include <covey.h>

static int *nowhere;

static int scribble(covey_ctx *ctx, void *arg)
{
    (void)arg;
    int code = covey_sleep(ctx, COVEY_MS);
    *(volatile int *)nowhere = 1;
    return code;
}

static int first(covey_ctx *ctx, void *arg)
{
    covey_group *g = covey_group_new(ctx);

    (void)arg;
    (void)covey_group_go(g, scribble, NULL);
    return covey_group_wait(g);
}

int main(void)
{
    return covey_run(first, NULL);
}
