/* SPDX-License-Identifier: MIT
 * holders.h - who reads which rwmutex, has permits of which semaphore, or has what a library tells
 * of (covey_hold_begin()), kept while diagnosis is on (sched/diagnosis.h).
 *
 * The objects themselves only count. Records are few and found by address, so that they can be
 * looked at when the object may be gone. Without room for one a holder is not known. */
#ifndef CVY_SYNC_HOLDERS_H
#define CVY_SYNC_HOLDERS_H

#include "sched/view.h" /* cvy_holders_of() */

/* owner: cvy_owner_of() a task. It has shares more. */
void cvy_holders_add(const void *object, uint32_t owner, int64_t shares);
/* At most shares of owner's less; 0: of anybody's. How many less. With more than one share at a
 * time callers take turns. */
int64_t cvy_holders_take(const void *object, uint32_t owner, int64_t shares);

#endif
