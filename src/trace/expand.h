/* SPDX-License-Identifier: MIT
 * expand.h - from a ring's events to the file's: a run is told one by one, a switch to a task that
 * was woken for it with the wake. */
#ifndef CVY_TRACE_EXPAND_H
#define CVY_TRACE_EXPAND_H

#include "trace/ring.h"

/* What the events before say, of one ring; all zero to begin with a chunk. */
struct cvy_expansion {
    uint32_t step; /* numbers of a run's tasks are so far apart */
};

/* Takes note of the event, which follows those before; how many of the file's it stands for. */
size_t cvy_expand_count(struct cvy_expansion *x, const covey_trace_event *e);
/* The i-th of them. */
covey_trace_event cvy_expand(const struct cvy_expansion *x, const covey_trace_event *e, size_t i);

#endif
