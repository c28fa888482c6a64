/* SPDX-License-Identifier: MIT
 * slow.h - tells of tasks that hold their thread for long (covey_options.slow_task_ns). */
#ifndef CVY_SCHED_SLOW_H
#define CVY_SCHED_SLOW_H

#include "sched/view.h"

/* The watchdog's, at each of its turns; late_ns: by how much this one is. */
void cvy_slow_look(struct cvy_runtime *rt, int64_t now, int64_t late_ns);

#endif
