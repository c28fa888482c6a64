/* SPDX-License-Identifier: MIT
 * dwarf.h - functions and lines from debug information, through libdw (elfutils), which is loaded
 * when it is first wanted and need not be there. */
#ifndef CVY_OS_DWARF_H
#define CVY_OS_DWARF_H

#include "os/symbol.h"

struct cvy_dwarf; /* used by one thread at a time */

/* NULL: there is no libdw, or no memory. */
struct cvy_dwarf *cvy_dwarf_open(void);
void cvy_dwarf_close(struct cvy_dwarf *d);

/* Function, file and line of pc, each as far as it is known: of the function whose code it is, and
 * before that of those that are inlined there, the innermost first. How many, at most max; in
 * between some are left out then. Names as the linker has them; texts live until the close. */
size_t cvy_dwarf_find(struct cvy_dwarf *d, const void *pc, struct cvy_symbol *out, size_t max);

#endif
