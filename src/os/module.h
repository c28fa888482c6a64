/* SPDX-License-Identifier: MIT
 * module.h - the code that is mapped into this process: the program and its libraries. */
#ifndef CVY_OS_MODULE_H
#define CVY_OS_MODULE_H

#include <covey/defs.h>

#include <stdint.h>

#define CVY_BUILD_ID_TEXT 81

struct cvy_module {
    uintptr_t start, end; /* of its code */
    uint64_t offset;      /* of that in the file */
    const char *path;
    char build_id[CVY_BUILD_ID_TEXT]; /* hexadecimal; empty: none */
};

/* Calls fn for each; what it gets is valid during the call. */
void cvy_modules_each(void (*fn)(const struct cvy_module *m, void *arg), void *arg);

/* site, for who looks at it long after it was made: its strings are those of a library that may
 * have been unloaded since, and then it is one that says so. NULL: NULL. */
const covey_site *cvy_site_still_there(const covey_site *site);

#endif
