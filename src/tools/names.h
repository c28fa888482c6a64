/* SPDX-License-Identifier: MIT
 * names.h - keeps two URLs of one run from writing the same file: the second gets "name.1".
 *
 * Names are claimed in the order of the list, so a run over the same list gives every URL the same
 * name again, which is what --resume relies on. Remembers a hash of 8 bytes and a number of 4 for
 * each name, in a table at most two thirds full; two names of the same hash cost a needless ".1".
 */
#ifndef CVY_TOOLS_NAMES_H
#define CVY_TOOLS_NAMES_H

#include <stddef.h>
#include <stdint.h>

struct cvy_names {
    uint64_t *hashes; /* 0: free */
    uint32_t *next;   /* the number to try next for that name */
    size_t size, count;
};

void cvy_names_fini(struct cvy_names *names);
/* name, or name with a number appended, malloc'd. NULL: out of memory. */
char *cvy_names_claim(struct cvy_names *names, const char *name);

#endif
