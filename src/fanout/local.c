/* SPDX-License-Identifier: MIT
 * local.c - the engine within the process: itself, and its queues. See local.h. */
#include "fanout/local.h"

#include <stdlib.h>
#include <string.h>

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
    .open = cvy_local_open,
    .submit = cvy_local_submit,
    .collect = cvy_local_collect,
    .keep = cvy_local_keep,
    .cancel = cvy_local_cancel,
    .close = cvy_local_close,
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
