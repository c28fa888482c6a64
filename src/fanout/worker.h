/* SPDX-License-Identifier: MIT
 * worker.h - a worker: worker.c takes jobs, run.c runs each in a task of its own, report.c tells
 * what came of it, beat.c beats for all of them in one call.
 *
 * A run is referenced by its task and, during a beat, by the beater; the last of them drops the
 * engine's task. */
#ifndef CVY_FANOUT_WORKER_H
#define CVY_FANOUT_WORKER_H

#include "fanout/fanout.h"

struct cvy_fanout_worker {
    /* Immutable while it serves. */
    covey_fanout_engine *engine;
    void *worker; /* the engine's */
    const covey_fanout_handler *handlers;
    size_t handler_count;
    size_t jobs;
    covey_ctx *leaving; /* parent of all runs' contexts: done when the grace period is over */
    covey_sem *slots;   /* one a run that may still begin */
    covey_group *tasks; /* the runs */
    covey_metrics_source source; /* the registry's; registered if there is a name */
    covey_histogram times;       /* of handlers */

    /* The beater's alone; room for all runs. */
    covey_fanout_beat *beats;
    struct cvy_fanout_run **beaten;

    /* Guarded by lock. */
    covey_mutex lock;
    struct cvy_fanout_run *runs;
    covey_fanout_worker_stats stats;
};

struct cvy_fanout_run {
    /* Its task's alone. */
    covey_fanout_call call;

    /* Immutable. */
    struct cvy_fanout_worker *worker;
    covey_fanout_task *task;
    covey_ctx *ctx;

    /* Guarded by the worker's lock. */
    struct cvy_fanout_run *prev, *next;
    int references;
    bool is_stopped; /* its fan-out was cancelled */
    bool is_lost;    /* it is another's, or the engine was not reached for too long */
    int64_t beaten_at;
};

/* Starts a task for what was taken at that time, with a slot, which it gives back. Takes task; if
 * nothing could be started gives the job back. */
void cvy_fanout_run_start(struct cvy_fanout_worker *w, covey_fanout_task *task, int64_t taken_at);
void cvy_fanout_run_unref(struct cvy_fanout_run *run);

/* What the handler returned, with its words: until that was heard, or no longer counts. */
void cvy_fanout_report(struct cvy_fanout_run *run, int code, const char *words);
/* Of a job that could not be started, for want of memory. */
void cvy_fanout_give_back(struct cvy_fanout_worker *w, covey_fanout_task *task);

/* The beater's task: until ctx is done. */
covey_fn cvy_fanout_beat;

/* Counts a call of the engine that failed. */
void cvy_fanout_trouble(struct cvy_fanout_worker *w);

#endif
