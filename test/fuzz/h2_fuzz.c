/* SPDX-License-Identifier: MIT
 * h2_fuzz.c - all that a client may send once it has begun HTTP/2. fuzz-layer: http */
#include "http_site.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    size_t len = sizeof(preface) - 1;
    char *all = malloc(len + size);

    MUST(all);
    memcpy(all, preface, len);
    if (size > 0) {
        memcpy(all + len, data, size);
    }
    serve_input(all, len + size, size < 500 && size % 2 == 1, "");
    free(all);
    return 0;
}
