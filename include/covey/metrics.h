/* SPDX-License-Identifier: MIT
 * covey/metrics.h - figures of the running runtime for Prometheus, and of what registers beside it.
 *
 * Any thread may call everything here, with a runtime up or not. Fields ending in _ are covey's. */
#ifndef COVEY_METRICS_H
#define COVEY_METRICS_H

#include <covey/defs.h>

#include <stdio.h>

COVEY_BEGIN

/* Writes Prometheus' text format (version 0.0.4), each metric with HELP and TYPE, names with units:
 * counters of tasks started, ended and failed, of parks, thefts and takeovers; tasks by state; what
 * waits in each worker's queue and in the global one; workers, threads, threads of the blocking
 * pool; channels that have a name (covey_chan_set_name()), those of the same name together; and
 * histograms of how long tasks that
 * can run wait to (sampled), groups take, and blocking calls wait for a thread. Without a runtime
 * up: all zero. Then the figures of all registered sources: a user's, and what has a name among
 * breakers, limiters, HTTP servers and clients, databases, Redis handles, fan-outs and their
 * workers. May switch: it waits while another call writes or registers. 0; -ENOMEM; of out, which
 * is flushed, as covey_dump_as() (-ENOSPC). */
COVEY_API int covey_metrics_write(FILE *out);

#define COVEY_METRICS_MAX 64 /* values of a kind: one a metric, but for histograms */

#define COVEY_HISTOGRAM_BUCKETS 13 /* up to 0.1 ms, 0.3 ms, 1 ms, ... 30 s, and longer */
#define COVEY_HISTOGRAM_VALUES 14  /* that covey_histogram_read() gives */

/* How long things took, counted by bounds. {0} is empty. */
typedef struct covey_histogram {
    uint64_t counts_[COVEY_HISTOGRAM_BUCKETS];
    uint64_t ns_;
} covey_histogram;

/* Counts one that took ns. Many may at once. Does not switch. */
COVEY_API void covey_histogram_add(covey_histogram *h, int64_t ns);
/* Fills in COVEY_HISTOGRAM_VALUES values: for a covey_metrics_kind's read. The count is that of the
 * buckets; the sum may have one more or less of those that are being added. Does not switch. */
COVEY_API void covey_histogram_read(const covey_histogram *h, int64_t *values);

/* One figure that all objects of a kind have. Neighbours of the same name are one family, told
 * apart by more_labels, and the first one's help and type hold for it. */
typedef struct covey_metric {
    const char *name;        /* "shop_orders_total", "shop_queue_wait_seconds" */
    const char *help;        /* one line */
    const char *more_labels; /* as written: state="open"; NULL: none */
    bool is_gauge;           /* else a counter, which never falls */
    int decimals;      /* of its values, at most 18: 9 for nanoseconds in a metric of seconds */
    bool is_histogram; /* of seconds: its COVEY_HISTOGRAM_VALUES values are a covey_histogram's */
} covey_metric;

/* A kind of object; static, since sources of one kind share the pointer. */
typedef struct covey_metrics_kind {
    const char *label;           /* that tells its objects apart: "queue" */
    const covey_metric *metrics; /* their names belong to this kind alone */
    size_t count;                /* of them; their values are at most COVEY_METRICS_MAX */
    /* Fills in the values, in the order of the metrics. Called by whoever writes, once a time;
     * may lock the object, but must not wait for long, and must not register or unregister. */
    void (*read)(void *object, int64_t *values);
} covey_metrics_kind;

/* One object; lives in it. */
typedef struct covey_metrics_source {
    const covey_metrics_kind *kind_;
    const char *name_;
    void *object_;
    struct covey_metrics_source *next_;
    unsigned number_; /* among those of its name */
} covey_metrics_source;

/* From now on covey_metrics_write() shows object under this name, which may hold any characters. It
 * should be its alone among its kind: further ones of that name are "name#2" and so on. Everything
 * is borrowed until it is unregistered. Cannot fail. May switch. */
COVEY_API void covey_metrics_register(covey_metrics_source *s, const covey_metrics_kind *kind,
                                      const char *name, void *object);
/* Once it has returned, object is not read any more. Of a {0} source, or one that was unregistered:
 * nothing happens. May switch. */
COVEY_API void covey_metrics_unregister(covey_metrics_source *s);

COVEY_END
#endif
