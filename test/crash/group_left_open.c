/* SPDX-License-Identifier: MIT
 * group_left_open.c - a task opens a group and returns without waiting for it. */
#include <covey.h>

static int sleeper(covey_ctx *ctx, void *arg)
{
    (void)arg;
    return covey_sleep(ctx, 100 * COVEY_MS);
}

static int leaver(covey_ctx *ctx, void *arg)
{
    covey_group *g = covey_group_new(ctx);

    (void)arg;
    return covey_group_go(g, sleeper, NULL);
}

static int first(covey_ctx *ctx, void *arg)
{
    covey_group *g = covey_group_new(ctx);

    (void)arg;
    (void)covey_group_go(g, leaver, NULL);
    return covey_group_wait(g);
}

int main(void)
{
    return covey_run(first, NULL);
}
