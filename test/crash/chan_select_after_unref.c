/* SPDX-License-Identifier: MIT
 * chan_select_after_unref.c - a select on a channel that was freed, found with COVEY_DEBUG=freed.
 */
#include <covey.h>

#include <stdlib.h>

static int user(covey_ctx *ctx, void *arg)
{
    (void)arg;
    covey_chan *ch = covey_chan_new(sizeof(int), 0);
    int value;

    covey_chan_unref(ch);
    (void)covey_select(ctx, COVEY_RECV(ch, &value), COVEY_DEFAULT);
    return 0;
}

int main(void)
{
    (void)setenv("COVEY_DEBUG", "freed", 1);
    return covey_run(user, NULL);
}
