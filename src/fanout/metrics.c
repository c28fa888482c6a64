/* SPDX-License-Identifier: MIT
 * metrics.c - what covey_metrics_write() shows of fan-outs and workers that have a name. */
#include "fanout/worker.h"

/* ---- a coordinator's ---- */

static const covey_metric of_fanout[] = {
    {"covey_fanout_submits_total",
     .help = "Submits, those that added no job as their key was known or they failed included."},
    {"covey_fanout_repeated_submits_total", .help = "Submits of a key that was known."},
    {"covey_fanout_open_jobs", .help = "Jobs without a result that was received.",
     .is_gauge = true},
    {"covey_fanout_jobs_total", .help = "Jobs that ended, by how.", .more_labels = "end=\"done\""},
    {"covey_fanout_jobs_total", .more_labels = "end=\"failed\""},
    {"covey_fanout_jobs_total", .more_labels = "end=\"dead\""},
    {"covey_fanout_jobs_total", .more_labels = "end=\"canceled\""},
    {"covey_fanout_jobs_total", .more_labels = "end=\"lost\""},
    {"covey_fanout_runs_total", .help = "Times that jobs which ended were given to a worker."},
    {"covey_fanout_failed_runs_total", .help = "Runs of those that failed."},
    {"covey_fanout_crashed_runs_total",
     .help = "Runs of those whose worker died, so that another took the job over or it was dead."},
    {"covey_fanout_dropped_results_total", .help = "Results that nobody was waiting for."},
    {"covey_fanout_job_seconds", .help = "From a job's submit to its end.", .is_histogram = true},
};

static void read_fanout(void *object, int64_t *values)
{
    covey_fanout *f = object;

    covey_mutex_lock(&f->lock);
    const covey_fanout_stats *s = &f->stats;
    *values++ = (int64_t)f->last_id;
    *values++ = (int64_t)s->repeated;
    *values++ = (int64_t)f->open;
    *values++ = (int64_t)s->done;
    *values++ = (int64_t)s->failed;
    *values++ = (int64_t)s->dead;
    *values++ = (int64_t)s->canceled;
    *values++ = (int64_t)s->lost;
    *values++ = (int64_t)s->attempts;
    *values++ = (int64_t)s->failures;
    *values++ = (int64_t)s->crashes;
    *values++ = (int64_t)s->dropped;
    covey_mutex_unlock(&f->lock);
    covey_histogram_read(&f->times, values);
}

const covey_metrics_kind cvy_fanout_metrics = {"fanout", of_fanout,
                                               sizeof(of_fanout) / sizeof(*of_fanout), read_fanout};

/* ---- a worker's ---- */

static const covey_metric of_worker[] = {
    {"covey_fanout_worker_running_jobs", .help = "Jobs whose report has not been heard.",
     .is_gauge = true},
    {"covey_fanout_worker_taken_jobs_total", .help = "Jobs taken."},
    {"covey_fanout_worker_jobs_total", .help = "Jobs that are over here, by how.",
     .more_labels = "outcome=\"reported\""},
    {"covey_fanout_worker_jobs_total", .more_labels = "outcome=\"returned\""},
    {"covey_fanout_worker_jobs_total", .more_labels = "outcome=\"lost\""},
    {"covey_fanout_worker_troubles_total", .help = "Calls of the engine that failed."},
    {"covey_fanout_worker_handler_seconds", .help = "How long handlers ran.", .is_histogram = true},
};

static void read_worker(void *object, int64_t *values)
{
    struct cvy_fanout_worker *w = object;

    covey_mutex_lock(&w->lock);
    const covey_fanout_worker_stats *s = &w->stats;
    *values++ = (int64_t)(s->taken - s->reported - s->returned - s->lost);
    *values++ = (int64_t)s->taken;
    *values++ = (int64_t)s->reported;
    *values++ = (int64_t)s->returned;
    *values++ = (int64_t)s->lost;
    *values++ = (int64_t)s->troubles;
    covey_mutex_unlock(&w->lock);
    covey_histogram_read(&w->times, values);
}

const covey_metrics_kind cvy_fanout_worker_metrics = {
    "fanout_worker", of_worker, sizeof(of_worker) / sizeof(*of_worker), read_worker};
