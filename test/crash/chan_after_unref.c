/* SPDX-License-Identifier: MIT
 * chan_after_unref.c - a receive from a channel that was freed, found with COVEY_DEBUG=freed. */
#include <covey.h>

#include <stdlib.h>

static int user(covey_ctx *ctx, void *arg)
{
    (void)arg;
    covey_chan *ch = covey_chan_new(sizeof(int), 1);
    int value = 1;

    (void)covey_chan_send(ctx, ch, &value);
    covey_chan_unref(ch);
    (void)covey_chan_recv(ctx, ch, &value);
    return 0;
}

int main(void)
{
    (void)setenv("COVEY_DEBUG", "freed", 1);
    return covey_run(user, NULL);
}
