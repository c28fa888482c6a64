/* SPDX-License-Identifier: MIT
 * native.h - between libcovey and libcovey-native.so (tools/native): which pthread mutexes a thread
 * holds, and where it locked them. */
#ifndef CVY_SCHED_NATIVE_H
#define CVY_SCHED_NATIVE_H

#include <stddef.h>

#define CVY_NATIVE_FRAMES 24

struct cvy_native_lock {
    const void *mutex;
    size_t frame_count;
    void *frames[CVY_NATIVE_FRAMES]; /* of the lock call, as unwind.h has them */
};

/* "covey_native_held" in the other library: the calling thread's, how many; they stay as they are
 * until it locks or unlocks. */
typedef size_t cvy_native_held_fn(const struct cvy_native_lock **locks);

#endif
