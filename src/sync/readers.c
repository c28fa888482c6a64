/* SPDX-License-Identifier: MIT
 * readers.c - see readers.h. A table without a lock: dumps read it while tasks are held. */
#include "sync/readers.h"

#include "base/atomic.h"

#define ROOM 4096u /* a power of two */

static struct record {
    const void *_Atomic rwmutex; /* NULL: free. Release by who fills or frees it, acquire */
    _Atomic uint32_t owner;      /* 0: not filled in yet */
} records[ROOM];

static size_t first_of(const void *rwmutex)
{
    return (size_t)(((uintptr_t)rwmutex * UINT64_C(0x9E3779B97F4A7C15)) >> 32);
}

void cvy_readers_add(const void *rwmutex, uint32_t owner)
{
    for (size_t i = first_of(rwmutex), n = 0; n < ROOM; i++, n++) {
        struct record *r = &records[i % ROOM];
        const void *none = NULL;
        if (!cvy_load_relaxed(&r->rwmutex) && cvy_cas_acq_rel(&r->rwmutex, &none, rwmutex)) {
            cvy_store_release(&r->owner, owner);
            return;
        }
    }
}

/* owner 0: anybody's. */
static bool take_away(const void *rwmutex, uint32_t owner)
{
    for (size_t i = first_of(rwmutex), n = 0; n < ROOM; i++, n++) {
        struct record *r = &records[i % ROOM];
        uint32_t found = cvy_load_acquire(&r->rwmutex) == rwmutex ? cvy_load_acquire(&r->owner) : 0;
        if (found && (!owner || found == owner) && cvy_cas_acq_rel(&r->owner, &found, 0)) {
            cvy_store_release(&r->rwmutex, NULL);
            return true;
        }
    }
    return false;
}

void cvy_readers_remove(const void *rwmutex, uint32_t owner)
{
    if (!take_away(rwmutex, owner)) {
        (void)take_away(rwmutex, 0);
    }
}

size_t cvy_readers_of(const void *rwmutex, uint32_t *out, size_t max)
{
    size_t count = 0;

    for (size_t i = first_of(rwmutex), n = 0; n < ROOM && count < max; i++, n++) {
        struct record *r = &records[i % ROOM];
        uint32_t owner = cvy_load_acquire(&r->rwmutex) == rwmutex ? cvy_load_acquire(&r->owner) : 0;
        if (owner) {
            out[count++] = owner;
        }
    }
    return count;
}
