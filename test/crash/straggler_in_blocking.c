/* SPDX-License-Identifier: MIT
 * straggler_in_blocking.c - a blocking call that never comes back outlives the grace period. */
#include <covey.h>

#include <unistd.h>

static int hang(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    for (;;) {
        (void)pause();
    }
    return 0;
}

static int straggler(covey_ctx *ctx, void *arg)
{
    return covey_blocking(ctx, hang, arg);
}

static int first(covey_ctx *ctx, void *arg)
{
    (void)arg;
    (void)covey_go(straggler, NULL);
    return covey_sleep(ctx, COVEY_MS);
}

int main(void)
{
    covey_options opts = {.exit_grace_ns = 50 * COVEY_MS};

    return covey_run_with(&opts, first, NULL);
}
