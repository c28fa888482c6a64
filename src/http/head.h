/* SPDX-License-Identifier: MIT
 * head.h - collects the head of a response line by line: the status, the headers, the trailers.
 *
 * A status line starts anew, so that interim responses (100, 103) and those before a redirect are
 * forgotten. Once the head has ended, or the body has begun, further lines are trailers, which are
 * kept apart: while they come, a task may read the head, and what was decided by it stays so. */
#ifndef CVY_HTTP_HEAD_H
#define CVY_HTTP_HEAD_H

#include "http/buffer.h"

#include <covey/http.h>

#define CVY_HTTP_HEAD_MAX ((size_t)256 << 10) /* bytes */

struct cvy_http_lines {
    struct cvy_http_buffer text; /* "name\0value\0" for each */
    size_t count;
};

struct cvy_http_head {
    struct cvy_http_lines headers, trailers;
    size_t spent;     /* bytes that have come, also of interim responses and of no use */
    int status;       /* 0: no status line yet */
    bool is_ended;    /* the empty line behind the headers has come */
    bool is_closed;   /* the body has begun */
    size_t length_at; /* where in headers the value of Content-Length stands; 0: there is none */
};

/* One line as it came, with its line end. 0, COVEY_ETOOLARGE or -ENOMEM. COVEY_EPROTO: where the
 * body ends could be read in two ways, so that its rest would be taken for the next answer: a
 * Content-Length that is not one number, or a second one that differs. */
int cvy_http_head_add(struct cvy_http_head *h, const char *line, size_t len);
/* Copies the headers and url into one block, resp->owned, and points resp at them. 0 or -ENOMEM. */
int cvy_http_head_export(const struct cvy_http_head *h, const char *url, covey_http_response *resp);
/* The trailers into another, resp->trailers; none if there are none. 0 or -ENOMEM. */
int cvy_http_head_export_trailers(const struct cvy_http_head *h, covey_http_response *resp);
/* Ready for the next response. */
void cvy_http_head_reset(struct cvy_http_head *h);
void cvy_http_head_fini(struct cvy_http_head *h);

#endif
