/* SPDX-License-Identifier: MIT
 * emit.h - where events are emitted: CVY_EMIT(ring, name, id, arg, object).
 *
 * Off, it is one look at a byte that hardly ever changes; ring is not even evaluated. The list of
 * events is COVEY_TRACE_EVENT_LIST; probe.h has them for tracers from outside. */
#ifndef CVY_TRACE_EMIT_H
#define CVY_TRACE_EMIT_H

#include "trace/ring.h"

enum {
#define CVY_EVENT_LEVEL(number, name, level) CVY_LEVEL_##name = level,
    COVEY_TRACE_EVENT_LIST(CVY_EVENT_LEVEL)
#undef CVY_EVENT_LEVEL
};

#define CVY_LEVEL_FULL 2

/* 0: off; 1: flight recorder; CVY_LEVEL_FULL: all, and probes. Relaxed: a point that sees it late
 * records a little more or less. Its own line: everybody reads it. */
extern _Atomic uint8_t cvy_trace_level CVY_HIDDEN;

/* One event into a ring; NULL: the one that all but workers share, under its lock. */
void cvy_trace_put(struct cvy_ring *r, uint8_t type, uint32_t id, uint8_t arg, uint64_t object);
/* The same, then text as further events. */
void cvy_trace_put_text(struct cvy_ring *r, uint8_t type, uint32_t id, const char *text,
                        size_t len_max);
/* Two events that belong together. */
void cvy_trace_put_pair(struct cvy_ring *r, uint8_t type, uint32_t id, uint64_t object,
                        uint8_t type2, uint32_t id2, uint64_t object2);
/* A task was started: its group first, if it is not that of the last one. */
void cvy_trace_put_new(struct cvy_ring *r, uint32_t id, uint64_t site, uint64_t group);

#define CVY_TRACES(name) cvy_unlikely(cvy_load_relaxed(&cvy_trace_level) >= CVY_LEVEL_##name)

#define CVY_EMIT(ring, name, id, arg, object)                                                      \
    do {                                                                                           \
        if (CVY_TRACES(name)) {                                                                    \
            cvy_trace_put((ring), COVEY_TRACE_##name, (uint32_t)(id), (uint8_t)(arg),              \
                          (uint64_t)(uintptr_t)(object));                                          \
        }                                                                                          \
    } while (0)

/* What happens at each switch, for workers' rings and behind CVY_TRACES(park): without a call while
 * no stamp is due. With a file or probes one is due at each event, so that cvy_trace_put() sees
 * them all. */

static inline void cvy_trace_put_hot(struct cvy_ring *r, uint8_t type, uint32_t id, uint8_t arg,
                                     uint64_t object)
{
    struct cvy_ring_slot *s = cvy_load_relaxed(&r->at);

    if (cvy_ring_has_room(r, s)) {
        cvy_ring_store(r, s, type, id, arg, object);
    } else {
        cvy_trace_put(r, type, id, arg, object);
    }
}

/* Running woke next, then waits; next runs. False: not written, a stamp is due. */
static inline bool cvy_trace_pass(struct cvy_ring *r, uint64_t next, uint8_t reason,
                                  const void *object)
{
    struct cvy_ring_slot *s = cvy_load_relaxed(&r->at);

    if (!cvy_ring_has_room(r, s)) {
        return false;
    }
    cvy_ring_store(r, s, COVEY_TRACE_pass, (uint32_t)next, reason, (uint64_t)(uintptr_t)object);
    return true;
}

/* ended, which ran, is over, its code 0; next runs, 0: the worker's loop. As above. */
static inline bool cvy_trace_relay(struct cvy_ring *r, uint64_t ended, uint64_t next)
{
    struct cvy_ring_slot *s = cvy_load_relaxed(&r->at);

    if (!cvy_ring_has_room(r, s)) {
        return false;
    }
    cvy_ring_store(r, s, COVEY_TRACE_relay, (uint32_t)next, 0, (uint32_t)ended);
    return true;
}

/* Running started id in a group. */
static inline void cvy_trace_new(struct cvy_ring *r, uint64_t id, const void *site, uint64_t group)
{
    struct cvy_ring_slot *s = r ? cvy_load_relaxed(&r->at) : NULL;

    if (cvy_likely(s != NULL) && cvy_ring_has_room(r, s) && cvy_likely(r->group == group)) {
        cvy_ring_store(r, s, COVEY_TRACE_new, (uint32_t)id, 0, (uint64_t)(uintptr_t)site);
    } else {
        cvy_trace_put_new(r, (uint32_t)id, (uint64_t)(uintptr_t)site, group);
    }
}

#endif
