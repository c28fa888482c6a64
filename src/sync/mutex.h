/* SPDX-License-Identifier: MIT
 * mutex.h - the mutex from inside the runtime, for the condition variable. */
#ifndef CVY_SYNC_MUTEX_H
#define CVY_SYNC_MUTEX_H

#include "sched/lot.h"

#include <covey/sync.h>

/* The caller is in the runtime. */
int cvy_mutex_lock(struct cvy_thread **thp, covey_ctx *ctx, covey_mutex *m);
void cvy_mutex_unlock(struct cvy_thread *th, covey_mutex *m);

#endif
