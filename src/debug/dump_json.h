/* SPDX-License-Identifier: MIT
 * dump_json.h - the tasks for tools: one object with an array of tasks, in no order. */
#ifndef CVY_DEBUG_DUMP_JSON_H
#define CVY_DEBUG_DUMP_JSON_H

#include "sched/dump.h"

#include <covey/runtime.h>

void cvy_dump_json(struct cvy_dump *d);
/* The tasks by place, the most first, with the runtime's figures. False: out of memory. */
bool cvy_dump_json_places(struct cvy_dump *d, const covey_stats *stats);

#endif
