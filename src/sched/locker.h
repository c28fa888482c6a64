/* SPDX-License-Identifier: MIT
 * locker.h - whether a mutex was left locked by a task that is no more. */
#ifndef CVY_SCHED_LOCKER_H
#define CVY_SCHED_LOCKER_H

#include "sched/view.h"

/* v waits for a mutex, or a rwmutex that is written, and the task that locked it has ended: another
 * may unlock it, but mostly a way out has forgotten to. Looks at all tasks, which is counted, if it
 * is known who locked it (sched/diagnosis.h). */
bool cvy_is_left_locked(struct cvy_runtime *rt, const struct cvy_view *v, unsigned *searches);

#endif
