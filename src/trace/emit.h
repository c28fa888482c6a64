/* SPDX-License-Identifier: MIT
 * emit.h - where events are emitted. Recording (a ring per worker) comes with the issue "Sight";
 * until then an emit point checks its arguments' types and costs nothing. */
#ifndef CVY_TRACE_EMIT_H
#define CVY_TRACE_EMIT_H

#include <stdint.h>

enum cvy_event {
#define CVY_EVENT(name, a, b) CVY_EVENT_##name,
#include "trace/event.def"
#undef CVY_EVENT
    CVY_EVENT_COUNT
};

#define CVY_EMIT(name, a, b)                                                                       \
    ((void)sizeof(CVY_EVENT_##name), (void)sizeof((uintptr_t)(a)), (void)sizeof((uintptr_t)(b)))

#endif
