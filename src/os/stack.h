/* SPDX-License-Identifier: MIT
 * stack.h - task stacks: slots carved out of large lazily committed regions, by size class.
 *
 * A slot is [guard page][usable ... ][struct cvy_stack]; the record stands at the top, in the page
 * that every task touches anyway. Compact slots (2 or 4 KiB) have no guard page and a canary
 * instead, as have all slots once the kernel refuses more guards. */
#ifndef CVY_OS_STACK_H
#define CVY_OS_STACK_H

#include "base/sanitizer.h"
#include "os/lock.h"

#include <stddef.h>

#define CVY_STACK_CLASS_MIN 11 /* 2 KiB */
#define CVY_STACK_CLASS_MAX 30 /* 1 GiB */
#define CVY_STACK_CLASSES (CVY_STACK_CLASS_MAX - CVY_STACK_CLASS_MIN + 1)
#define CVY_STACK_COMPACT_MAX 4096
#define CVY_STACK_CANARY UINT64_C(0xC0BE7A11D0C5AFE5)

struct cvy_stack {
    struct cvy_stack *next; /* in a free list */
    char *low;              /* lowest usable byte, above the guard */
    void *top;              /* where the task starts: below this record and its colour */
    void *fiber;            /* TSan's; kept with the stack, as making one is slow */
    uint16_t class_index;
    bool has_canary; /* *(uint64_t *)low must read CVY_STACK_CANARY */
};

/* One pool per runtime. Everything in it is guarded by lock. */
struct cvy_stack_pool {
    struct cvy_lock lock; /* rank CVY_RANK_POOL */
    struct {
        struct cvy_stack *free;
        size_t free_count;
        char *carve, *carve_end; /* the rest of the newest region */
        uint32_t colour;
    } classes[CVY_STACK_CLASSES];
    struct cvy_region *regions;
    unsigned guard_kind; /* index into the strategies, moves on when one is refused */
    size_t guards;
};

void cvy_stack_pool_init(struct cvy_stack_pool *p);
void cvy_stack_pool_fini(struct cvy_stack_pool *p);
/* The class of the smallest slot with size bytes; sizes above 4 KiB get at least 16 KiB. */
unsigned cvy_stack_class(size_t size);
size_t cvy_stack_class_size(unsigned class_index);
/* A chain of up to want stacks, newest freed first; NULL: out of memory. */
struct cvy_stack *cvy_stack_take(struct cvy_stack_pool *p, unsigned class_index, size_t want);
/* Takes a chain back. */
void cvy_stack_give(struct cvy_stack_pool *p, struct cvy_stack *first, struct cvy_stack *last,
                    size_t count);
/* "MADV_GUARD_INSTALL", "mprotect" or "canary". */
const char *cvy_stack_guard_name(const struct cvy_stack_pool *p);

#endif
