/* SPDX-License-Identifier: MIT
 * error_list.h - the list of failures that a group fills. */
#ifndef CVY_GROUP_ERROR_LIST_H
#define CVY_GROUP_ERROR_LIST_H

#include <covey/group.h>

/* Adds a failure; takes text (NULL: covey_strerror's words). Without memory for the entry it counts
 * in len but reads as -ENOMEM. */
void cvy_error_list_add(covey_error_list *l, int code, char *text);

#endif
