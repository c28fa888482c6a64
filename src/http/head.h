/* SPDX-License-Identifier: MIT
 * head.h - collects the head of a response line by line: the status and the headers.
 *
 * A status line starts anew, so that interim responses (100, 103) and those before a redirect are
 * forgotten. Once the body has begun, further lines are trailers and are dropped. */
#ifndef CVY_HTTP_HEAD_H
#define CVY_HTTP_HEAD_H

#include "http/buffer.h"

#include <covey/http.h>

#define CVY_HTTP_HEAD_MAX ((size_t)256 << 10) /* bytes */

struct cvy_http_head {
    struct cvy_http_buffer text; /* "name\0value\0" for each header */
    size_t count;
    int status;       /* 0: no status line yet */
    bool is_closed;   /* the body has begun */
    size_t length_at; /* where in text the value of Content-Length stands; 0: there is none */
};

/* One line as it came, with its line end. 0, COVEY_ETOOLARGE or -ENOMEM. COVEY_EPROTO: where the
 * body ends could be read in two ways, so that its rest would be taken for the next answer: a
 * Content-Length that is not one number, or a second one that differs. */
int cvy_http_head_add(struct cvy_http_head *h, const char *line, size_t len);
/* Copies the headers and url into one block, resp->owned, and points resp at them. 0 or -ENOMEM. */
int cvy_http_head_export(const struct cvy_http_head *h, const char *url, covey_http_response *resp);
/* Ready for the next response. */
void cvy_http_head_reset(struct cvy_http_head *h);

#endif
