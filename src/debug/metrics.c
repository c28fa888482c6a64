/* SPDX-License-Identifier: MIT
 * metrics.c - covey/metrics.h.
 *
 * Every figure is a moment's view: queues and states change while they are read. */
#include "chan/named.h"
#include "debug/metrics_source.h"
#include "os/file.h"
#include "sched/wait.h"

#include <covey/error.h>
#include <covey/metrics.h>

#include <inttypes.h>
#include <stdlib.h>

#undef errno

static const char *const states[] = {
    [CVY_TASK_FREE] = NULL,           [CVY_TASK_NEW] = "new",
    [CVY_TASK_RUNNABLE] = "runnable", [CVY_TASK_RUNNING] = "running",
    [CVY_TASK_WAITING] = "waiting",
};
#define STATES (sizeof(states) / sizeof(*states))

static void head(FILE *out, const char *name, const char *type, const char *help)
{
    (void)fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void counter(FILE *out, const char *name, uint64_t value, const char *help)
{
    head(out, name, "counter", help);
    (void)fprintf(out, "%s %" PRIu64 "\n", name, value);
}

static void gauge(FILE *out, const char *name, int64_t value, const char *help)
{
    head(out, name, "gauge", help);
    (void)fprintf(out, "%s %" PRId64 "\n", name, value);
}

static bool count_one(struct cvy_task *t, void *arg)
{
    uint64_t *counts = arg;
    unsigned state = cvy_task_state(t);

    if (state < STATES) {
        counts[state]++;
    }
    return true;
}

static void write_tasks(struct cvy_runtime *rt, FILE *out)
{
    uint64_t counts[STATES] = {0};

    if (rt) {
        (void)cvy_tasks_each(rt, count_one, counts);
    }
    head(out, "covey_tasks", "gauge", "Tasks alive, by state.");
    for (size_t i = 0; i < STATES; i++) {
        if (states[i]) {
            (void)fprintf(out, "covey_tasks{state=\"%s\"} %" PRIu64 "\n", states[i], counts[i]);
        }
    }
}

static void write_queues(struct cvy_runtime *rt, FILE *out)
{
    head(out, "covey_run_queue_tasks", "gauge",
         "Runnable tasks in a worker's queue; worker=\"global\": in the one that all share.");
    for (int i = 0; rt && i < rt->worker_count; i++) {
        uint32_t n =
            cvy_runq_len(&rt->workers[i].runq) + (cvy_load_relaxed(&rt->workers[i].slot) ? 1 : 0);
        (void)fprintf(out, "covey_run_queue_tasks{worker=\"%d\"} %" PRIu32 "\n", i, n);
    }
    (void)fprintf(out, "covey_run_queue_tasks{worker=\"global\"} %zu\n",
                  rt ? cvy_load_relaxed(&rt->global_len) : 0);
}

/* ---- channels that have a name ---- */

struct chan_metric {
    const char *name, *more;
    size_t (*value)(const struct cvy_chan_figures *f);
};

static void write_chan_metric(FILE *out, const struct chan_metric *m,
                              const struct cvy_chan_figures *chans, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        (void)fprintf(out, "%s{chan=\"", m->name);
        cvy_metrics_write_escaped(out, chans[i].name);
        (void)fprintf(out, "\"%s} %zu\n", m->more, m->value(&chans[i]));
    }
}

static size_t len_of(const struct cvy_chan_figures *f)
{
    return f->len;
}

static size_t capacity_of(const struct cvy_chan_figures *f)
{
    return f->capacity;
}

static size_t senders_of(const struct cvy_chan_figures *f)
{
    return f->senders;
}

static size_t receivers_of(const struct cvy_chan_figures *f)
{
    return f->receivers;
}

