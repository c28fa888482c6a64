/* SPDX-License-Identifier: MIT
 * trailers.c - see trailers.h; and what a handler asks of them, and sets. */
#include "http/trailers.h"
#include "http/exchange.h"

#include <covey/error.h>

#include <string.h>
#include <strings.h>

int cvy_http_trailers_add(struct cvy_http_buffer *list, size_t max, const char *name,
                          size_t name_len, const char *value, size_t value_len)
{
    size_t before = list->len;
    int code = cvy_http_buffer_append(list, name, name_len, max);

    code = code < 0 ? code : cvy_http_buffer_append(list, "", 1, max);
    code = code < 0 ? code : cvy_http_buffer_append(list, value, value_len, max);
    code = code < 0 ? code : cvy_http_buffer_append(list, "", 1, max);
    if (code < 0) {
        list->len = before;
    }
    return code;
}

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
