/* SPDX-License-Identifier: MIT
 * job.h - the task that fetches one URL: its turn, its tries, its file. */
#ifndef CVY_TOOLS_JOB_H
#define CVY_TOOLS_JOB_H

#include "tools/fetch.h"

struct cvy_job {
    struct cvy_fetch *fetch;
    uint64_t n; /* from 1 */
    const char *url;
    const char *path; /* NULL: no file */
    char text[];      /* of both */
};

/* NULL: out of memory. path may be NULL. */
struct cvy_job *cvy_job_new(struct cvy_fetch *f, uint64_t n, const char *url, const char *path);
/* A task's function: takes arg, a cvy_job. Fails only with --fail-fast. */
int cvy_job_run(covey_ctx *ctx, void *arg);

#endif
