/* SPDX-License-Identifier: MIT
 * stack_overflow_canary.c - a task uses somewhat more than a stack that has no guard page; the
 * canary tells at the next switch. */
#include <covey.h>

#include <stdlib.h>

#define STACK ((size_t)64 << 10)

static int diver(covey_ctx *ctx, void *arg)
{
    volatile char bytes[STACK + 1024];

    (void)ctx;
    (void)arg;
    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[sizeof(bytes) - 1 - i] = 1;
    }
    covey_yield();
    return bytes[0];
}

static int first(covey_ctx *ctx, void *arg)
{
    covey_task_options opts = {.stack_size = STACK};
    covey_group *g = covey_group_new(ctx);

    (void)arg;
    (void)covey_group_go_with(g, &opts, diver, NULL);
    (void)covey_group_go_with(g, &opts, diver, NULL);
    return covey_group_wait(g);
}

int main(void)
{
    (void)setenv("COVEY_STACK_GUARD", "canary", 1);
    return covey_run(first, NULL);
}