/* From a copy: out may block, and no lock of a channel is held meanwhile. */
static int write_chans(FILE *out)
{
    static const struct chan_metric len = {"covey_chan_buffered", "", len_of};
    static const struct chan_metric capacity = {"covey_chan_capacity", "", capacity_of};
    static const struct chan_metric senders = {"covey_chan_waiting_tasks", ",to=\"send\"",
                                               senders_of};
    static const struct chan_metric receivers = {"covey_chan_waiting_tasks", ",to=\"receive\"",
                                                 receivers_of};
    struct cvy_chan_figures *chans;
    size_t count;
    int code = cvy_chan_named_list(&chans, &count);

    if (code < 0) {
        return code;
    }
    head(out, len.name, "gauge", "Elements in the channels of that name.");
    write_chan_metric(out, &len, chans, count);
    head(out, capacity.name, "gauge", "Elements that they have room for.");
    write_chan_metric(out, &capacity, chans, count);
    head(out, senders.name, "gauge", "Tasks that wait for them.");
    write_chan_metric(out, &senders, chans, count);
    write_chan_metric(out, &receivers, chans, count);
    free(chans);
    return 0;
}

/* ---- histograms ---- */

static void write_histogram(FILE *out, const char *name, const struct cvy_histogram *h,
                            const char *help)
{
    int64_t values[COVEY_HISTOGRAM_VALUES];

    for (size_t i = 0; i < CVY_HISTOGRAM_BUCKETS; i++) {
        values[i] = (int64_t)cvy_load_relaxed(&h->counts[i]);
    }
    values[CVY_HISTOGRAM_BUCKETS] = (int64_t)cvy_load_relaxed(&h->ns);
    head(out, name, "histogram", help);
    cvy_metrics_write_histogram(out, name, NULL, NULL, values);
}

static void write_histograms(struct cvy_runtime *rt, FILE *out)
{
    struct cvy_histogram queue = {0};
    struct cvy_histogram groups = {0};
    struct cvy_histogram blocking = {0};

    for (int i = 0; rt && i < rt->worker_count; i++) {
        cvy_histogram_sum(&queue, &rt->workers[i].queue_wait);
        cvy_histogram_sum(&groups, &rt->workers[i].group_time);
    }
    if (rt) {
        cvy_histogram_sum(&groups, &rt->group_time);
        cvy_histogram_sum(&blocking, &rt->blocking_wait);
    }
    write_histogram(out, "covey_run_queue_wait_seconds", &queue,
                    "From the end of a worker's queue to its head: how long tasks that can run "
                    "wait to. Sampled, to about 0.1 ms.");
    write_histogram(out, "covey_group_seconds", &groups,
                    "From a group's first start to its join, to about 0.1 ms.");
    write_histogram(out, "covey_blocking_wait_seconds", &blocking,
                    "How long blocking calls wait for a thread.");
}

static int write_all(FILE *out)
{
    covey_stats s;

    covey_stats_get(&s);
    counter(out, "covey_tasks_started_total", s.tasks_started, "Tasks started.");
    counter(out, "covey_tasks_ended_total", s.tasks_ended, "Tasks ended.");
    counter(out, "covey_tasks_failed_total", s.tasks_failed, "Detached tasks that failed.");
    counter(out, "covey_parks_total", s.parks, "Times a task stopped to wait.");
    counter(out, "covey_steals_total", s.steals, "Tasks that a worker took from another.");
    counter(out, "covey_takeovers_total", s.takeovers,
            "Workers moved to another thread because a task held theirs.");
    gauge(out, "covey_workers", s.workers, "Slots of parallelism.");
    gauge(out, "covey_threads", s.threads, "Threads that carry workers, or are spare.");
    gauge(out, "covey_blocking_threads", s.blocking_threads, "Threads of the blocking pool.");
    struct cvy_thread *th = cvy_enter();
    struct cvy_runtime *rt = cvy_runtime_get();
    write_tasks(rt, out);
    write_queues(rt, out);
    write_histograms(rt, out);
    cvy_leave(th);
    int code = write_chans(out);
    return code < 0 ? covey_errorf(code, "no memory for metrics") : cvy_metrics_write_sources(out);
}

int covey_metrics_write(FILE *out)
{
    struct cvy_relay relay;
    FILE *stream = cvy_relay_open(&relay, out);
    int code = write_all(stream);
    int closed = cvy_relay_close(&relay, stream);

    return code < 0 ? code : closed;
}
