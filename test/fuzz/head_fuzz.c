/* SPDX-License-Identifier: MIT
 * head_fuzz.c - the head of a response. fuzz-layer: http
 *
 * Every header that is kept is a string with a name, and can be found by it. */
#include "fuzz.h"

#include "http/head.h"

#include <covey/error.h>

static void check_export(const struct cvy_http_head *head)
{
    covey_http_response resp = {0};

    MUST(cvy_http_head_export(head, "http://x/", &resp) == 0);
    MUST(strcmp(resp.effective_url, "http://x/") == 0);
    MUST(cvy_http_head_export_trailers(head, &resp) == 0);
    MUST(resp.header_count == head->headers.count && resp.trailer_count == head->trailers.count);
    for (size_t i = 0; i < resp.header_count; i++) {
        MUST(resp.headers[i].name && resp.headers[i].value);
        MUST(covey_http_response_header(&resp, resp.headers[i].name));
    }
    for (size_t i = 0; i < resp.trailer_count; i++) {
        MUST(covey_http_response_trailer(&resp, resp.trailers[i].name));
    }
    MUST(!covey_http_response_header(&resp, "no such: header"));
    covey_http_response_free(&resp);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cvy_http_head head = {0};
    const char *at = (const char *)data, *end = at + size;

    while (at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        const char *next = newline ? newline + 1 : end;
        int code = cvy_http_head_add(&head, at, (size_t)(next - at));

        MUST(code == 0 || code == COVEY_ETOOLARGE || code == COVEY_EPROTO);
        MUST(head.status >= 0 && head.status <= 999);
        at = next;
    }
    check_export(&head);
    cvy_http_head_reset(&head);
    check_export(&head);
    cvy_http_head_fini(&head);
    return 0;
}
