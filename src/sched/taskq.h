/* SPDX-License-Identifier: MIT
 * taskq.h - queues of runnable tasks that the rings have no room for: pointers in chunks.
 *
 * Pointers, so that who moves a thousand tasks does not wait for a thousand cache misses in a row,
 * as it would along links in the records. Without memory for a chunk tasks are linked after all
 * (spill): making tasks runnable never fails. Whoever owns a queue guards it. */
#ifndef CVY_SCHED_TASKQ_H
#define CVY_SCHED_TASKQ_H

#include "sched/task.h"

#define CVY_CHUNK_TASKS 253u

struct cvy_chunk {
    struct cvy_chunk *next, *previous;
    uint32_t from, to; /* tasks[from .. to) are in it, at least one */
    struct cvy_task *tasks[CVY_CHUNK_TASKS];
};

struct cvy_taskq {
    struct cvy_chunk *first, *last;
    struct cvy_wakelist spill;
    size_t count; /* all of them */
};

void cvy_taskq_add(struct cvy_taskq *q, struct cvy_task *t);
/* Takes the list's tasks; the list is empty afterwards. */
void cvy_taskq_add_list(struct cvy_taskq *q, struct cvy_wakelist *list);
/* Up to max tasks from the front, oldest first; how many. */
size_t cvy_taskq_take_first(struct cvy_taskq *q, struct cvy_task **out, size_t max);
/* Up to max of those added last; among them still oldest first. */
size_t cvy_taskq_take_last(struct cvy_taskq *q, struct cvy_task **out, size_t max);
/* Forgets the tasks. */
void cvy_taskq_clear(struct cvy_taskq *q);

#endif
