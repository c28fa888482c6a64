/* SPDX-License-Identifier: MIT
 * duration_fuzz.c - "1m30s". fuzz-layer: tools
 *
 * Nothing negative, nothing longer than a year and a day or so. */
#include "fuzz.h"

#include "tools/duration.h"

#include <covey/defs.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_text(data, size);
    int64_t ns;

    if (cvy_duration_parse(text, &ns)) {
        MUST(ns >= 0 && ns <= 367 * 24 * 3600 * COVEY_SEC);
    }
    free(text);
    return 0;
}
