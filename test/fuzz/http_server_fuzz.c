/* SPDX-License-Identifier: MIT
 * http_server_fuzz.c - all that a client may send to the HTTP server. fuzz-layer: http
 *
 * It answers with whole heads. */
#include "http_site.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bool is_http_2 = size >= 18 && memcmp(data, "PRI * HTTP/2.0", 14) == 0; /* the other's affair */

    if (size > 0) {
        serve_input((const char *)data, size, size < 2000 && size % 2 == 1,
                    is_http_2 ? "" : "HTTP/1.1 ");
    }
    return 0;
}
