/* SPDX-License-Identifier: MIT
 * stack_overflow_of_chosen_size.c - the same with a stack of a size asked for, by one large array
 * that is touched from its far end. */
#include <covey.h>

static volatile size_t size = (size_t)3 << 20;

static int diver(covey_ctx *ctx, void *arg)
{
    volatile char *bytes = __builtin_alloca(size);

    (void)ctx;
    (void)arg;
    for (size_t i = 0; i < size; i += 1024) {
        bytes[size - 1 - i] = 1;
    }
    return bytes[size / 2];
}

static int first(covey_ctx *ctx, void *arg)
{
    covey_task_options opts = {.name = "large", .stack_size = (size_t)1 << 20};
    covey_group *g = covey_group_new(ctx);

    (void)arg;
    (void)covey_group_go_with(g, &opts, diver, NULL);
    return covey_group_wait(g);
}

int main(void)
{
    return covey_run(first, NULL);
}
