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

#define CVY_LEVEL_PROBES 3

/* 0: off; 1: flight recorder; 2: all; 3: and probes. Relaxed: a point that sees it late records a
 * little more or less. Its own line: everybody reads it. */
extern _Atomic uint8_t cvy_trace_level __attribute__((visibility("hidden")));

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

/* The same for what happens at each switch: into the ring without a call. */
#define CVY_EMIT_HOT(ring, name, id, arg, object)                                                  \
    do {                                                                                           \
        uint8_t level_ = cvy_load_relaxed(&cvy_trace_level);                                       \
        if (cvy_unlikely(level_ >= CVY_LEVEL_##name)) {                                            \
            struct cvy_ring *ring_ = (ring);                                                       \
            if (cvy_likely(ring_ && level_ != CVY_LEVEL_PROBES)) {                                 \
                cvy_ring_put(ring_, COVEY_TRACE_##name, (uint32_t)(id), (uint8_t)(arg),            \
                             (uint64_t)(uintptr_t)(object));                                       \
            } else {                                                                               \
                cvy_trace_put(ring_, COVEY_TRACE_##name, (uint32_t)(id), (uint8_t)(arg),           \
                              (uint64_t)(uintptr_t)(object));                                      \
            }                                                                                      \
        }                                                                                          \
    } while (0)

#endif
