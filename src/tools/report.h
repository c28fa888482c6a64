/* SPDX-License-Identifier: MIT
 * report.h - what is told: a line for a result, the failures, the progress, the summary. */
#ifndef CVY_TOOLS_REPORT_H
#define CVY_TOOLS_REPORT_H

#include "tools/job.h"

struct cvy_result {
    enum cvy_outcome outcome;
    int code, status, attempts;
    uint64_t bytes; /* received for this transfer, in all tries */
    int http_version;
    int64_t ttfb_ns, total_ns;
    bool reused, is_local; /* is_local: our side failed, not the network */
    char message[512];     /* "" unless it failed or was cancelled */
};

/* Counts it and tells it. May switch. */
void cvy_report_result(const struct cvy_job *job, const struct cvy_result *r);
/* A line on standard error, above the progress line. */
void cvy_report_line(struct cvy_fetch *f, const char *fmt, ...) COVEY_PRINTF(2, 3);
/* A task's function: draws the progress line until ctx is done, then wipes it. arg: a cvy_fetch. */
int cvy_report_progress(covey_ctx *ctx, void *arg);
/* After the runtime has ended. What ended it before its time, if anything did. */
void cvy_report_end(const struct cvy_fetch *f, FILE *err);
void cvy_report_summary(const struct cvy_fetch *f, FILE *err);

#endif
