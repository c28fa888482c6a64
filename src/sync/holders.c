/* SPDX-License-Identifier: MIT
 * holders.c - see holders.h. A table without a lock: dumps read it while tasks are held. */
#include "sync/holders.h"

#include "sched/diagnosis.h"

#include <stdio.h>

#define ROOM 4096u /* a power of two */

static struct record {
    const void *_Atomic object; /* NULL: free. Release by who fills or frees it, acquire */
    _Atomic uint32_t owner;     /* 0: not filled in yet. Release, acquire */
    _Atomic int64_t shares;     /* written before owner; relaxed */
} records[ROOM];

static size_t first_of(const void *object)
{
    return (size_t)(((uintptr_t)object * UINT64_C(0x9E3779B97F4A7C15)) >> 32);
}

void cvy_holders_add(const void *object, uint32_t owner, int64_t shares)
{
    for (size_t i = first_of(object), n = 0; n < ROOM; i++, n++) {
        struct record *r = &records[i % ROOM];
        const void *none = NULL;
        if (!cvy_load_relaxed(&r->object) && cvy_cas_acq_rel(&r->object, &none, object)) {
            cvy_store_relaxed(&r->shares, shares);
            cvy_store_release(&r->owner, owner);
            return;
        }
    }
}

/* 0: the record is not this one's. */
static uint32_t owner_in(const struct record *r, const void *object)
{
    return cvy_load_acquire(&r->object) == object ? cvy_load_acquire(&r->owner) : 0;
}

/* Takes at most shares from r, which owner has. */
static int64_t take_from(struct record *r, uint32_t owner, int64_t shares)
{
    int64_t had = cvy_load_relaxed(&r->shares);

    if (had > shares) {
        cvy_store_relaxed(&r->shares, had - shares);
        return shares;
    }
    if (!cvy_cas_acq_rel(&r->owner, &owner, 0)) {
        return 0;
    }
    cvy_store_release(&r->object, NULL);
    return had;
}

int64_t cvy_holders_take(const void *object, uint32_t owner, int64_t shares)
{
    int64_t taken = 0;

    for (size_t i = first_of(object), n = 0; n < ROOM && taken < shares; i++, n++) {
        struct record *r = &records[i % ROOM];
        uint32_t found = owner_in(r, object);
        if (found && (!owner || found == owner)) {
            taken += take_from(r, found, shares - taken);
        }
    }
    return taken;
}

void cvy_holders_clear(void)
{
    for (size_t i = 0; i < ROOM; i++) {
        cvy_store_relaxed(&records[i].owner, 0);
        cvy_store_relaxed(&records[i].object, NULL);
    }
}

size_t cvy_holders_of(const void *object, uint32_t *owners, int64_t *shares, size_t max)
{
    size_t count = 0;

    for (size_t i = first_of(object), n = 0; n < ROOM && count < max; i++, n++) {
        struct record *r = &records[i % ROOM];
        uint32_t owner = owner_in(r, object);
        if (owner) {
            owners[count] = owner;
            if (shares) {
                shares[count] = cvy_load_relaxed(&r->shares);
            }
            count++;
        }
    }
    return count;
}

uint64_t covey_hold_begin(const void *object)
{
    uint64_t id = cvy_diagnosis_on() ? covey_task_id() : 0;

    if (id) {
        cvy_holders_add(object, cvy_owner_of(id), 1);
    }
    return id;
}

void covey_hold_end(const void *object, uint64_t holder)
{
    if (holder) {
        (void)cvy_holders_take(object, cvy_owner_of(holder), 1);
    }
}
