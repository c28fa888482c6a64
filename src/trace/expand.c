/* SPDX-License-Identifier: MIT
 * expand.c - see expand.h. */
#include "trace/expand.h"

static unsigned type_of(const covey_trace_event *e)
{
    return e->meta & (CVY_RING_WOKE - 1);
}

static uint64_t object_of(const covey_trace_event *e)
{
    return e->meta >> 16;
}

static bool is_run(const covey_trace_event *e)
{
    return type_of(e) == COVEY_TRACE_new || type_of(e) == COVEY_TRACE_relay;
}

size_t cvy_expand_count(struct cvy_expansion *x, const covey_trace_event *e)
{
    if (type_of(e) == COVEY_TRACE_run && object_of(e) != 0) {
        x->step = (uint32_t)object_of(e);
    }
    if (is_run(e)) {
        return 1 + (e->meta >> 8 & 0xFF) + (e->meta & CVY_RING_WOKE ? 1 : 0);
    }
    /* A park has its own for both. */
    return e->meta & CVY_RING_WOKE && type_of(e) != COVEY_TRACE_park ? 2 : 1;
}

covey_trace_event cvy_expand(const struct cvy_expansion *x, const covey_trace_event *e, size_t i)
{
    covey_trace_event out = *e;
    unsigned type = type_of(e);
    bool is_woken = e->meta & CVY_RING_WOKE;
    uint32_t past = (uint32_t)i * x->step;

    if (is_woken && type == COVEY_TRACE_park) {
        out.meta = (e->meta & ~(uint64_t)0xFF) | COVEY_TRACE_pass;
    } else if (is_woken && i == 0) {
        out.meta = COVEY_TRACE_ready;
    } else if (type == COVEY_TRACE_run) {
        out.meta = COVEY_TRACE_run | (e->meta & 0xFF00);
    } else if (type == COVEY_TRACE_new) {
        out.id += past;
        out.meta = cvy_ring_what(COVEY_TRACE_new, 0, object_of(e));
    } else if (type == COVEY_TRACE_relay && !is_woken) {
        out.id += past;
        out.meta = cvy_ring_what(COVEY_TRACE_relay, 0, (uint32_t)object_of(e) + past);
    } else {
        out.meta = e->meta & ~(uint64_t)CVY_RING_WOKE;
    }
    return out;
}
