/* SPDX-License-Identifier: MIT
 * child.h - a piece of work in a forked child of this process. */
#ifndef CVY_OS_CHILD_H
#define CVY_OS_CHILD_H

#include <stddef.h>

/* Zeroed memory that this process and its children share; NULL: out of memory. */
void *cvy_shared_new(size_t bytes);
void cvy_shared_free(void *p, size_t bytes);

/* Calls fn(arg) in a child, which then ends without the exit handlers of the parent. 0: it
 * returned; above 0: the signal that killed it; -ECHILD: it ended otherwise; else no child could be
 * made. */
int cvy_child_run(void (*fn)(void *), void *arg);
/* "Aborted" */
const char *cvy_signal_words(int number);

#endif
