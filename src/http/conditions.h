/* SPDX-License-Identifier: MIT
 * conditions.h - what a request makes its answer depend on (RFC 9110, 13 and 14): the state of what
 * it asks for, and a range of it. */
#ifndef CVY_HTTP_CONDITIONS_H
#define CVY_HTTP_CONDITIONS_H

#include <covey/http.h>

#include <time.h>

/* What there is to be had. */
struct cvy_http_state {
    const char *etag; /* a strong one, in its quotes */
    const char *date; /* modified, as HTTP writes it */
    time_t modified;
    int64_t size;
};

/* For GET and HEAD: 0: answer it; 304; 412. */
int cvy_http_conditions_check(const covey_http_server_request *req, const struct cvy_http_state *s);

/* Which bytes are wanted: 206 and [*from, *to), if it is one range; 200: all of them; 416: none of
 * those is there. */
int cvy_http_range_of(const covey_http_server_request *req, const struct cvy_http_state *s,
                      int64_t *from, int64_t *to);

#endif
