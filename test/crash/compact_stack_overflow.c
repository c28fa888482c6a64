/* SPDX-License-Identifier: MIT
 * compact_stack_overflow.c - a compact task uses more than its stack; no guard page catches it, but
 * the canary does at the next switch. */
#include <covey.h>

__attribute__((noinline)) static int fill(volatile char *above)
{
    volatile char frame[3000];

    for (int i = 2999; i >= 0; i--) {
        frame[i] = above[0];
    }
    return frame[5];
}

static int leaf(covey_ctx *ctx, void *arg)
{
    volatile char byte = 1;
    int sum = fill(&byte);

    (void)ctx;
    (void)arg;
    covey_yield();
    return sum;
}

static int first(covey_ctx *ctx, void *arg)
{
    covey_task_options opts = {.compact = true};
    covey_group *g = covey_group_new(ctx);

    (void)arg;
    for (int i = 0; i < 5; i++) {
        (void)covey_group_go_with(g, &opts, leaf, NULL);
    }
    return covey_group_wait(g);
}

int main(void)
{
    return covey_run(first, NULL);
}
