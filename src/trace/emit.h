/* SPDX-License-Identifier: MIT
 * emit.h - where events are emitted: CVY_EMIT(ring, name, id, arg, object).
 *
 * Off, it is one look at a byte that hardly ever changes; ring is not even evaluated. The list of
 * events is COVEY_TRACE_EVENT_LIST; probe.h has them for tracers from outside. */
#ifndef CVY_TRACE_EMIT_H
#define CVY_TRACE_EMIT_H

#include "trace/run.h"

enum {
#define CVY_EVENT_LEVEL(number, name, level) CVY_LEVEL_##name = level,
    COVEY_TRACE_EVENT_LIST(CVY_EVENT_LEVEL)
#undef CVY_EVENT_LEVEL
};

#define CVY_LEVEL_FULL 2

/* 0: off; 1: flight recorder; CVY_LEVEL_FULL: all, and probes. Relaxed: a point that sees it late
 * records a little more or less. Its own line: everybody reads it. */
extern _Atomic uint8_t cvy_trace_level CVY_HIDDEN;
/* A tracer listens to the probes; relaxed, as above. */
extern _Atomic bool cvy_trace_has_probes CVY_HIDDEN;
/* The ring of all threads that carry no worker. */
extern struct cvy_ring cvy_trace_shared CVY_HIDDEN;

/* One event into a ring; NULL: the one that all but workers share, under its lock. what: see
 * cvy_ring_what(). */
void cvy_trace_put(struct cvy_ring *r, uint32_t id, uint64_t what);
/* The same with a stamp of its own. */
void cvy_trace_put_exact(struct cvy_ring *r, uint32_t id, uint64_t what);
/* The same, then text as further events. */
void cvy_trace_put_text(struct cvy_ring *r, uint8_t type, uint32_t id, const char *text,
                        size_t len_max);
/* Two events that belong together. */
void cvy_trace_put_pair(struct cvy_ring *r, uint32_t id, uint64_t what, uint32_t id2,
                        uint64_t what2);
/* A task was started: its group first, if it is not that of the last one. */
void cvy_trace_put_new(struct cvy_ring *r, uint32_t id, uint64_t site, uint64_t group);
/* A worker's: ended, which ran, is over, its code 0; next runs, 0: the worker's loop. */
void cvy_trace_put_relay(struct cvy_ring *r, uint32_t ended, uint32_t next, bool was_woken);

#define CVY_TRACES_AT(level) cvy_unlikely(cvy_load_relaxed(&cvy_trace_level) >= (level))
#define CVY_TRACES(name) CVY_TRACES_AT(CVY_LEVEL_##name)

#define CVY_EMIT_BY(put, ring, name, id, arg, object)                                              \
    do {                                                                                           \
        if (CVY_TRACES(name)) {                                                                    \
            put((ring), (uint32_t)(id),                                                            \
                cvy_ring_what(COVEY_TRACE_##name, (uint8_t)(arg), (uint64_t)(uintptr_t)(object))); \
        }                                                                                          \
    } while (0)
#define CVY_EMIT(ring, name, id, arg, object)                                                      \
    CVY_EMIT_BY(cvy_trace_put, ring, name, id, arg, object)
/* Times around it would mislead if it shared its own. */
#define CVY_EMIT_EXACT(ring, name, id, arg, object)                                                \
    CVY_EMIT_BY(cvy_trace_put_exact, ring, name, id, arg, object)

#endif
