/* SPDX-License-Identifier: MIT
 * trailers.c - headers behind a body: what a handler asks of a request's, and sets of its own. A
 * request's are kept apart from its headers: what comes so late must not change what the request
 * was taken for. */
#include "http/exchange.h"

#include <covey/error.h>

#include <string.h>
#include <strings.h>

const char *covey_http_request_trailer(const covey_http_server_request *req, const char *name)
{
    const struct cvy_http_exchange *x = cvy_http_exchange_of_request(req);

    if (!x->has_read_all || x->trailers.len == 0) {
        return NULL; /* before, they may be coming just now */
    }
    const char *at = x->trailers.data, *end = at + x->trailers.len;
    while (at < end) {
        const char *value = at + strlen(at) + 1;
        if (strcasecmp(at, name) == 0) {
            return value;
        }
        at = value + strlen(value) + 1;
    }
    return NULL;
}

/* What a client must know before the body (RFC 9110, 6.5.1). */
static bool is_too_late(const char *name)
{
    static const char *const names[] = {
        "Connection",     "Content-Encoding",
        "Content-Length", "Content-Range",
        "Content-Type",   "Host",
        "Keep-Alive",     "TE",
        "Trailer",        "Transfer-Encoding",
        "Upgrade",        "Set-Cookie",
        "Cache-Control",  "Location",
        "Vary",           "WWW-Authenticate",
    };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcasecmp(name, names[i]) == 0) {
            return true;
        }
    }
    return false;
}

int covey_http_set_trailer(covey_http_writer *w, const char *name, const char *value)
{
    int code = is_too_late(name) ? -EINVAL : cvy_http_lines_set(&w->trailers, name, value);

    return code < 0 ? covey_errorf(code, "http response: trailer: %s", covey_strerror(code)) : 0;
}
