/* SPDX-License-Identifier: MIT
 * attempt.h - one try of one transfer: where the answer's head and body go. */
#ifndef CVY_TOOLS_ATTEMPT_H
#define CVY_TOOLS_ATTEMPT_H

#include "tools/job.h"
#include "tools/target.h"

struct cvy_attempt {
    const struct cvy_job *job;
    struct cvy_target *target; /* NULL: no file */
    bool may_resume;
    char validator[CVY_VALIDATOR_MAX]; /* of the part that is there */
    uint64_t asked_from;               /* of a range; 0: everything */

    int status;
    int64_t retry_after_ns;
    uint64_t received;
    bool is_unwanted;  /* the body is an error page: dropped */
    bool must_restart; /* the part does not fit what the server has: once more, from the start */
    bool is_complete;  /* the part turned out to be all there is */
    bool is_local;     /* the failure is ours */
    bool has_output;   /* bytes went where they cannot be taken back */
    covey_http_response response;
};

/* 0 or a code with a message; what came is in the fields. An HTTP status is no failure here. Frees
 * nothing: cvy_attempt_fini(). May switch. */
int cvy_attempt_run(covey_ctx *ctx, struct cvy_attempt *a);
void cvy_attempt_fini(struct cvy_attempt *a);

#endif
