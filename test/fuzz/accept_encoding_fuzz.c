/* SPDX-License-Identifier: MIT
 * accept_encoding_fuzz.c - what a client says that it accepts. fuzz-layer: http
 *
 * Each line is a header of its own. To refuse everything at the end is heard. */
#include "fuzz.h"

#include "http/coding.h"

#define LINES 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_text(data, size), *rest = text;
    covey_http_header headers[LINES + 1];
    size_t count = 0;

    while (*rest && count < LINES) {
        headers[count++] = (covey_http_header){"Accept-Encoding", fuzz_line(&rest)};
    }
    covey_http_server_request req = {.headers = headers, .header_count = count};
    (void)cvy_http_accepts_gzip(&req);
    headers[req.header_count++] = (covey_http_header){"accept-encoding", "gzip;q=0"};
    MUST(!cvy_http_accepts_gzip(&req));
    (void)cvy_http_is_compressible(text, strlen(text));
    free(text);
    return 0;
}
