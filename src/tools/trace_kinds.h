/* SPDX-License-Identifier: MIT
 * trace_kinds.h - segments that are alike, added up: by what the tasks are called, where they were
 * started and what they did. */
#ifndef CVY_TOOLS_TRACE_KINDS_H
#define CVY_TOOLS_TRACE_KINDS_H

#include "tools/trace_model.h"

#include <stdio.h>

struct cvy_trace_kind {
    uint32_t task; /* one of those that are meant */
    uint8_t state, reason;
    uint64_t count, open; /* open: that lasted to the trace's end */
    int64_t total, max;
};

/* One segment, of which took counts. */
struct cvy_trace_kind cvy_trace_kind_of(const struct cvy_trace_segment *s, int64_t took);
/* Adds n of them up in place; a row for each kind, the largest total first. */
void cvy_trace_report_kinds(const struct cvy_trace_model *m, struct cvy_trace_kind *kinds, size_t n,
                            size_t rows, FILE *out);
/* "running", "mutex" */
const char *cvy_trace_state(uint8_t state, uint8_t reason);

#endif
