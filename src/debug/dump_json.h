/* SPDX-License-Identifier: MIT
 * dump_json.h - the tasks for tools: one object with an array of tasks, in no order. */
#ifndef CVY_DEBUG_DUMP_JSON_H
#define CVY_DEBUG_DUMP_JSON_H

#include "sched/dump.h"

void cvy_dump_json(struct cvy_dump *d);

#endif
