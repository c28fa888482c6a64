/* SPDX-License-Identifier: MIT
 * steal.h - what an idle worker takes from the queues of the others, and when.
 *
 * A task that moves to another core leaves its cache lines behind, and so do those it talks to:
 * many short turns' worth. So who looks for work leaves alone what a queue's own worker is about to
 * get to. It takes from a queue
 * - something that has stood there for CVY_PATIENCE_NS,
 * - that is deep, or has started tasks beside its ring,
 * - that was not once seen empty during a whole spin: tasks that yield to each other have work for
 *   two, though none of them ever waits long. */
#ifndef CVY_SCHED_STEAL_H
#define CVY_SCHED_STEAL_H

#include "sched/runq.h"

#define CVY_PATIENCE_NS 2000 /* about what a theft costs both sides */
#define CVY_DEEP 32          /* tasks */

struct cvy_runtime;
struct cvy_task;
struct cvy_thread;
struct cvy_worker;

/* What somebody who looks for work has seen of a queue; his own. */
struct cvy_watch {
    int64_t at;     /* when it put its mark at the queue's end; 0: the queue was empty */
    uint32_t tail;  /* the mark */
    bool was_empty; /* at one look at least */
};

/* Whether q holds what its own worker will not get to soon. */
static inline bool cvy_watch_queue(struct cvy_watch *watch, const struct cvy_runq *q, int64_t now)
{
    uint32_t n = cvy_runq_len(q);

    if (n >= CVY_DEEP) {
        return true;
    }
    /* Both go round: the head has passed the mark unless it is behind by less than a ring. */
    if (watch->at != 0 && watch->tail - cvy_load_relaxed(&q->head) - 1 < CVY_RUNQ_SIZE) {
        return now - watch->at >= CVY_PATIENCE_NS;
    }
    watch->tail = cvy_load_relaxed(&q->tail);
    watch->at = n > 0 ? now : 0;
    watch->was_empty |= n == 0;
    return false;
}

/* On the base, for w, which has nothing to run; the rest of what is taken goes to its ring. NULL:
 * nothing there. */
struct cvy_task *cvy_steal(struct cvy_thread *th, struct cvy_worker *w);

/* A watch over all queues, one for each worker; {0} at first. Whether there is something to be
 * taken now. */
bool cvy_watch_sees(struct cvy_runtime *rt, struct cvy_watch *watches, int64_t now);
/* After the last look: whether what is left is to be taken all the same. */
bool cvy_watch_ends(const struct cvy_runtime *rt, const struct cvy_watch *watches);

#endif
