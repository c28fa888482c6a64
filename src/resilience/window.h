/* SPDX-License-Identifier: MIT
 * window.h - outcomes of the last while, in buckets: it rolls on by a bucket at a time. The owner
 * guards it by a lock. */
#ifndef CVY_RESILIENCE_WINDOW_H
#define CVY_RESILIENCE_WINDOW_H

#include <covey/breaker.h>

struct cvy_window {
    int64_t bucket_ns;        /* > 0; immutable */
    int64_t turn;             /* the number of the newest bucket: time / bucket_ns */
    uint32_t calls, failures; /* the sums of what follows */
    struct {
        uint32_t calls, failures;
    } buckets[COVEY_BREAKER_BUCKETS];
};

/* Forgets what has become too old. */
void cvy_window_roll(struct cvy_window *w, int64_t now);
void cvy_window_count(struct cvy_window *w, int64_t now, bool failed);
void cvy_window_clear(struct cvy_window *w);

#endif
