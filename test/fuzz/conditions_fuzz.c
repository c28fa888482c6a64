/* SPDX-License-Identifier: MIT
 * conditions_fuzz.c - conditions on a file, and ranges of it. fuzz-layer: http
 *
 * The first line is its size, the others are headers. What is sent stands in the file; and who has
 * its tag need not get it again. */
#include "fuzz.h"

#include "http/conditions.h"

#define LINES 8
#define ETAG "\"6.1-a\""

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_text(data, size), *rest = text;
    covey_http_header headers[LINES + 1];
    covey_http_server_request req = {.method = "GET", .headers = headers};
    struct cvy_http_state state = {
        .etag = ETAG, .date = "Sun, 06 Nov 1994 08:49:37 GMT", .modified = 784111777};
    int64_t from, to;

    state.size = (int64_t)(strtoull(fuzz_line(&rest), NULL, 10) >> 1);
    while (*rest && req.header_count < LINES) {
        char *name = fuzz_line(&rest), *colon = strchr(name, ':');
        if (colon) {
            *colon = '\0';
            headers[req.header_count++] =
                (covey_http_header){name, colon + 1 + strspn(colon + 1, " ")};
        }
    }
    int status = cvy_http_conditions_check(&req, &state);
    MUST(status == 0 || status == 304 || status == 412);
    status = cvy_http_range_of(&req, &state, &from, &to);
    if (status == 206) {
        MUST(0 <= from && from < to && to <= state.size);
    } else {
        MUST((status == 200 || status == 416) && from == 0 && to == state.size);
    }
    if (!covey_http_request_header(&req, "If-Match") &&
        !covey_http_request_header(&req, "If-None-Match") &&
        !covey_http_request_header(&req, "If-Unmodified-Since")) {
        headers[req.header_count++] = (covey_http_header){"If-None-Match", "\"x\", " ETAG};
        MUST(cvy_http_conditions_check(&req, &state) == 304);
    }
    free(text);
    return 0;
}
