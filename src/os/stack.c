/* SPDX-License-Identifier: MIT
 * stack.c - see stack.h. */
#include "os/stack.h"

#include "base/panic.h"
#include "base/slots.h"
#include "os/pages.h"

#include <string.h>

#define REGION_BYTES ((size_t)64 << 20)
#define COMPACT_REGION_BYTES ((size_t)4 << 20)
#define COLOURS 16
#define COLOUR_STEP 64
#define RUNS_MAX 64

/* One mapping of slots, and its books in a mapping of their own. */
struct region {
    struct cvy_node all;  /* in pool->regions */
    struct cvy_node open; /* in pool->open while it has a free slot and is not being trimmed */
    char *base;
    size_t size, record_size;
    unsigned class_index;
    bool is_trimming;
    struct cvy_slots slots;
    struct cvy_stack stacks[];
};

struct run {
    uint32_t first, count;
};

void cvy_stack_pool_init(struct cvy_stack_pool *p)
{
    memset(p, 0, sizeof(*p));
    cvy_lock_init(&p->lock, CVY_RANK_POOL);
    cvy_list_init(&p->regions);
    for (unsigned c = 0; c < CVY_STACK_CLASSES; c++) {
        cvy_list_init(&p->open[c]);
    }
    cvy_guards_init(&p->guards);
}

static void region_free(struct cvy_stack_pool *p, struct region *r)
{
    size_t guards = 0;

    for (uint32_t i = 0; i < r->slots.used; i++) {
        guards += !r->stacks[i].has_canary;
#if CVY_TSAN
        if (r->stacks[i].fiber) {
            __tsan_destroy_fiber(r->stacks[i].fiber);
        }
#endif
    }
    cvy_guards_forget(&p->guards, guards);
    CVY_ASAN_UNPOISON(r->base, r->size);
    cvy_pages_unmap(r->base, r->size);
    cvy_pages_unmap(r, r->record_size);
}

