/* SPDX-License-Identifier: MIT
 * trace.h - `covey trace`: shows what a trace file holds. */
#ifndef CVY_TOOLS_TRACE_H
#define CVY_TOOLS_TRACE_H

#include "tools/trace_model.h"

#include <stdio.h>

int cvy_trace_main(int argc, char **argv);

/* The tables; rows: how many of each. */
void cvy_trace_report(const struct cvy_trace_model *m, size_t rows, FILE *out);
/* Two of them, the largest first: groups by where they were opened, regions by name. */
void cvy_trace_report_groups(const struct cvy_trace_model *m, size_t rows, FILE *out);
void cvy_trace_report_regions(const struct cvy_trace_model *m, size_t rows, FILE *out);
/* The critical path of the longest group that name means: where it was opened ("file.c:12"), who
 * opened it, or one of its tasks. False: there is none. */
bool cvy_trace_report_group(const struct cvy_trace_model *m, const char *name, size_t rows,
                            FILE *out);
/* Chrome's trace events, which ui.perfetto.dev opens too. */
void cvy_trace_write_chrome(const struct cvy_trace_model *m, FILE *out);
/* One page that needs nothing else. False: out of memory. */
bool cvy_trace_write_html(const struct cvy_trace_model *m, const char *title, FILE *out);
/* "1.25 ms", in out, which it returns. */
const char *cvy_trace_duration(int64_t ns, char out[16]);
/* Text within a JSON string's quotes. */
void cvy_trace_write_json_text(const char *text, FILE *out);
/* 0: none. */
uint32_t cvy_trace_group_by_name(const struct cvy_trace_model *m, const char *name);

#endif
