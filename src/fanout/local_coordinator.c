/* SPDX-License-Identifier: MIT
 * local_coordinator.c - the engine within the process: its coordinator's side. See local.h. */
#include "fanout/local.h"

#include <stdlib.h>
#include <string.h>

static int lost(void)
{
    return covey_errorf(COVEY_ELOST, "local: the fan-out is gone");
}

/* ---- submitting ---- */

/* 0: it is to be added; 1: its key is known; else a code. */
static int enter_key(struct cvy_local_group *g, uint64_t id, const char *key, uint64_t *first)
{
    void *actual = NULL;

    if (covey_map_load_or_store(g->keys, key, strlen(key), (void *)(uintptr_t)id, &actual)) {
        *first = (uint64_t)(uintptr_t)actual;
        return *first == id ? 0 : 1;
    }
    return actual ? 0 : -ENOMEM;
}

static int add_job(struct cvy_local_group *g, uint64_t id, const covey_fanout_job *from,
                   uint64_t *first)
{
    int code = enter_key(g, id, from->key, first);

    if (code != 0 || covey_map_load(g->ids, &id, sizeof(id), NULL)) {
        return code;
    }
    struct cvy_local_job *job = cvy_local_job_new(g, id, from);
    if (!job || covey_map_store(g->ids, &id, sizeof(id), NULL) < 0) {
        if (job) {
            cvy_local_job_unref(job);
        }
        return -ENOMEM;
    }
    cvy_local_job_wait(job); /* of a fan-out that was cancelled: until the next beat */
    return 0;
}

int cvy_local_submit(covey_ctx *ctx, covey_fanout_engine *e, void *group, uint64_t id,
                     const covey_fanout_job *job, uint64_t *first)
{
    struct cvy_local *l = cvy_local_of(e);
    struct cvy_local_group *g = group;

    (void)ctx;
    covey_mutex_lock(&l->lock);
    int code = cvy_local_group_is_gone(l, g) ? COVEY_ELOST : add_job(g, id, job, first);
    if (code == -ENOMEM) { /* what was entered would make the repetition a known one */
        (void)covey_map_compare_and_delete(g->keys, job->key, strlen(job->key),
                                           (void *)(uintptr_t)id);
    }
    covey_mutex_unlock(&l->lock);
    return code == COVEY_ELOST ? lost()
           : code < 0          ? covey_errorf(code, "fan-out: out of memory for a job")
                               : code;
}

/* ---- results ---- */

static int pop_results(struct cvy_local_group *g, covey_fanout_result **results, size_t max)
{
    int n = 0;

    while (g->results && (size_t)n < max) {
        struct cvy_local_result *entry = g->results;
        g->results = entry->next;
        g->last = g->results ? g->last : &g->results;
        results[n++] = entry->result;
        free(entry);
    }
    return n;
}

int cvy_local_collect(covey_ctx *ctx, covey_fanout_engine *e, void *group,
                      covey_fanout_result **results, size_t max)
{
    struct cvy_local *l = cvy_local_of(e);
    struct cvy_local_group *g = group;

    for (;;) {
        covey_mutex_lock(&l->lock);
        int n = g->is_gone ? COVEY_ELOST : pop_results(g, results, max);
        covey_mutex_unlock(&l->lock);
        if (n != 0) {
            return n < 0 ? lost() : n;
        }
        int code = covey_chan_recv(ctx, g->arrived, NULL);
        if (code < 0) {
            return code;
        }
    }
}

/* ---- beats and the cancel ---- */

static int end_the_waiting(struct cvy_local_group *g)
{
    struct cvy_local_link *head = &g->queue->waiting;
    int code = 0;

    for (struct cvy_local_link *link = head->next, *next; link != head && code == 0; link = next) {
        next = link->next;
        if (((struct cvy_local_job *)link)->group == g) {
            code = cvy_local_job_cancel((struct cvy_local_job *)link);
        }
    }
    return code;
}

/* Running jobs of a fan-out that was canceled, whose workers are dead. The list is in the order of
 * their beats. */
static int end_the_dead(struct cvy_local *l, struct cvy_local_group *g)
{
    struct cvy_local_link *head = &g->queue->running;
    int64_t dead = covey_now() - l->engine.timing.dead_ns;
    int code = 0;

    for (struct cvy_local_link *link = head->next, *next; link != head && code == 0; link = next) {
        struct cvy_local_job *job = (struct cvy_local_job *)link;
        next = link->next;
        if (job->beaten_at > dead) {
            break;
        }
        if (job->group == g) {
            job->crashes++;
            code = cvy_local_job_cancel(job);
            if (code < 0) { /* else it may be gone */
                job->crashes--;
            }
        }
    }
    return code;
}

int cvy_local_keep(covey_ctx *ctx, covey_fanout_engine *e, void *group)
{
    struct cvy_local *l = cvy_local_of(e);
    struct cvy_local_group *g = group;

    (void)ctx;
    covey_mutex_lock(&l->lock);
    int code = cvy_local_group_is_gone(l, g) ? COVEY_ELOST : 0;
    if (code == 0) {
        g->kept_at = covey_now();
        code = g->is_canceled ? end_the_waiting(g) : 0;
        code = g->is_canceled && code == 0 ? end_the_dead(l, g) : code;
    }
    covey_mutex_unlock(&l->lock);
    return code == COVEY_ELOST ? lost() : code;
}

int cvy_local_cancel(covey_ctx *ctx, covey_fanout_engine *e, void *group, int cause)
{
    struct cvy_local *l = cvy_local_of(e);
    struct cvy_local_group *g = group;
    int code = COVEY_ELOST;

    (void)ctx;
    covey_mutex_lock(&l->lock);
    if (!cvy_local_group_is_gone(l, g)) {
        g->cause = g->is_canceled ? g->cause : cause;
        g->is_canceled = true;
        code = end_the_waiting(g);
    }
    covey_mutex_unlock(&l->lock);
    return code == COVEY_ELOST ? lost() : code;
}
