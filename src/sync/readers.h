/* SPDX-License-Identifier: MIT
 * readers.h - who reads which rwmutex, kept while diagnosis is on (sched/diagnosis.h).
 *
 * A rwmutex's word only counts its readers. Records are few and found by address, so that they can
 * be looked at when the rwmutex may be gone. Without room for one a reader is not known. */
#ifndef CVY_SYNC_READERS_H
#define CVY_SYNC_READERS_H

#include <stddef.h>
#include <stdint.h>

/* owner: cvy_owner_of() a task. */
void cvy_readers_add(const void *rwmutex, uint32_t owner);
/* One of owner's; who unlocks for another takes away any. */
void cvy_readers_remove(const void *rwmutex, uint32_t owner);
/* The first of them, at most max; how many are in out. A moment's view. */
size_t cvy_readers_of(const void *rwmutex, uint32_t *out, size_t max);

#endif