void cvy_stack_pool_fini(struct cvy_stack_pool *p)
{
    for (struct cvy_node *n; (n = cvy_list_pop_head(&p->regions)) != NULL;) {
        region_free(p, CVY_CONTAINER_OF(n, struct region, all));
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

static bool is_compact(unsigned class_index)
{
    return cvy_stack_class_size(class_index) <= CVY_STACK_COMPACT_MAX;
}

/* The slots' mapping. Under a limit on address space a smaller one may still fit. */
static char *slots_map(size_t slot, size_t *size)
{
    bool packed = slot <= CVY_STACK_COMPACT_MAX;

    *size = packed ? COMPACT_REGION_BYTES : slot > REGION_BYTES ? slot : REGION_BYTES;
    for (;; *size /= 2) {
        char *base = cvy_pages_map(*size, packed ? CVY_PAGES_DENSE : CVY_PAGES_SPARSE);
        if (base || *size / 2 < slot) {
            return base;
        }
    }
}

/* A region of free slots at the head of its class's open ones; NULL: out of memory. */
static struct region *region_new_locked(struct cvy_stack_pool *p, unsigned class_index)
{
    size_t slot = cvy_stack_class_size(class_index);
    size_t size;
    char *base = slots_map(slot, &size);

    if (!base) {
        return NULL;
    }
    uint32_t count = (uint32_t)(size / slot);
    size_t stacks_end = sizeof(struct region) + count * sizeof(struct cvy_stack);
    size_t record_size =
        (stacks_end + cvy_slots_bytes(count) + CVY_PAGE - 1) & ~(size_t)(CVY_PAGE - 1);
    struct region *r = cvy_pages_map(record_size, CVY_PAGES_PLAIN);
    if (!r) {
        cvy_pages_unmap(base, size);
        return NULL;
    }
    r->base = base;
    r->size = size;
    r->record_size = record_size;
    r->class_index = class_index;
    cvy_slots_init(&r->slots, count, (char *)r + stacks_end);
    cvy_list_push_tail(&p->regions, &r->all);
    cvy_list_push_head(&p->open[class_index], &r->open);
    return r;
}

static struct region *region_of(struct cvy_stack *s)
{
    return CVY_CONTAINER_OF(s - s->index, struct region, stacks[0]);
}

/* A slot out of r, which leaves the open ones with its last. */
static struct cvy_stack *region_take_locked(struct region *r)
{
    uint32_t index = cvy_slots_take(&r->slots);
    struct cvy_stack *s = &r->stacks[index];

    s->index = (uint16_t)index;
    if (r->slots.free_count == 0) {
        cvy_list_remove(&r->open);
    }
    return s;
}

/* Fills in what is taken for the first time, in all of them. */
static void prepare(struct cvy_stack_pool *p, unsigned class_index, struct cvy_stack *const *stacks,
                    size_t count)
{
    size_t slot = cvy_stack_class_size(class_index);
    char *pages[CVY_STACK_BATCH];
    size_t guarded = 0;

    for (size_t i = 0; i < count; i++) {
        pages[i] = region_of(stacks[i])->base + stacks[i]->index * slot;
    }
    if (!is_compact(class_index)) {
        guarded = cvy_guards_install(&p->guards, pages, count);
    }
    for (size_t i = 0; i < count; i++) {
        struct cvy_stack *s = stacks[i];
        /* Colours spread the tops over the cache's sets; all sparse slots are aligned alike. */
        size_t colour = is_compact(class_index) ? 0 : s->index % COLOURS * COLOUR_STEP;
        size_t guard = i < guarded ? CVY_PAGE : 0;
        s->low = pages[i] + guard;
        s->span = (uint32_t)(slot - guard - colour);
        s->class_index = (uint8_t)class_index;
        s->has_canary = guard == 0;
    }
}

size_t cvy_stack_take(struct cvy_stack_pool *p, unsigned class_index, struct cvy_stack **out,
                      size_t want)
{
    struct cvy_stack *fresh[CVY_STACK_BATCH];
    size_t fresh_count = 0;
    size_t n = 0;

    CVY_ASSERT(want <= CVY_STACK_BATCH);
    cvy_lock(&p->lock);
    while (n < want) {
        struct cvy_node *first = p->open[class_index].next;
        struct region *r = first != &p->open[class_index]
                               ? CVY_CONTAINER_OF(first, struct region, open)
                               : region_new_locked(p, class_index);
        if (!r) {
            break;
        }
        struct cvy_stack *s = region_take_locked(r);
        if (!s->low) {
            fresh[fresh_count++] = s;
        }
        out[n++] = s;
    }
    cvy_unlock(&p->lock);
    if (fresh_count > 0) {
        prepare(p, class_index, fresh, fresh_count);
    }
    for (size_t i = 0; i < n; i++) {
        if (out[i]->has_canary) {
            *(uint64_t *)(void *)out[i]->low = CVY_STACK_CANARY;
        }
    }
    return n;
}

static void region_open_locked(struct cvy_stack_pool *p, struct region *r)
{
    if (!r->open.next && !r->is_trimming) {
        cvy_list_push_tail(&p->open[r->class_index], &r->open);
    }
}

void cvy_stack_give(struct cvy_stack_pool *p, struct cvy_stack *const *stacks, size_t count)
{
    cvy_lock(&p->lock);
    for (size_t i = 0; i < count; i++) {
        struct region *r = region_of(stacks[i]);
        cvy_slots_give(&r->slots, stacks[i]->index);
        region_open_locked(p, r);
    }
    cvy_unlock(&p->lock);
}

bool cvy_stack_pool_age(struct cvy_stack_pool *p)
{
    bool any = false;

    cvy_lock(&p->lock);
    for (struct cvy_node *n = p->regions.next; n != &p->regions; n = n->next) {
        struct region *r = CVY_CONTAINER_OF(n, struct region, all);
        cvy_slots_age(&r->slots);
        any |= r->slots.dirty_count > 0;
    }
    cvy_unlock(&p->lock);
    return any;
}

/* The first region with something to give back, out of the open ones, so that nobody takes from it:
 * with its idle runs, or, if it is idle as a whole, out of the pool and without runs. */
static struct region *region_pick_locked(struct cvy_stack_pool *p, struct run *runs,
                                         size_t *run_count)
{
    *run_count = 0;
    for (struct cvy_node *n = p->regions.next; n != &p->regions; n = n->next) {
        struct region *r = CVY_CONTAINER_OF(n, struct region, all);
        bool is_idle = cvy_slots_is_idle(&r->slots);
        if (!is_idle && r->slots.idle_count == 0) {
            continue;
        }
        cvy_list_remove(&r->open);
        if (is_idle) {
            cvy_list_remove(&r->all);
            return r;
        }
        r->is_trimming = true;
        for (uint32_t first = 0, count;
             *run_count < RUNS_MAX && cvy_slots_next_idle(&r->slots, &first, &count);
             first += count) {
            runs[(*run_count)++] = (struct run){first, count};
        }
        return r;
    }
    return NULL;
}

bool cvy_stack_pool_trim(struct cvy_stack_pool *p)
{
    struct run runs[RUNS_MAX];
    size_t run_count;

    cvy_lock(&p->lock);
    struct region *r = region_pick_locked(p, runs, &run_count);
    cvy_unlock(&p->lock);
    if (!r) {
        return false;
    }
    if (run_count == 0) {
        region_free(p, r);
        return true;
    }
    size_t slot = cvy_stack_class_size(r->class_index);
    for (size_t i = 0; i < run_count; i++) {
        cvy_pages_discard(r->base + runs[i].first * slot, runs[i].count * slot);
    }
    cvy_lock(&p->lock);
    for (size_t i = 0; i < run_count; i++) {
        cvy_slots_clean(&r->slots, runs[i].first, runs[i].count);
    }
    r->is_trimming = false;
    /* In front: it is in use, others may become idle as a whole. */
    cvy_list_push_head(&p->open[r->class_index], &r->open);
    cvy_unlock(&p->lock);
    return true;
}
