/* SPDX-License-Identifier: MIT
 * serve_request.h - the head of an HTTP request, of which the debug server needs little: strict,
 * and without a body. */
#ifndef CVY_DEBUG_SERVE_REQUEST_H
#define CVY_DEBUG_SERVE_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CVY_REQUEST_HEAD_MAX 8192 /* bytes, with the empty line */
#define CVY_REQUEST_PARAMETERS_MAX 16

struct cvy_request {
    bool is_head;
    const char *path; /* decoded */
    const char *host; /* NULL: there is none, in HTTP/1.0 */
    /* What a browser says of the page that made it ask; NULL: nothing. */
    const char *origin, *fetch_site;
    size_t parameter_count;
    struct cvy_request_parameter {
        const char *name, *value; /* decoded */
    } parameters[CVY_REQUEST_PARAMETERS_MAX];
};

/* Where the head ends that begins at text: behind the empty line; 0: not yet. */
size_t cvy_request_head_len(const char *text, size_t len);
/* Parses a whole head of len bytes; it is changed, and out points into it: there is room for one
 * byte more. 0, or the HTTP status that refuses it. */
int cvy_request_parse(char *head, size_t len, struct cvy_request *out);
/* The value of the first parameter of that name; fallback if there is none. */
const char *cvy_request_get(const struct cvy_request *r, const char *name, const char *fallback);
/* The same as a number in [0, max], which without the parameter is 0; -1: it is none. */
int64_t cvy_request_number(const struct cvy_request *r, const char *name, int64_t max);

#endif
