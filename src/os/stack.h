/* SPDX-License-Identifier: MIT
 * stack.h - task stacks: slots carved out of large lazily committed regions, by size class.
 *
 * A slot is [guard page][usable ...]; nothing of ours lies in it, so that one that lies idle can be
 * given back to the kernel whole. Compact slots (2 or 4 KiB) have no guard page and a canary
 * instead, as have all slots once the kernel refuses more guards. See docs/design. */
#ifndef CVY_OS_STACK_H
#define CVY_OS_STACK_H

#include "base/list.h"
#include "base/sanitizer.h"
#include "os/guard.h"
#include "os/lock.h"

#include <stddef.h>

#define CVY_STACK_CLASS_MIN 11 /* 2 KiB */
#define CVY_STACK_CLASS_MAX 30 /* 1 GiB */
#define CVY_STACK_CLASSES (CVY_STACK_CLASS_MAX - CVY_STACK_CLASS_MIN + 1)
#define CVY_STACK_COMPACT_MAX 4096
#define CVY_STACK_CANARY UINT64_C(0xC0BE7A11D0C5AFE5)
#define CVY_STACK_BATCH CVY_GUARD_BATCH

/* One of a region's dense array. Immutable once it was taken for the first time. */
struct cvy_stack {
    char *low;     /* lowest usable byte, above the guard; NULL: never taken */
    uint32_t span; /* from there to where the task starts */
    uint16_t index;
    uint8_t class_index;
    bool has_canary; /* *(uint64_t *)low must read CVY_STACK_CANARY */
#if CVY_TSAN
    void *fiber; /* kept with the stack, as making one is slow */
#endif
};

/* One pool per runtime. Everything in it but guards is guarded by lock. */
struct cvy_stack_pool {
    struct cvy_lock lock;                    /* rank CVY_RANK_POOL */
    struct cvy_node regions;                 /* all */
    struct cvy_node open[CVY_STACK_CLASSES]; /* those with free slots: the first serves */
    struct cvy_guards guards;
};

void cvy_stack_pool_init(struct cvy_stack_pool *p);
void cvy_stack_pool_fini(struct cvy_stack_pool *p);
/* The class of the smallest slot with size bytes; sizes above 4 KiB get at least 16 KiB. */
unsigned cvy_stack_class(size_t size);
size_t cvy_stack_class_size(unsigned class_index);
/* Up to want (at most CVY_STACK_BATCH) stacks into out; how many: 0 if there is no memory. */
size_t cvy_stack_take(struct cvy_stack_pool *p, unsigned class_index, struct cvy_stack **out,
                      size_t want);
/* Takes them back. */
void cvy_stack_give(struct cvy_stack_pool *p, struct cvy_stack *const *stacks, size_t count);
/* Where the task starts: 16 bytes aligned, below the slot's end by its colour. */
static inline void *cvy_stack_top(const struct cvy_stack *s)
{
    return s->low + s->span;
}
static inline bool cvy_stack_holds(const struct cvy_stack *s, const void *address)
{
    /* Unsigned: false below it too. */
    return (uintptr_t)address - (uintptr_t)s->low <= s->span;
}

/* Lets idle time pass (slots.h). True: memory lies free in the pool. */
bool cvy_stack_pool_age(struct cvy_stack_pool *p);
/* Gives one region's idle memory back, which takes about a millisecond. False: nothing is idle. */
bool cvy_stack_pool_trim(struct cvy_stack_pool *p);

#endif
