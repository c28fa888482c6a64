/* SPDX-License-Identifier: MIT
 * ctx_child_after_unref.c - a context made below one that was freed, found with COVEY_DEBUG=freed.
 */
#include <covey.h>

#include <stdlib.h>

static int user(covey_ctx *ctx, void *arg)
{
    (void)arg;
    int key = 0;
    covey_ctx *c = covey_ctx_with_value(ctx, &key, &key);

    covey_ctx_unref(c);
    covey_ctx_unref(covey_ctx_with_timeout(c, COVEY_SEC));
    return 0;
}

int main(void)
{
    (void)setenv("COVEY_DEBUG", "freed", 1);
    return covey_run(user, NULL);
}
