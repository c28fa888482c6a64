/* SPDX-License-Identifier: MIT
 * wheel.h - hierarchical timing wheel: 11 levels of 64 slots, a bitmap a level.
 *
 * Times are ticks (the caller's unit). Add and cancel are O(1); the next expiry is found from the
 * bitmaps. Not thread-safe: the owner locks. A timer fires at or after its tick, never before;
 * order within a tick is not kept. */
#ifndef CVY_BASE_WHEEL_H
#define CVY_BASE_WHEEL_H

#include "base/list.h"

#define CVY_WHEEL_LEVELS 11 /* of 6 bits: any tick has its place */
#define CVY_WHEEL_SLOTS 64
#define CVY_WHEEL_NEVER UINT64_MAX

struct cvy_wheel_timer {
    struct cvy_node node; /* next is NULL while it is in no wheel */
    uint64_t tick;
    uint16_t slot; /* level * CVY_WHEEL_SLOTS + slot */
};

struct cvy_wheel {
    uint64_t now; /* every timer with tick <= now has been handed out */
    size_t count;
    uint64_t used[CVY_WHEEL_LEVELS]; /* bit s: slot s is not empty */
    struct cvy_node slots[CVY_WHEEL_LEVELS * CVY_WHEEL_SLOTS];
};

void cvy_wheel_init(struct cvy_wheel *w, uint64_t now);
/* A tick that has passed is moved to the next one. */
void cvy_wheel_add(struct cvy_wheel *w, struct cvy_wheel_timer *t, uint64_t tick);
/* The timer must be in the wheel. */
void cvy_wheel_remove(struct cvy_wheel *w, struct cvy_wheel_timer *t);
static inline bool cvy_wheel_is_armed(const struct cvy_wheel_timer *t)
{
    return t->node.next != NULL;
}
/* Moves the time on and collects what is due into out, an initialised list of nodes. */
void cvy_wheel_advance(struct cvy_wheel *w, uint64_t now, struct cvy_node *out);
/* A tick at or before the next expiry, after now; CVY_WHEEL_NEVER when empty. */
uint64_t cvy_wheel_next(const struct cvy_wheel *w);
/* How many timers expire next, and exactly when: looks through one slot. 0: empty. */
size_t cvy_wheel_first(const struct cvy_wheel *w, uint64_t *tick);
/* The i-th of them. */
struct cvy_wheel_timer *cvy_wheel_nth(const struct cvy_wheel *w, uint64_t tick, size_t i);

#endif
