/* SPDX-License-Identifier: MIT
 * freed.h - objects past their last unref, kept for a while instead of freed (COVEY_DEBUG=freed),
 * so that a use of one is told as what it is.
 *
 * Who gives an object here leaves its lock locked, so that whoever takes it ends in the lock's slow
 * path, which asks cvy_freed_check(): the fast paths know nothing of this. */
#ifndef CVY_OS_FREED_H
#define CVY_OS_FREED_H

#include "base/debug.h"

/* Takes object over, memory from base/alloc of size bytes; where: the code that dropped the last
 * reference. kind is static text. */
void cvy_freed_keep(void *object, size_t size, const char *kind, const void *where);
void cvy_freed_check_slow(const void *address);

/* Fatal if address lies in an object that is kept. */
static inline void cvy_freed_check(const void *address)
{
    if (cvy_knob(CVY_KNOB_FREED)) {
        cvy_freed_check_slow(address);
    }
}

#endif
