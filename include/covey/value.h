/* SPDX-License-Identifier: MIT
 * covey/value.h - a value that is published whole and read without a lock: configuration, routing
 * tables. After Go's sync/atomic.Value, with an end for each snapshot.
 *
 * Readers acquire the present snapshot, read it as long as they like (a task may park meanwhile)
 * and release it; they never see half a change, and never wait. Each snapshot is destroyed once,
 * after it was replaced and its last reader has let go.
 *
 * Any task or thread may call everything here at any time, with or without a runtime. Nothing here
 * switches tasks. destroy runs in the call that lets go last, without a lock: it may do anything.
 */
#ifndef COVEY_VALUE_H
#define COVEY_VALUE_H

#include <covey/defs.h>

COVEY_BEGIN

typedef struct covey_value covey_value;

/* Owned; takes over initial (NULL is a snapshot, too, and is not destroyed). destroy may be NULL.
 * NULL: out of memory; initial stays the caller's. */
COVEY_API covey_value *covey_value_new(void *initial, void (*destroy)(void *));

/* Replaces the snapshot; takes over the new one, which must not change any more. What happened
 * before the store is seen by whoever acquires it. Waits until no acquire is in the middle (some 10
 * us), not for readers. Storing the one that is there changes nothing; an older one that the caller
 * holds may be stored again, and lives on. 0; -ENOMEM: nothing changed, snapshot stays the
 * caller's; it can only happen while three older snapshots are still read. */
COVEY_API int covey_value_store(covey_value *v, void *snapshot);

/* The present snapshot, for covey_value_release(). Wait-free: a fixed number of steps, no lock. */
COVEY_API const void *covey_value_acquire(covey_value *v);
/* Once for each acquire, by any task. Without a lock while snapshot is still the present one.
 * Releasing what is not held is fatal where it can be told. */
COVEY_API void covey_value_release(covey_value *v, const void *snapshot);

/* Destroys every snapshot that is left. Nobody may use v, or a snapshot of it, any more. NULL is
 * allowed. */
COVEY_API void covey_value_free(covey_value *v);

COVEY_END
#endif
