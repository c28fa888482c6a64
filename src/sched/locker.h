/* SPDX-License-Identifier: MIT
 * locker.h - which task an owner is, and whether one that is no more has left its mutex locked. */
#ifndef CVY_SCHED_LOCKER_H
#define CVY_SCHED_LOCKER_H

#include "sched/view.h"

/* The number of the task that is alive, of which owner is the part that fits a mutex's word
 * (sched/diagnosis.h); owner: there is none. Looks at all tasks, which is counted, once there are
 * greater numbers. */
uint64_t cvy_owner_number(struct cvy_runtime *rt, uint32_t owner, unsigned *searches);

/* v waits for a mutex, or a rwmutex that is written, and the task that locked it has ended: another
 * may unlock it, but mostly a way out has forgotten to. Looks at all tasks, which is counted, if it
 * is known who locked it (sched/diagnosis.h). */
bool cvy_is_left_locked(struct cvy_runtime *rt, const struct cvy_view *v, unsigned *searches);

#endif
