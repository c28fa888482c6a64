/* SPDX-License-Identifier: MIT
 * chan_unref_twice.c - one unref too many, found with COVEY_DEBUG=freed. */
#include <covey.h>

#include <stdlib.h>

static int user(covey_ctx *ctx, void *arg)
{
    (void)arg;
    covey_chan *ch = covey_chan_new(sizeof(int), 0);

    (void)ctx;
    covey_chan_unref(ch);
    covey_chan_unref(ch);
    return 0;
}

int main(void)
{
    (void)setenv("COVEY_DEBUG", "freed", 1);
    return covey_run(user, NULL);
}
