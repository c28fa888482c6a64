/* SPDX-License-Identifier: MIT
 * http_server_fuzz.c - all that a client may send to the HTTP server. fuzz-layer: http
 *
 * It answers with whole heads. */
#include "http_site.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 0) {
        serve_input((const char *)data, size, size < 2000 && size % 2 == 1, "HTTP/1.1 ");
    }
    return 0;
}
