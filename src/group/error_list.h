/* SPDX-License-Identifier: MIT
 * error_list.h - the list of failures that a group fills. */
#ifndef CVY_GROUP_ERROR_LIST_H
#define CVY_GROUP_ERROR_LIST_H

#include "sched/task.h"

#include <covey/group.h>

/* Adds a copy of the message. Without memory for the entry it counts in len but reads as -ENOMEM.
 */
void cvy_error_list_add(covey_error_list *l, const struct cvy_message *m);

#endif
