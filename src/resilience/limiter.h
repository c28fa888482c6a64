/* SPDX-License-Identifier: MIT
 * limiter.h - a limiter's state: see limiter.c. */
#ifndef CVY_RESILIENCE_LIMITER_H
#define CVY_RESILIENCE_LIMITER_H

#include <covey/chan.h>
#include <covey/limiter.h>
#include <covey/metrics.h>
#include <covey/sync.h>

struct covey_limiter {
    /* Immutable. */
    covey_sem *line;
    covey_chan *changed; /* capacity 1: wakes the first in line to look again */
    char *name;          /* owned; NULL: it has none */

    /* Guarded by lock. */
    covey_mutex lock;
    double per_second, burst, tokens;
    int64_t filled_at; /* tokens is of this time */
    uint64_t waiting, allowed, refused, canceled;

    covey_metrics_source source; /* the registry's; registered if it has a name */
};

#endif
