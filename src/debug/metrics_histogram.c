/* SPDX-License-Identifier: MIT
 * metrics_histogram.c - histograms of times: what a program counts in, and how they are written. */
#include "debug/metrics_source.h"
#include "sched/histogram.h"

#include <covey/metrics.h>

#include <assert.h>
#include <inttypes.h>

static_assert(COVEY_HISTOGRAM_BUCKETS == CVY_HISTOGRAM_BUCKETS, "one set of bounds");

void covey_histogram_add(covey_histogram *h, int64_t ns)
{
    (void)__atomic_fetch_add(&h->counts_[cvy_histogram_bucket(ns)], 1, __ATOMIC_RELAXED);
    (void)__atomic_fetch_add(&h->ns_, (uint64_t)(ns > 0 ? ns : 0), __ATOMIC_RELAXED);
}

void covey_histogram_read(const covey_histogram *h, int64_t *values)
{
    for (size_t i = 0; i < COVEY_HISTOGRAM_BUCKETS; i++) {
        values[i] = (int64_t)__atomic_load_n(&h->counts_[i], __ATOMIC_RELAXED);
    }
    values[COVEY_HISTOGRAM_BUCKETS] = (int64_t)__atomic_load_n(&h->ns_, __ATOMIC_RELAXED);
}

/* "0.003", "30". Not by %g: a locale may have another decimal point. */
static void print_seconds(char *out, size_t size, int64_t ns)
{
    size_t n =
        (size_t)snprintf(out, size, "%" PRId64 ".%09" PRId64, ns / COVEY_SEC, ns % COVEY_SEC);

    while (out[n - 1] == '0') {
        out[--n] = '\0';
    }
    if (out[n - 1] == '.') {
        out[n - 1] = '\0';
    }
}

void cvy_metrics_write_histogram(FILE *out, const char *name, const covey_metrics_source *s,
                                 const covey_metric *metric, const int64_t *values)
{
    static const int64_t bounds[] = CVY_HISTOGRAM_BOUNDS;
    char le[32];
    int64_t sum = 0;

    for (size_t i = 0; i < COVEY_HISTOGRAM_BUCKETS; i++) {
        bool is_last = i == COVEY_HISTOGRAM_BUCKETS - 1;
        print_seconds(le, sizeof(le), is_last ? 0 : bounds[i]);
        sum += values[i];
        (void)fprintf(out, "%s_bucket", name);
        cvy_metrics_write_labels(out, s, metric, is_last ? "+Inf" : le);
        (void)fprintf(out, " %" PRId64 "\n", sum);
    }
    (void)fprintf(out, "%s_sum", name);
    cvy_metrics_write_labels(out, s, metric, NULL);
    cvy_metrics_write_value(out, values[COVEY_HISTOGRAM_BUCKETS], 9);
    (void)fprintf(out, "%s_count", name);
    cvy_metrics_write_labels(out, s, metric, NULL);
    (void)fprintf(out, " %" PRId64 "\n", sum);
}
