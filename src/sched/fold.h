/* SPDX-License-Identifier: MIT
 * fold.h - tasks, or samples of them, by place: those with the same name, start, group, state, wait
 * and stack once, with what they add up to.
 *
 * One block of memory that is committed as it fills: adding allocates nothing and takes no lock, so
 * that a signal handler may. Who shares one brings a lock. */
#ifndef CVY_SCHED_FOLD_H
#define CVY_SCHED_FOLD_H

#include "sched/view.h"

#define CVY_PLACES_MAX 4096u /* what more there is counts together */

struct cvy_place {
    uint64_t hash;
    int64_t count;
    int64_t ns;     /* of samples: the time they stand for */
    int64_t oldest; /* of tasks: since when the one that has waited longest does; 0: unknown */
    struct cvy_view first;
};

struct cvy_fold {
    uint32_t count;
    int64_t others, others_ns;
    uint32_t table[2 * CVY_PLACES_MAX]; /* open addressing; 1 + the place's index, 0: free */
    struct cvy_place places[CVY_PLACES_MAX];
};

/* NULL: out of memory. Freed by free(). */
struct cvy_fold *cvy_fold_new(void);
void cvy_fold_clear(struct cvy_fold *f);
/* v's place counts for count and ns more. */
void cvy_fold_add(struct cvy_fold *f, const struct cvy_view *v, int64_t count, int64_t ns);
/* All tasks of rt, each counting once. */
void cvy_fold_tasks(struct cvy_fold *f, struct cvy_runtime *rt);
/* The greatest first, by ns or by count; nothing can be added any more. */
void cvy_fold_sort(struct cvy_fold *f, bool by_ns);

#endif
