/* SPDX-License-Identifier: MIT
 * metrics.c - covey/metrics.h.
 *
 * Every figure is a moment's view: queues and states change while they are read. */
#include "debug/metrics_source.h"
#include "sched/wait.h"

#include <covey/error.h>
#include <covey/metrics.h>

#include <inttypes.h>

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
    unsigned state = cvy_load_relaxed(&t->state);

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

int covey_metrics_write(FILE *out)
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
    cvy_leave(th);
    cvy_metrics_write_sources(out);
    return ferror(out) ? -EIO : 0;
}
