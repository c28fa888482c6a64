/* SPDX-License-Identifier: MIT
 * metrics_text.h - what covey_metrics_write() writes, and a figure of it. Include harness.h first.
 */
#ifndef CVY_CONFORMANCE_METRICS_TEXT_H
#define CVY_CONFORMANCE_METRICS_TEXT_H

#include "metrics_format.h"

#include <covey/metrics.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Owned. Not inlined: gcc 12 would take what it returns for a pointer into its frame. */
__attribute__((noinline, unused)) static char *metrics(void)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    CHECK(out);
    CHECK_EQ(covey_metrics_write(out), 0);
    CHECK_EQ(fclose(out), 0);
    metrics_check(text);
    return text;
}

/* The value of a line "name value"; fails if there is none. */
static inline long value_of(const char *text, const char *name)
{
    size_t len = strlen(name);

    for (const char *at = strstr(text, name); at; at = strstr(at + 1, name)) {
        if (at > text && at[-1] == '\n' && at[len] == ' ') {
            return strtol(at + len, NULL, 10);
        }
    }
    fprintf(stderr, "# no metric %s\n", name);
    CHECK(false);
    return 0;
}

#endif
