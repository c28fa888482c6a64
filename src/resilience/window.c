/* SPDX-License-Identifier: MIT
 * window.c - the rolling window: bucket i holds the outcomes of the turns that leave i when divided
 * by their number, of which only the newest is still in the window. */
#include "resilience/window.h"

#include <string.h>

void cvy_window_clear(struct cvy_window *w)
{
    memset(w->buckets, 0, sizeof(w->buckets));
    w->calls = w->failures = 0;
}

void cvy_window_roll(struct cvy_window *w, int64_t now)
{
    int64_t turn = now / w->bucket_ns;

    if (turn - w->turn >= COVEY_BREAKER_BUCKETS) {
        cvy_window_clear(w);
        w->turn = turn;
    }
    while (w->turn < turn) {
        size_t i = (size_t)(++w->turn % COVEY_BREAKER_BUCKETS);
        w->calls -= w->buckets[i].calls;
        w->failures -= w->buckets[i].failures;
        w->buckets[i].calls = w->buckets[i].failures = 0;
    }
}

void cvy_window_count(struct cvy_window *w, int64_t now, bool failed)
{
    cvy_window_roll(w, now);
    size_t i = (size_t)(w->turn % COVEY_BREAKER_BUCKETS);
    w->buckets[i].calls++;
    w->calls++;
    w->buckets[i].failures += failed;
    w->failures += failed;
}
