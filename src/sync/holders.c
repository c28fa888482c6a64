/* SPDX-License-Identifier: MIT
 * holders.c - see holders.h. A table without a lock: dumps read it while tasks are held. */
#include "sync/holders.h"

#include "sched/diagnosis.h"

#define ROOM 4096u /* a power of two */

static struct record {
    const void *_Atomic object; /* NULL: free. Release by who fills or frees it, acquire */
    _Atomic uint32_t owner;     /* 0: not filled in yet */
} records[ROOM];

static size_t first_of(const void *object)
{
    return (size_t)(((uintptr_t)object * UINT64_C(0x9E3779B97F4A7C15)) >> 32);
}

void cvy_holders_add(const void *object, uint32_t owner)
{
    for (size_t i = first_of(object), n = 0; n < ROOM; i++, n++) {
        struct record *r = &records[i % ROOM];
        const void *none = NULL;
        if (!cvy_load_relaxed(&r->object) && cvy_cas_acq_rel(&r->object, &none, object)) {
            cvy_store_release(&r->owner, owner);
            return;
        }
    }
}

bool cvy_holders_remove(const void *object, uint32_t owner)
{
    for (size_t i = first_of(object), n = 0; n < ROOM; i++, n++) {
        struct record *r = &records[i % ROOM];
        uint32_t found = cvy_load_acquire(&r->object) == object ? cvy_load_acquire(&r->owner) : 0;
        if (found && (!owner || found == owner) && cvy_cas_acq_rel(&r->owner, &found, 0)) {
            cvy_store_release(&r->object, NULL);
            return true;
        }
    }
    return false;
}

size_t cvy_holders_of(const void *object, uint32_t *out, size_t max)
{
    size_t count = 0;

    for (size_t i = first_of(object), n = 0; n < ROOM && count < max; i++, n++) {
        struct record *r = &records[i % ROOM];
        uint32_t owner = cvy_load_acquire(&r->object) == object ? cvy_load_acquire(&r->owner) : 0;
        if (owner) {
            out[count++] = owner;
        }
    }
    return count;
}

uint64_t covey_hold_begin(const void *object)
{
    uint64_t id = cvy_diagnosis_on() ? covey_task_id() : 0;

    if (id) {
        cvy_holders_add(object, cvy_owner_of(id));
    }
    return id;
}

void covey_hold_end(const void *object, uint64_t holder)
{
    if (holder) {
        (void)cvy_holders_remove(object, cvy_owner_of(holder));
    }
}
