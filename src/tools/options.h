/* SPDX-License-Identifier: MIT
 * options.h - the command line of `covey fetch`. */
#ifndef CVY_TOOLS_OPTIONS_H
#define CVY_TOOLS_OPTIONS_H

#include <covey/http.h>

#include <stdio.h>

#define CVY_FETCH_AT_ONCE 16
#define CVY_FETCH_AT_ONCE_MAX 1000000

struct cvy_fetch_options {
    char **urls;
    int url_count;
    const char *list; /* -i; "-": standard input */
    int at_once;
    int per_host; /* 0: no limit */

    const char *directory; /* -o */
    const char *template;  /* NULL: "{name}" */
    bool discard, resume, fsync;
    bool to_stdout; /* one URL and no word on where to */

    int64_t timeout_ns, deadline_ns; /* 0: none */
    int64_t connect_timeout_ns;      /* 0: the client's */
    int retries;
    bool fail_fast;

    bool json, quiet, no_progress, stats;

    covey_http_header *headers; /* owned, with their text */
    size_t header_count;
    const char *user_agent, *proxy, *ca_file;
    int max_redirects; /* as the client's */
    bool insecure, http1;
};

enum cvy_options_result { CVY_OPTIONS_RUN, CVY_OPTIONS_HELP, CVY_OPTIONS_WRONG };

/* argv[0] is "fetch". WRONG: what is wrong was written to err in one line. The texts of argv are
 * borrowed; cvy_fetch_options_fini() in any case. */
enum cvy_options_result cvy_fetch_options_parse(struct cvy_fetch_options *o, int argc, char **argv,
                                                FILE *err);
void cvy_fetch_options_fini(struct cvy_fetch_options *o);
void cvy_fetch_options_help(FILE *out);

#endif
