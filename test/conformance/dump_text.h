/* SPDX-License-Identifier: MIT
 * dump_text.h - a dump as a text, for the tests of dumps. Include support.h first. */
#ifndef CVY_CONFORMANCE_DUMP_TEXT_H
#define CVY_CONFORMANCE_DUMP_TEXT_H

#include <unistd.h>

static inline bool has_libdw(void)
{
#if defined(__x86_64__)
    return access("/usr/lib/x86_64-linux-gnu/libdw.so.1", R_OK) == 0;
#else
    return access("/usr/lib/aarch64-linux-gnu/libdw.so.1", R_OK) == 0;
#endif
}

/* Free it. */
static inline char *dump_as(covey_dump_format format)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);

    CHECK(out);
    CHECK_EQ(covey_dump_as(out, format), 0);
    CHECK_EQ(fclose(out), 0);
    return text;
}

#endif
