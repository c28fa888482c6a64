/* SPDX-License-Identifier: MIT
 * ctx_after_unref.c - a wait under a context that was freed, found with COVEY_DEBUG=freed. */
#include <covey.h>

#include <stdlib.h>

static int user(covey_ctx *ctx, void *arg)
{
    (void)arg;
    covey_ctx *c = covey_ctx_with_cancel(ctx);

    covey_ctx_unref(c);
    (void)covey_sleep(c, COVEY_MS);
    return 0;
}

int main(void)
{
    (void)setenv("COVEY_DEBUG", "freed", 1);
    return covey_run(user, NULL);
}
