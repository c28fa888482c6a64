/* SPDX-License-Identifier: MIT
 * fetch.h - one run of `covey fetch`: what its tasks share.
 *
 * The main task reads the URLs and starts a task for each in one group, whose limit makes it wait:
 * so a list of any length is read as it is used. The group's context is done when the user
 * interrupts, the deadline passes, a failure counts for all, or nothing can be written any more. */
#ifndef CVY_TOOLS_FETCH_H
#define CVY_TOOLS_FETCH_H

#include "tools/host_limit.h"
#include "tools/line.h"
#include "tools/names.h"
#include "tools/options.h"
#include "tools/output.h"

#include <covey.h>

#include <stdatomic.h>

enum cvy_outcome { CVY_FETCHED, CVY_SKIPPED, CVY_FAILED, CVY_CANCELED };

/* Atomic, relaxed: they are counted, and order nothing. */
struct cvy_fetch_counts {
    _Atomic uint64_t started, ended[CVY_CANCELED + 1]; /* by outcome */
    _Atomic uint64_t running;                          /* not waiting for their host */
    _Atomic uint64_t bytes, retries;
    _Atomic bool is_list_read; /* started is the total */
};

struct cvy_fetch {
    /* Immutable while tasks run. */
    struct cvy_fetch_options options;
    int at_once;     /* what the descriptors allow */
    int connections; /* libcurl's limit; 0: none needed */
    bool shows_progress;
    int64_t started_at;
    covey_http_client *client;
    covey_group *group;
    covey_ctx *ctx;        /* signals and the deadline */
    covey_ctx *output_ctx; /* of result lines: outlives ctx by a moment, so that they come out */
    covey_sem
        *turns; /* with --per-host: transfers at once, since the group holds waiting ones too */

    struct cvy_host_limit hosts; /* has a mutex of its own */

    /* The main task's alone. */
    struct cvy_names names;
    uint64_t numbers;

    struct cvy_fetch_counts counts;

    covey_mutex mutex;
    /* Guarded by mutex. */
    struct cvy_output out, err;
    struct cvy_line line;    /* the line that is being written */
    bool is_progress_shown;  /* the cursor stands behind a progress line */
    int local_code;          /* the first local error; 0: none */
    char local_message[512]; /* the first that no line has told */

    /* Set by the main task at its end. */
    bool was_interrupted, was_late;
    covey_http_client_stats client_stats;
    uint64_t tasks_ran, tasks_left;
    int64_t took_ns;
};

/* The status of the command. argv[0] is "fetch". */
int cvy_fetch_main(int argc, char **argv);

/* Ends the run because nothing can be kept any more (a full disk), or notes a local error of one
 * transfer. message: for the summary; NULL: a line has told of it. */
void cvy_fetch_local_error(struct cvy_fetch *f, int code, const char *message, bool is_fatal);

#endif
