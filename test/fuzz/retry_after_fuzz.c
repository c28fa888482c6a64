/* SPDX-License-Identifier: MIT
 * retry_after_fuzz.c - the value of a Retry-After header.
 * fuzz-layer: http
 *
 * Whatever a server says, nobody waits for longer than a year, nor for less than nothing. */
#include "fuzz.h"

#include "http/retry_after.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_text(data, size);
    int64_t ns = cvy_http_retry_after_ns(text, 1700000000);

    MUST(ns >= 0 && ns / COVEY_SEC <= INT64_C(366) * 24 * 3600);
    free(text);
    return 0;
}
