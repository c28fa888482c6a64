/* SPDX-License-Identifier: MIT
 * local.c - the engine within the process, and its coordinator's side. See local.h. */
#include "fanout/local.h"

#include <stdlib.h>
#include <string.h>

/* ---- fan-outs ---- */

static void free_results(struct cvy_local_group *g)
{
    while (g->results) {
        struct cvy_local_result *entry = g->results;
        g->results = entry->next;
        covey_fanout_result_free(entry->result);
        free(entry);
    }
    g->last = &g->results;
}

void cvy_local_group_unref(struct cvy_local_group *g)
{
    if (--g->references == 0) {
        free_results(g);
        covey_map_free(g->ids);
        covey_map_free(g->keys);
        covey_chan_unref(g->arrived);
        free(g);
    }
}

static void remove_jobs(struct cvy_local_link *head, const struct cvy_local_group *g)
{
    for (struct cvy_local_link *link = head->next, *next; link != head; link = next) {
        struct cvy_local_job *job = (struct cvy_local_job *)link;
        next = link->next;
        if (job->group == g) {
            cvy_local_list_remove(link);
            job->state = CVY_LOCAL_ENDED;
            cvy_local_job_unref(job);
        }
    }
}

void cvy_local_group_end(struct cvy_local_group *g)
{
    struct cvy_local_group **at = &g->queue->groups;

    if (g->is_gone) {
        return;
    }
    g->is_gone = true;
    while (*at != g) {
        at = &(*at)->next;
    }
    *at = g->next;
    g->references++; /* its jobs may have the last ones */
    remove_jobs(&g->queue->waiting, g);
    remove_jobs(&g->queue->running, g);
    free_results(g);
    (void)covey_chan_try_send(g->arrived, NULL);
    cvy_local_group_unref(g);
}

bool cvy_local_group_is_gone(struct cvy_local *l, struct cvy_local_group *g)
{
    if (covey_now() - g->kept_at >= l->engine.timing.dead_ns) {
        cvy_local_group_end(g);
    }
    return g->is_gone;
}

static struct cvy_local_group *make_group(const covey_fanout_spec *spec)
{
    const covey_map_options one = {.kind = COVEY_MAP_SHARDED, .shards = 1};
    struct cvy_local_group *g = calloc(1, sizeof(*g));

    if (!g) {
        return NULL;
    }
    g->spec = *spec;
    g->spec.queue = NULL;
    g->references = 1;
    g->last = &g->results;
    g->ids = covey_map_new(&one);
    g->keys = covey_map_new(&one);
    g->arrived = covey_chan_new(0, 1);
    if (!g->ids || !g->keys || !g->arrived) {
        cvy_local_group_unref(g);
        return NULL;
    }
    return g;
}

static int lost(void)
{
    return covey_errorf(COVEY_ELOST, "local: the fan-out is gone");
}

static int open_group(covey_ctx *ctx, covey_fanout_engine *e, const covey_fanout_spec *spec,
                      void **group)
{
    struct cvy_local *l = cvy_local_of(e);
    struct cvy_local_group *g = make_group(spec);

    (void)ctx;
    covey_mutex_lock(&l->lock);
    struct cvy_local_queue *q = g ? cvy_local_queue_named(l, spec->queue) : NULL;
    if (q) {
        g->queue = q;
        g->kept_at = covey_now();
        g->next = q->groups;
        q->groups = g;
        *group = g;
    } else if (g) {
        cvy_local_group_unref(g);
    }
    covey_mutex_unlock(&l->lock);
    return q ? 0 : covey_errorf(-ENOMEM, "fan-out: out of memory");
}

/* ---- the coordinator's calls ---- */

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

static int submit(covey_ctx *ctx, covey_fanout_engine *e, void *group, uint64_t id,
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

static int collect(covey_ctx *ctx, covey_fanout_engine *e, void *group,
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

static int keep(covey_ctx *ctx, covey_fanout_engine *e, void *group)
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

static int cancel(covey_ctx *ctx, covey_fanout_engine *e, void *group, int cause)
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

static int close_group(covey_ctx *ctx, covey_fanout_engine *e, void *group)
{
    struct cvy_local *l = cvy_local_of(e);

    (void)ctx;
    covey_mutex_lock(&l->lock);
    cvy_local_group_end(group);
    cvy_local_group_unref(group);
    covey_mutex_unlock(&l->lock);
    return 0;
}

/* ---- the engine ---- */

struct cvy_local_queue *cvy_local_queue_named(struct cvy_local *l, const char *name)
{
    size_t len = strlen(name) + 1;
    struct cvy_local_queue *q = l->queues;

    while (q && strcmp(q->name, name) != 0) {
        q = q->next;
    }
    if (q) {
        return q;
    }
    q = calloc(1, sizeof(*q) + len);
    if (!q) {
        return NULL;
    }
    q->work = covey_chan_new(0, 1);
    if (!q->work) {
        free(q);
        return NULL;
    }
    memcpy(q->name, name, len);
    cvy_local_list_init(&q->waiting);
    cvy_local_list_init(&q->running);
    q->next = l->queues;
    l->queues = q;
    return q;
}

static void free_engine(covey_fanout_engine *e)
{
    struct cvy_local *l = cvy_local_of(e);

    while (l->queues) {
        struct cvy_local_queue *q = l->queues;
        l->queues = q->next;
        covey_chan_unref(q->work);
        free(q);
    }
    free(l);
}

static const covey_fanout_ops ops = {
    .name = "local",
    .open = open_group,
    .submit = submit,
    .collect = collect,
    .keep = keep,
    .cancel = cancel,
    .close = close_group,
    .join = cvy_local_join,
    .take = cvy_local_take,
    .beat = cvy_local_beat,
    .finish = cvy_local_finish,
    .drop = cvy_local_drop,
    .leave = cvy_local_leave,
    .free = free_engine,
};

covey_fanout_engine *covey_fanout_local(const covey_fanout_timing *timing)
{
    covey_fanout_timing in_place;

    if (covey_fanout_timing_of(timing, &in_place) < 0) {
        return NULL;
    }
    struct cvy_local *l = calloc(1, sizeof(*l));
    if (!l) {
        return NULL;
    }
    l->engine = (covey_fanout_engine){.ops = &ops, .timing = in_place};
    return &l->engine;
}
