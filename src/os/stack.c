/* SPDX-License-Identifier: MIT
 * stack.c - see stack.h. */
#define _GNU_SOURCE
#include "os/stack.h"

#include "base/panic.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102 /* Linux 6.13 */
#endif

#define PAGE 4096
#define REGION_BYTES ((size_t)256 << 20)
#define COMPACT_REGION_BYTES ((size_t)4 << 20)
#define HUGE_PAGE ((size_t)2 << 20)
#define COLOURS 16
#define COLOUR_STEP 64
/* Each PROT_NONE page splits a mapping; the kernel's default allows 65,530 of them. */
#define MPROTECT_GUARDS_MAX 30000

enum guard_kind { GUARD_MADVISE, GUARD_MPROTECT, GUARD_CANARY };

struct cvy_region {
    struct cvy_region *next;
    char *base;
    size_t size;
};

void cvy_stack_pool_init(struct cvy_stack_pool *p)
{
    memset(p, 0, sizeof(*p));
    const char *wanted = getenv("COVEY_STACK_GUARD");
    if (wanted && strcmp(wanted, "mprotect") == 0) {
        p->guard_kind = GUARD_MPROTECT;
    } else if (wanted && strcmp(wanted, "canary") == 0) {
        p->guard_kind = GUARD_CANARY;
    }
}

static void fibers_destroy(struct cvy_stack *s)
{
#if CVY_TSAN
    for (; s; s = s->next) {
        if (s->fiber) {
            __tsan_destroy_fiber(s->fiber);
        }
    }
#else
    (void)s;
#endif
}

void cvy_stack_pool_fini(struct cvy_stack_pool *p)
{
    for (unsigned c = 0; c < CVY_STACK_CLASSES; c++) {
        fibers_destroy(p->classes[c].free);
    }
    while (p->regions) {
        struct cvy_region *r = p->regions;
        p->regions = r->next;
        CVY_ASAN_UNPOISON(r->base, r->size);
        (void)munmap(r->base, r->size);
        free(r);
    }
}

unsigned cvy_stack_class(size_t size)
{
    size_t slot = size > CVY_STACK_COMPACT_MAX && size < 16384 ? 16384 : size;
    unsigned c = CVY_STACK_CLASS_MIN;
    while (((size_t)1 << c) < slot) {
        c++;
    }
    return c - CVY_STACK_CLASS_MIN;
}

size_t cvy_stack_class_size(unsigned class_index)
{
    return (size_t)1 << (class_index + CVY_STACK_CLASS_MIN);
}

const char *cvy_stack_guard_name(const struct cvy_stack_pool *p)
{
    static const char *const names[] = {"MADV_GUARD_INSTALL", "mprotect", "canary"};
    return names[p->guard_kind];
}

static bool region_add(struct cvy_stack_pool *p, unsigned class_index)
{
    size_t slot = cvy_stack_class_size(class_index);
    bool compact = slot <= CVY_STACK_COMPACT_MAX;
    size_t size = compact ? COMPACT_REGION_BYTES : slot > REGION_BYTES ? slot : REGION_BYTES;
    struct cvy_region *r = malloc(sizeof(*r));

    if (!r) {
        return false;
    }
    char *base;
    /* Under a limit on address space a smaller region may still fit. */
    for (;; size /= 2) {
        base = mmap(NULL, size, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
        if (base != MAP_FAILED || size / 2 < slot) {
            break;
        }
    }
    if (base == MAP_FAILED) {
        free(r);
        return false;
    }
    /* Packed slots fill whole huge pages, so one fault serves a thousand of them; in sparse slots a
     * huge page would commit what nobody touches. Both are hints. */
    (void)madvise(base, size, compact ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
    *r = (struct cvy_region){.next = p->regions, .base = base, .size = size};
    p->regions = r;
    p->classes[class_index].carve = base;
    p->classes[class_index].carve_end = base + size;
    return true;
}

/* Whether a guard page now stands at addr. Moves on to the next strategy when one is refused. */
static bool guard_install(struct cvy_stack_pool *p, char *addr)
{
    if (p->guard_kind == GUARD_MADVISE) {
        if (madvise(addr, PAGE, MADV_GUARD_INSTALL) == 0) {
            return true;
        }
        p->guard_kind = GUARD_MPROTECT;
    }
    if (p->guard_kind == GUARD_MPROTECT) {
        if (p->guards < MPROTECT_GUARDS_MAX && mprotect(addr, PAGE, PROT_NONE) == 0) {
            p->guards++;
            return true;
        }
        p->guard_kind = GUARD_CANARY;
    }
    return false;
}

static struct cvy_stack *carve(struct cvy_stack_pool *p, unsigned class_index)
{
    size_t slot = cvy_stack_class_size(class_index);

    if (p->classes[class_index].carve == p->classes[class_index].carve_end &&
        !region_add(p, class_index)) {
        return NULL;
    }
    char *base = p->classes[class_index].carve;
    p->classes[class_index].carve += slot;

    struct cvy_stack *s = (struct cvy_stack *)(base + slot) - 1;
    bool compact = slot <= CVY_STACK_COMPACT_MAX;
    bool guarded = !compact && guard_install(p, base);
    *s = (struct cvy_stack){
        .low = guarded ? base + PAGE : base,
        .class_index = (uint16_t)class_index,
        .has_canary = !guarded,
    };
    uintptr_t top = (uintptr_t)s;
    if (!compact) {
        /* Colours spread the tops over the cache's sets; all slots are aligned alike. */
        top -= (p->classes[class_index].colour++ % COLOURS) * COLOUR_STEP;
    }
    s->top = (void *)(top & ~(uintptr_t)15);
    if (s->has_canary) {
        *(uint64_t *)(void *)s->low = CVY_STACK_CANARY;
    }
    return s;
}

struct cvy_stack *cvy_stack_take(struct cvy_stack_pool *p, unsigned class_index, size_t want)
{
    struct cvy_stack *first = NULL;
    struct cvy_stack **end = &first;

    cvy_lock(&p->lock);
    for (size_t i = 0; i < want; i++) {
        struct cvy_stack *s = p->classes[class_index].free;
        if (s) {
            p->classes[class_index].free = s->next;
            p->classes[class_index].free_count--;
        } else {
            s = carve(p, class_index);
            if (!s) {
                break;
            }
        }
        *end = s;
        end = &s->next;
    }
    *end = NULL;
    cvy_unlock(&p->lock);
    return first;
}

void cvy_stack_give(struct cvy_stack_pool *p, struct cvy_stack *first, struct cvy_stack *last,
                    size_t count)
{
    unsigned c = first->class_index;

    cvy_lock(&p->lock);
    last->next = p->classes[c].free;
    p->classes[c].free = first;
    p->classes[c].free_count += count;
    cvy_unlock(&p->lock);
}
