/* SPDX-License-Identifier: MIT
 * histogram.h - how long things took, counted by bounds: for metrics. All counters are relaxed; one
 * writer, or writers that share. */
#ifndef CVY_SCHED_HISTOGRAM_H
#define CVY_SCHED_HISTOGRAM_H

#include "base/atomic.h"

#include <stddef.h>

/* In nanoseconds; each about three times the one before. */
#define CVY_HISTOGRAM_BOUNDS                                                                       \
    {                                                                                              \
        100000, 300000, 1000000, 3000000, 10000000, 30000000, 100000000, 300000000, 1000000000,    \
            3000000000, 10000000000, 30000000000                                                   \
    }
#define CVY_HISTOGRAM_BUCKETS 13 /* the last has no bound */

struct cvy_histogram {
    _Atomic uint64_t counts[CVY_HISTOGRAM_BUCKETS];
    _Atomic uint64_t ns; /* all together */
};

static inline size_t cvy_histogram_bucket(int64_t ns)
{
    static const int64_t bounds[] = CVY_HISTOGRAM_BOUNDS;
    size_t i = 0;

    while (i < CVY_HISTOGRAM_BUCKETS - 1 && ns > bounds[i]) {
        i++;
    }
    return i;
}

/* The only writer: a load and a store. */
static inline void cvy_histogram_add_own(struct cvy_histogram *h, int64_t ns)
{
    _Atomic uint64_t *count = &h->counts[cvy_histogram_bucket(ns)];

    cvy_store_relaxed(count, cvy_load_relaxed(count) + 1);
    cvy_store_relaxed(&h->ns, cvy_load_relaxed(&h->ns) + (uint64_t)(ns > 0 ? ns : 0));
}

static inline void cvy_histogram_add_shared(struct cvy_histogram *h, int64_t ns)
{
    atomic_fetch_add_explicit(&h->counts[cvy_histogram_bucket(ns)], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&h->ns, (uint64_t)(ns > 0 ? ns : 0), memory_order_relaxed);
}

/* Adds what is in from to a histogram of the caller's. */
static inline void cvy_histogram_sum(struct cvy_histogram *into, const struct cvy_histogram *from)
{
    for (size_t i = 0; i < CVY_HISTOGRAM_BUCKETS; i++) {
        cvy_store_relaxed(&into->counts[i],
                          cvy_load_relaxed(&into->counts[i]) + cvy_load_relaxed(&from->counts[i]));
    }
    cvy_store_relaxed(&into->ns, cvy_load_relaxed(&into->ns) + cvy_load_relaxed(&from->ns));
}

#endif
