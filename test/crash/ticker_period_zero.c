/* SPDX-License-Identifier: MIT
 * ticker_period_zero.c - a ticker that would tick all the time, as in Go's NewTicker. */
#include <covey.h>

static int ticker(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    return covey_ticker_new(0) ? 0 : -EINVAL;
}

int main(void)
{
    return covey_run(ticker, NULL);
}
