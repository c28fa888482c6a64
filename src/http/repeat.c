/* SPDX-License-Identifier: MIT
 * repeat.c - which requests may be sent twice (RFC 9110, 9.2.2), whoever would do it. */
#include "http/client.h"

#include <string.h>
#include <strings.h>

static bool has_idempotency_key(const covey_http_request *req)
{
    for (size_t i = 0; i < req->header_count; i++) {
        const char *name = req->headers[i].name;
        if (name && strcasecmp(name, "Idempotency-Key") == 0) {
            return true;
        }
    }
    return false;
}

bool cvy_http_may_repeat(const covey_http_request *req)
{
    static const char *const idempotent[] = {"GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"};
    const char *method = req->method ? req->method : req->body ? "POST" : "GET";

    if (req->repeat != COVEY_HTTP_REPEAT_IDEMPOTENT) {
        return req->repeat == COVEY_HTTP_REPEAT_ALWAYS;
    }
    for (size_t i = 0; i < sizeof(idempotent) / sizeof(*idempotent); i++) {
        if (strcmp(method, idempotent[i]) == 0) {
            return true;
        }
    }
    return has_idempotency_key(req);
}
