/* SPDX-License-Identifier: MIT
 * waits.h - which tasks wait for which others, for the diagnosis.
 *
 * A task that waits for a mutex, or for a rwmutex that is being written, waits for the task that
 * holds it; one that wants to write waits for each reader, and one that wants to read for those who
 * want to write and stand in front of it; one that waits for a group, or selects on nothing but its
 * end, waits for each of its tasks; one that has noted what it waits for (a lease) for whoever has
 * told that it holds that. A cycle in that is a deadlock; but where several have a share each
 * (connections of a pool, permits of a semaphore, places in a group with a limit), one of which is
 * enough, only if none of them can go on. The nodes are collected one by one while everything
 * moves, so whoever seems to be stuck is looked at once more. */
#ifndef CVY_SCHED_WAITS_H
#define CVY_SCHED_WAITS_H

#include "sched/diagnosis.h"

#define CVY_WAITS_HOLDERS_MAX 256 /* of one object that are followed; others told of with a cycle  \
                                   */

/* CVY_WAITING_SEEN: in no cycle that is not known, or able to go on. */
enum cvy_waiting_mark { CVY_WAITING_UNSEEN, CVY_WAITING_ON_PATH, CVY_WAITING_SEEN };

/* A task that waits for a mutex, a rwmutex, a semaphore, a group, or what it has noted. */
struct cvy_waiting {
    uint32_t owner_id;  /* as cvy_owner_of() has it */
    uint32_t holder;    /* of what it waits for; 0: none, or several */
    unsigned reason;    /* what that is; CVY_WAIT_NONE: what it has noted */
    const void *object; /* may be gone: an address */
    int64_t shares;     /* how many have it, and it waits for one of them; at most 1: for all */
    const struct cvy_scope *group; /* its own; may be NULL */
    struct cvy_task *task;
    uint64_t id;
    int64_t since;
    enum cvy_waiting_mark mark;
    bool is_told; /* with a cycle of this look */
};

struct cvy_waits {
    struct cvy_waiting *nodes; /* by owner_id */
    size_t count, capacity;
    /* waits_cycle.c */
    size_t *path; /* has room for each node twice */
    size_t depth;
    int calls;
    size_t cycle_first; /* of the path: where the cycle begins */
    size_t told;        /* where those end who have shares of what is waited for in it */
    bool has_cycle;
};

/* All tasks that wait for others, for all that is known. */
void cvy_waits_make(struct cvy_waits *g, struct cvy_runtime *rt);
void cvy_waits_fini(struct cvy_waits *g);

/* The task's, by its owner_id; NULL: it waits for none. */
struct cvy_waiting *cvy_waits_find(const struct cvy_waits *g, uint32_t owner_id);
/* Whether n has waited on since it was collected, for as many, and, if for one, for the same. */
bool cvy_waiting_stands(const struct cvy_waiting *n);
/* Whether who has what n waits for, if not one alone, is told by cvy_waits_holders(). */
bool cvy_waiting_has_holders(const struct cvy_waiting *n);
/* At most CVY_WAITS_HOLDERS_MAX, with their shares unless shares is NULL; how many. */
size_t cvy_waits_holders(const void *object, uint32_t *holders, int64_t *shares);
/* Else: whether a waits for b. */
bool cvy_waiting_is_behind(const struct cvy_waiting *a, const struct cvy_waiting *b);

/* waits_stuck.c: leaves those unseen of whom none can go on. If that cannot be found out, who waits
 * for a share is said to be able. */
void cvy_waits_spare(struct cvy_waits *g);

/* waits_cycle.c: the next cycle among those unseen, on the path from cycle_first on, up to told;
 * its hash, which is the same for the same waits, or 0. */
uint64_t cvy_waits_next_cycle(struct cvy_waits *g);

#endif
