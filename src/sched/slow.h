/* SPDX-License-Identifier: MIT
 * slow.h - tells of tasks that hold their thread for long (covey_options.slow_task_ns), and asks a
 * thread for the stack of what it runs. */
#ifndef CVY_SCHED_SLOW_H
#define CVY_SCHED_SLOW_H

#include "sched/view.h"

void cvy_slow_start(struct cvy_runtime *rt);
void cvy_slow_stop(struct cvy_runtime *rt);
/* The watchdog's, at each of its turns; late_ns: by how much this one is. */
void cvy_slow_look(struct cvy_runtime *rt, int64_t now, int64_t late_ns);
/* The watchdog's: the stack of what th is in the midst of, to v. False: there was no answer. */
bool cvy_slow_ask(struct cvy_thread *th, struct cvy_view *v);

#endif
