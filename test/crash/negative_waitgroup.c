/* SPDX-License-Identifier: MIT
 * negative_waitgroup.c - one done more than was added. */
#include <covey.h>

static int counter(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    covey_waitgroup_add(arg, 2);
    for (int i = 0; i < 3; i++) {
        covey_waitgroup_done(arg);
    }
    return 0;
}

int main(void)
{
    covey_waitgroup wg = {0};

    return covey_run(counter, &wg);
}
