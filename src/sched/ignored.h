/* SPDX-License-Identifier: MIT
 * ignored.h - tells of tasks that go on after their context's end (covey_options.ignored_end_ns).
 */
#ifndef CVY_SCHED_IGNORED_H
#define CVY_SCHED_IGNORED_H

#include "sched/worker.h"

void cvy_ignored_start(struct cvy_runtime *rt);
void cvy_ignored_stop(void);
/* The watchdog's, at each of its turns. */
void cvy_ignored_look(struct cvy_runtime *rt, int64_t now);
/* How soon the watchdog must look again while all workers are idle. */
int64_t cvy_ignored_period(void);
/* Since when a task was seen to go on so; 0: not. For dumps; any thread. */
int64_t cvy_ignored_since(uint64_t id);

#endif
