/* SPDX-License-Identifier: MIT
 * stack_overflow_mprotect.c - a task recurses beyond a stack whose guard page mprotect made. */
#include <covey.h>

#include <stdlib.h>

static int depth_limit = 1 << 30;

__attribute__((noinline)) static int descend(int depth)
{
    volatile char frame[1000];

    frame[depth % 1000] = 1;
    return depth < depth_limit ? descend(depth + 1) + frame[(depth + 1) % 1000] : 0;
}

static int diver(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    return descend(0);
}

static int first(covey_ctx *ctx, void *arg)
{
    covey_group *g = covey_group_new(ctx);

    (void)arg;
    (void)covey_group_go(g, diver, NULL);
    return covey_group_wait(g);
}

int main(void)
{
    (void)setenv("COVEY_STACK_GUARD", "mprotect", 1);
    return covey_run(first, NULL);
}
