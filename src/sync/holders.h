/* SPDX-License-Identifier: MIT
 * holders.h - who reads which rwmutex, and who has what a library tells of (covey_hold_begin()),
 * kept while diagnosis is on (sched/diagnosis.h).
 *
 * A rwmutex's word only counts its readers. Records are few and found by address, so that they can
 * be looked at when the object may be gone. Without room for one a holder is not known. */
#ifndef CVY_SYNC_HOLDERS_H
#define CVY_SYNC_HOLDERS_H

#include "sched/view.h" /* cvy_holders_of() */

/* owner: cvy_owner_of() a task. */
void cvy_holders_add(const void *object, uint32_t owner);
/* One of owner's; 0: of anybody's. False: there is none. */
bool cvy_holders_remove(const void *object, uint32_t owner);

#endif
