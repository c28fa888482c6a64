/* SPDX-License-Identifier: MIT
 * local_group.c - the engine within the process: a fan-out's beginning and end. See local.h. */
#include "fanout/local.h"

#include <stdlib.h>

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

int cvy_local_open(covey_ctx *ctx, covey_fanout_engine *e, const covey_fanout_spec *spec,
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

int cvy_local_close(covey_ctx *ctx, covey_fanout_engine *e, void *group)
{
    struct cvy_local *l = cvy_local_of(e);

    (void)ctx;
    covey_mutex_lock(&l->lock);
    cvy_local_group_end(group);
    cvy_local_group_unref(group);
    covey_mutex_unlock(&l->lock);
    return 0;
}
