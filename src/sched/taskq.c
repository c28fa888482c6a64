/* SPDX-License-Identifier: MIT
 * taskq.c - see taskq.h. */
#include "sched/taskq.h"

#include "base/alloc.h"

#include <stdlib.h>
#include <string.h>

static struct cvy_chunk *chunk_append(struct cvy_taskq *q)
{
    struct cvy_chunk *c = cvy_alloc(sizeof(*c));

    if (!c) {
        return NULL;
    }
    c->from = c->to = 0;
    c->next = NULL;
    c->previous = q->last;
    *(q->last ? &q->last->next : &q->first) = c;
    q->last = c;
    return c;
}

static void chunk_remove(struct cvy_taskq *q, struct cvy_chunk *c)
{
    *(c->previous ? &c->previous->next : &q->first) = c->next;
    *(c->next ? &c->next->previous : &q->last) = c->previous;
    free(c);
}

void cvy_taskq_add(struct cvy_taskq *q, struct cvy_task *t)
{
    struct cvy_chunk *c = q->last;

    q->count++;
    if ((!c || c->to == CVY_CHUNK_TASKS) && !(c = chunk_append(q))) {
        cvy_wakelist_add(&q->spill, t);
        return;
    }
    c->tasks[c->to++] = t;
}

void cvy_taskq_add_list(struct cvy_taskq *q, struct cvy_wakelist *list)
{
    struct cvy_task *next;

    for (struct cvy_task *t = list->head; t; t = next) {
        next = t->next;
        cvy_taskq_add(q, t);
    }
    *list = (struct cvy_wakelist){0};
}

static size_t take_spill(struct cvy_taskq *q, struct cvy_task **out, size_t max)
{
    size_t n = 0;

    for (; n < max && q->spill.head; n++) {
        out[n] = q->spill.head;
        q->spill.head = out[n]->next;
        q->spill.count--;
    }
    if (!q->spill.head) {
        q->spill.tail = NULL;
    }
    return n;
}

size_t cvy_taskq_take_first(struct cvy_taskq *q, struct cvy_task **out, size_t max)
{
    size_t n = take_spill(q, out, max);

    while (n < max && q->first) {
        struct cvy_chunk *c = q->first;
        size_t some = c->to - c->from < max - n ? c->to - c->from : max - n;
        memcpy(out + n, &c->tasks[c->from], some * sizeof(*out));
        c->from += (uint32_t)some;
        n += some;
        if (c->from == c->to) {
            chunk_remove(q, c);
        }
    }
    q->count -= n;
    return n;
}

size_t cvy_taskq_take_last(struct cvy_taskq *q, struct cvy_task **out, size_t max)
{
    struct cvy_chunk *c = q->last;

    if (!c || q->spill.head) {
        return cvy_taskq_take_first(q, out, max);
    }
    size_t n = c->to - c->from < max ? c->to - c->from : max;
    c->to -= (uint32_t)n;
    memcpy(out, &c->tasks[c->to], n * sizeof(*out));
    if (c->from == c->to) {
        chunk_remove(q, c);
    }
    q->count -= n;
    return n;
}

void cvy_taskq_clear(struct cvy_taskq *q)
{
    while (q->first) {
        chunk_remove(q, q->first);
    }
    *q = (struct cvy_taskq){0};
}
