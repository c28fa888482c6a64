/* SPDX-License-Identifier: MIT
 * local_worker.c - the engine within the process: its worker's side. See local.h. */
#include "fanout/local.h"

#include <stdlib.h>

int cvy_local_join(covey_ctx *ctx, covey_fanout_engine *e, const char *queue, const char *name,
                   void **worker)
{
    struct cvy_local *l = cvy_local_of(e);

    (void)ctx;
    (void)name;
    covey_mutex_lock(&l->lock);
    *worker = cvy_local_queue_named(l, queue);
    covey_mutex_unlock(&l->lock);
    return *worker ? 0 : -ENOMEM;
}

void cvy_local_leave(covey_ctx *ctx, covey_fanout_engine *e, void *worker)
{
    (void)ctx;
    (void)e;
    (void)worker; /* the queue stays */
}

/* ---- taking ---- */

/* Running, and perhaps not heard of for long, or waiting; of a fan-out that lives. */
static int hold(struct cvy_local_job *job, covey_fanout_task **out)
{
    struct cvy_local_held *held = malloc(sizeof(*held));

    if (!held) {
        return -ENOMEM;
    }
    cvy_local_list_remove(&job->link);
    cvy_local_job_run(job);
    held->task = job->task;
    held->task.attempt = job->attempts;
    held->job = job;
    job->references++;
    *out = &held->task;
    return 1;
}

/* A job whose worker is dead. 1: it was given out; 0: it ended. */
static int take_over(struct cvy_local_job *job, covey_fanout_task **out)
{
    int code;

    job->crashes++;
    if (job->group->is_canceled) {
        code = cvy_local_job_cancel(job);
    } else if (job->crashes >= job->group->spec.max_crashes) {
        code = cvy_local_job_bury(job);
    } else {
        code = hold(job, out);
    }
    if (code < 0) { /* else it may be gone */
        job->crashes--;
    }
    return code;
}

/* The fan-outs whose coordinators are dead take their jobs with them. */
static void end_orphans(struct cvy_local *l, struct cvy_local_queue *q)
{
    for (struct cvy_local_group *g = q->groups, *next; g; g = next) {
        next = g->next;
        (void)cvy_local_group_is_gone(l, g);
    }
}

/* How many; -ENOMEM only if none. */
static int take_now(struct cvy_local *l, struct cvy_local_queue *q, covey_fanout_task **tasks,
                    size_t max)
{
    int64_t dead = covey_now() - l->engine.timing.dead_ns;
    int n = 0, code = 0;

    end_orphans(l, q);
    while (code >= 0 && (size_t)n < max && !cvy_local_list_is_empty(&q->running)) {
        struct cvy_local_job *job = (struct cvy_local_job *)q->running.next;
        if (job->beaten_at > dead) {
            break;
        }
        code = take_over(job, &tasks[n]);
        n += code > 0;
    }
    while (code >= 0 && (size_t)n < max && !cvy_local_list_is_empty(&q->waiting)) {
        code = hold((struct cvy_local_job *)q->waiting.next, &tasks[n]);
        n += code > 0;
    }
    if (!cvy_local_list_is_empty(&q->waiting)) {
        (void)covey_chan_try_send(q->work, NULL); /* there is more, for others */
    }
    return n > 0 ? n : code;
}

int cvy_local_take(covey_ctx *ctx, covey_fanout_engine *e, void *worker, covey_fanout_task **tasks,
                   size_t max)
{
    struct cvy_local *l = cvy_local_of(e);
    struct cvy_local_queue *q = worker;

    if (covey_ctx_err(ctx) < 0) {
        return covey_ctx_err(ctx);
    }
    for (int turn = 0;; turn++) {
        covey_mutex_lock(&l->lock);
        int n = take_now(l, q, tasks, max);
        covey_mutex_unlock(&l->lock);
        if (n != 0 || turn > 0) {
            return n < 0 ? covey_errorf(n, "fan-out: out of memory for a job") : n;
        }
        int code =
            covey_select(ctx, COVEY_RECV(q->work, NULL), COVEY_AFTER(l->engine.timing.beat_ns));
        if (code < 0) {
            return code;
        }
    }
}

