/* SPDX-License-Identifier: MIT
 * worker.c - covey_fanout_serve(): takes as many jobs as it has slots for, until its context is
 * done. */
#include "fanout/worker.h"

#include <stdlib.h>
#include <string.h>

enum { BATCH = 32, JOBS_MAX = 4096 };

/* ---- taking ---- */

/* Slots for a batch, at least one. How many, or ctx's code. */
static int take_slots(covey_ctx *ctx, struct cvy_fanout_worker *w)
{
    int n = 1, code = covey_sem_acquire(ctx, w->slots, 1);

    if (code < 0) {
        return code;
    }
    while (n < BATCH && covey_sem_try_acquire(w->slots, 1)) {
        n++;
    }
    return n;
}

/* 0, or ctx's code. */
static int take_batch(covey_ctx *ctx, struct cvy_fanout_worker *w)
{
    covey_fanout_task *batch[BATCH];
    int n = take_slots(ctx, w);

    if (n < 0) {
        return n;
    }
    int64_t at = covey_now();
    int got = w->engine->ops->take(ctx, w->engine, w->worker, batch, (size_t)n);
    covey_mutex_lock(&w->lock);
    w->stats.taken += got > 0 ? (uint64_t)got : 0;
    covey_mutex_unlock(&w->lock);
    for (int i = 0; i < got; i++) {
        /* It may have waited: what was taken has its first beat no earlier than that. */
        cvy_fanout_run_start(w, batch[i], at);
    }
    covey_sem_release(w->slots, n - (got > 0 ? got : 0));
    if (got < 0 && covey_ctx_err(ctx) == 0) {
        cvy_fanout_trouble(w);
        return covey_sleep(ctx, cvy_fanout_pause(w->engine));
    }
    return covey_ctx_err(ctx);
}

/* ---- beginning and end ---- */

static int use_defaults(covey_fanout_worker_options *o)
{
    o->queue = o->queue ? o->queue : COVEY_FANOUT_QUEUE;
    o->jobs = o->jobs ? o->jobs : covey_workers();
    if (!*o->queue || strlen(o->queue) > COVEY_FANOUT_NAME_MAX || (o->name && !*o->name) ||
        (o->name && strlen(o->name) > COVEY_FANOUT_NAME_MAX) || o->jobs < 1 || o->jobs > JOBS_MAX ||
        o->grace_ns < 0) {
        return covey_errorf(-EINVAL, "fan-out worker: an option is out of range");
    }
    return 0;
}

/* Runs until ctx is done; then those that run have the grace period. The beater goes on until the
 * last of them has ended. */
static int work(covey_ctx *ctx, struct cvy_fanout_worker *w, int64_t grace_ns)
{
    const covey_task_options beater = {.name = "fan-out beater"};
    covey_ctx *life = covey_ctx_with_cancel(NULL);
    covey_group *beating = covey_group_new(life);
    int code = covey_group_go_with(beating, &beater, cvy_fanout_beat, w);

    if (code == 0) {
        while (take_batch(ctx, w) == 0) {
        }
        (void)covey_select(NULL, COVEY_JOINED(w->tasks), COVEY_AFTER(grace_ns));
    }
    covey_ctx_cancel(w->leaving);
    (void)covey_group_wait(w->tasks); /* a run that could not start was given back */
    covey_ctx_cancel(life);
    (void)covey_group_wait(beating);
    covey_ctx_unref(life);
    return code;
}

/* With w's parts that can fail. */
static int serve(covey_ctx *ctx, struct cvy_fanout_worker *w, const covey_fanout_worker_options *o)
{
    covey_ctx *values = covey_ctx_without_cancel(ctx);
    int code = -ENOMEM;

    w->leaving = covey_ctx_with_cancel(values);
    w->slots = covey_sem_new(o->jobs);
    w->beats = calloc(w->jobs, sizeof(*w->beats));
    w->beaten = calloc(w->jobs, sizeof(struct cvy_fanout_run *));
    w->tasks = covey_group_new_with(w->leaving, &(covey_group_options){.policy = COVEY_ALL});
    if (w->slots && w->tasks && w->beats && w->beaten && covey_ctx_err(w->leaving) == 0) {
        code = w->engine->ops->join(ctx, w->engine, o->queue, o->name ? o->name : "worker",
                                    &w->worker);
    }
    if (code == 0) {
        if (o->name) {
            covey_metrics_register(&w->source, &cvy_fanout_worker_metrics, o->name, w);
        }
        code = work(ctx, w, o->grace_ns);
        covey_metrics_unregister(&w->source);
        covey_ctx *limited = cvy_fanout_in_time(NULL, w->engine);
        w->engine->ops->leave(limited, w->engine, w->worker);
        covey_ctx_unref(limited);
    } else if (w->tasks) {
        (void)covey_group_wait(w->tasks);
    }
    free(w->beats);
    free(w->beaten);
    covey_sem_free(w->slots);
    covey_ctx_unref(w->leaving);
    covey_ctx_unref(values);
    return code;
}

int covey_fanout_serve(covey_ctx *ctx, covey_fanout_engine *e, const covey_fanout_handler *handlers,
                       size_t n, const covey_fanout_worker_options *opts)
{
    covey_fanout_worker_options o = opts ? *opts : (covey_fanout_worker_options){0};
    int code = covey_ctx_err(ctx);

    if (code == 0) {
        code = use_defaults(&o);
    }
    if (code < 0) {
        return code;
    }
    struct cvy_fanout_worker w = {
        .engine = e,
        .handlers = handlers,
        .handler_count = n,
        .jobs = (size_t)o.jobs,
    };
    code = serve(ctx, &w, &o);
    if (o.stats) {
        *o.stats = w.stats;
    }
    return code == -ENOMEM ? covey_errorf(code, "fan-out worker: out of memory") : code;
}
