/* SPDX-License-Identifier: MIT
 * probe.c - see probe.h. */
#include "trace/probe.h"

#include <covey/trace_format.h>

#if defined(__has_include) && __has_include(<sys/sdt.h>)

#define _SDT_HAS_SEMAPHORES 1
#include <sys/sdt.h>

/* A clock is about a ring, and the event before a text has the address of all of it. Level 0 is two
 * others. */
#define IS_PROBE(number, level)                                                                    \
    ((level) > 0 && (number) != COVEY_TRACE_clock && (number) != COVEY_TRACE_text)

/* A tracer writes these from outside. */
#define SEMAPHORE(number, name, level)                                                             \
    volatile unsigned short covey_##name##_semaphore __attribute__((section(".probes")));
COVEY_TRACE_EVENT_LIST(SEMAPHORE)

bool cvy_probe_is_armed(void)
{
    unsigned armed = 0;
#define LOOK(number, name, level) armed |= covey_##name##_semaphore;
    COVEY_TRACE_EVENT_LIST(LOOK)
    return armed != 0;
}

/* NOLINTNEXTLINE(readability-function-size): a case an event, made from the list */
void cvy_probe_fire(uint8_t type, uint32_t id, uint8_t arg, uint64_t object)
{
    switch (type) {
#define FIRE(number, name, level)                                                                  \
    case number:                                                                                   \
        if (IS_PROBE(number, level)) {                                                             \
            DTRACE_PROBE3(covey, name, id, arg, object);                                           \
        }                                                                                          \
        break;
        COVEY_TRACE_EVENT_LIST(FIRE)
    default:
        break;
    }
}

#else

bool cvy_probe_is_armed(void)
{
    return false;
}

void cvy_probe_fire(uint8_t type, uint32_t id, uint8_t arg, uint64_t object)
{
    (void)type;
    (void)id;
    (void)arg;
    (void)object;
}

#endif
