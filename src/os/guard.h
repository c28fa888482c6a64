/* SPDX-License-Identifier: MIT
 * guard.h - guard pages, by the best strategy the kernel has.
 *
 * MADV_GUARD_INSTALL (Linux 6.13) leaves the mapping whole. mprotect splits it at each guard, and
 * the kernel limits the number of mappings. Without guards, who uses the page checks a canary. */
#ifndef CVY_OS_GUARD_H
#define CVY_OS_GUARD_H

#include "base/atomic.h"

#include <stddef.h>

#define CVY_GUARD_BATCH 32

enum cvy_guard_kind { CVY_GUARD_MADVISE, CVY_GUARD_MPROTECT, CVY_GUARD_CANARY };

struct cvy_guards {
    /* All relaxed. kind moves on when the kernel refuses, never back. */
    _Atomic int kind;
    atomic_bool has_no_batch;   /* the kernel refused the call for many */
    _Atomic size_t split_count; /* mappings split by mprotect */
};

/* COVEY_STACK_GUARD ("madvise", "mprotect", "canary") says where to begin. */
void cvy_guards_init(struct cvy_guards *g);
/* Makes guards of pages, at most CVY_GUARD_BATCH; of how many, from the first: the rest can have
 * none. Guards outlive cvy_pages_discard() and go with the mapping. */
size_t cvy_guards_install(struct cvy_guards *g, char *const *pages, size_t count);
/* A mapping with that many guards is gone. */
void cvy_guards_forget(struct cvy_guards *g, size_t count);

#endif
