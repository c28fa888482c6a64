/* SPDX-License-Identifier: MIT
 * slab.h - how task records lie in memory, for slab.c and for who walks them all. */
#ifndef CVY_SCHED_SLAB_H
#define CVY_SCHED_SLAB_H

#include "base/slots.h"
#include "sched/task.h"

struct cvy_slab {
    /* Immutable. */
    struct cvy_slab *next;
    struct cvy_task *tasks;
    uint16_t number; /* in the pool's index */

    _Atomic uint32_t used; /* records from here on were never used; written under lock */

    /* Guarded by the scheduler's lock. */
    struct cvy_node open; /* in the pool's list while it has a free record and is not trimmed */
    bool is_trimming;
    struct cvy_slots slots;
};

#endif
