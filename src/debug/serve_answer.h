/* SPDX-License-Identifier: MIT
 * serve_answer.h - answers of the debug server: one a connection, which is closed behind it. */
#ifndef CVY_DEBUG_SERVE_ANSWER_H
#define CVY_DEBUG_SERVE_ANSWER_H

#include "base/atomic.h"

#include <covey/net.h>

#include <stdio.h>

/* A client and its request; the task that serves it is the only one to touch it. */
struct cvy_client {
    covey_ctx *ctx;
    covey_conn *conn;
    int64_t patience_ns;     /* for each piece that is read or written */
    int64_t trace_bytes_max; /* a longer one ends early */
    bool is_head;            /* answers are without their body */
    _Atomic int *dumps;      /* the server's: see serve_pages.c */
};

#define CVY_TYPE_TEXT "text/plain; charset=utf-8"
#define CVY_TYPE_HTML "text/html; charset=utf-8"
#define CVY_TYPE_JSON "application/json"
#define CVY_TYPE_METRICS "text/plain; version=0.0.4; charset=utf-8"
#define CVY_TYPE_BINARY "application/octet-stream"

/* All may switch; a negative code: the client has gone, or was too slow. */
int cvy_answer_text(struct cvy_client *c, int status, const char *text);
/* What write says, run in a thread of its own; a failure of its becomes an answer that says so. */
int cvy_answer_written(struct cvy_client *c, const char *type, int (*write)(FILE *out, void *arg),
                       void *arg);
/* A file from its beginning; name is what the client may save it as. The descriptor stays open. */
int cvy_answer_file(struct cvy_client *c, int fd, const char *name);
/* For a code of covey's that kept an answer from being made. */
int cvy_answer_failure(struct cvy_client *c, int code);

#endif