/* ---- what becomes of a job that was taken ---- */

/* Whether it is still the worker's. */
static bool is_held(struct cvy_local *l, const struct cvy_local_held *held)
{
    const struct cvy_local_job *job = held->job;

    return !cvy_local_group_is_gone(l, job->group) && job->state == CVY_LOCAL_RUNNING &&
           job->attempts == held->task.attempt;
}

static void beat_one(struct cvy_local *l, covey_fanout_beat *beat)
{
    const struct cvy_local_held *held = (struct cvy_local_held *)beat->task;
    struct cvy_local_job *job = held->job;

    if (!is_held(l, held)) {
        beat->verdict = COVEY_ELOST;
        return;
    }
    job->beaten_at = covey_now();
    cvy_local_list_remove(&job->link);
    cvy_local_list_append(&job->group->queue->running, &job->link);
    beat->verdict = job->group->is_canceled ? COVEY_ECANCELED : 0;
    beat->cause = job->group->cause;
}

int cvy_local_beat(covey_ctx *ctx, covey_fanout_engine *e, void *worker, covey_fanout_beat *beats,
                   size_t n)
{
    struct cvy_local *l = cvy_local_of(e);

    (void)ctx;
    (void)worker;
    covey_mutex_lock(&l->lock);
    for (size_t i = 0; i < n; i++) {
        beat_one(l, &beats[i]);
    }
    covey_mutex_unlock(&l->lock);
    return 0;
}

static int fail(struct cvy_local_job *job, const covey_fanout_report *report)
{
    int code = 0;

    job->failures++;
    if (report->how == COVEY_FANOUT_HOPELESS || job->failures >= job->group->spec.max_failures) {
        code = cvy_local_job_end(job, COVEY_FANOUT_FAILED, report);
        if (code < 0) { /* else it may be gone */
            job->failures--;
        }
        return code;
    }
    cvy_local_list_remove(&job->link);
    cvy_local_job_wait(job);
    return 0;
}

static int finish_locked(struct cvy_local_job *job, const covey_fanout_report *report)
{
    bool is_canceled = job->group->is_canceled;

    if (report->how == COVEY_FANOUT_SUCCEEDED) {
        return cvy_local_job_end(job, COVEY_FANOUT_DONE, report);
    }
    if (report->how == COVEY_FANOUT_STOPPED || is_canceled) {
        covey_fanout_report canceled = *report;
        canceled.code = COVEY_ECANCELED;
        return cvy_local_job_end(job, COVEY_FANOUT_CANCELED, &canceled);
    }
    if (report->how == COVEY_FANOUT_GIVEN_BACK) {
        cvy_local_list_remove(&job->link);
        cvy_local_job_wait(job);
        return 0;
    }
    return fail(job, report);
}

int cvy_local_finish(covey_ctx *ctx, covey_fanout_engine *e, void *worker, covey_fanout_task *task,
                     const covey_fanout_report *report)
{
    struct cvy_local *l = cvy_local_of(e);
    const struct cvy_local_held *held = (struct cvy_local_held *)task;
    int code = COVEY_ELOST;

    (void)ctx;
    (void)worker;
    covey_mutex_lock(&l->lock);
    if (is_held(l, held)) {
        code = finish_locked(held->job, report);
    }
    covey_mutex_unlock(&l->lock);
    return code == COVEY_ELOST ? covey_errorf(code, "local: the job is another's, or gone") : code;
}

void cvy_local_drop(covey_fanout_engine *e, void *worker, covey_fanout_task *task)
{
    struct cvy_local *l = cvy_local_of(e);
    struct cvy_local_held *held = (struct cvy_local_held *)task;

    (void)worker;
    covey_mutex_lock(&l->lock);
    cvy_local_job_unref(held->job);
    covey_mutex_unlock(&l->lock);
    free(held);
}
