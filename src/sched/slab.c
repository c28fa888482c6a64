/* SPDX-License-Identifier: MIT
 * slab.c - task records and stacks: a cache per worker, batches to and from the shared pools.
 *
 * Records lie in slabs of 2 MiB that never go before the runtime does, since a dump walks them
 * without a lock. The pages of records that lie free long are given back; they read as zeroes from
 * then on, which is a free record with a closed claim. */
#include "base/alloc.h"
#include "base/slots.h"
#include "os/pages.h"
#include "sched/slab.h"
#include "sched/wait.h"

#include <assert.h>

#define SLAB_BYTES CVY_HUGE_PAGE
#define SLABS_MAX UINT16_MAX
#define RUNS_MAX 64

static_assert(CVY_TASK_FREE == 0 && CVY_CLAIM_CLOSED == 0, "a zeroed record is a free one");

/* A new slab at the head of the open ones; NULL: out of memory. */
static struct cvy_slab *slab_new_locked(struct cvy_task_pool *p)
{
    uint32_t count = SLAB_BYTES / sizeof(struct cvy_task);

    if (p->count > SLABS_MAX ||
        !cvy_grow(&p->index, p->count, &p->capacity, sizeof(struct cvy_slab *))) {
        return NULL;
    }
    struct cvy_slab *slab = cvy_alloc_zeroed(sizeof(*slab) + cvy_slots_bytes(count));
    if (!slab) {
        return NULL;
    }
    /* The first serves the many programs that have few tasks: page by page. */
    slab->tasks = cvy_pages_map(SLAB_BYTES, p->count == 0 ? CVY_PAGES_PLAIN : CVY_PAGES_DENSE);
    if (!slab->tasks) {
        free(slab);
        return NULL;
    }
    CVY_LSAN_ROOT(slab->tasks, SLAB_BYTES);
    cvy_slots_init(&slab->slots, count, slab + 1);
    slab->number = (uint16_t)p->count;
    p->index[p->count++] = slab;
    cvy_list_push_head(&p->open, &slab->open);
    slab->next = cvy_load_relaxed(&p->slabs);
    /* Release: pairs with the acquire in cvy_tasks_each(). */
    cvy_store_release(&p->slabs, slab);
    return slab;
}

/* Up to want records as a list; how many. */
static uint32_t pool_take(struct cvy_runtime *rt, struct cvy_task **list, uint32_t want)
{
    struct cvy_task_pool *p = &rt->tasks;
    uint32_t n;

    cvy_lock(&rt->lock);
    for (n = 0; n < want; n++) {
        struct cvy_slab *slab = cvy_list_is_empty(&p->open)
                                    ? slab_new_locked(p)
                                    : CVY_CONTAINER_OF(p->open.next, struct cvy_slab, open);
        if (!slab) {
            break;
        }
        struct cvy_task *t = &slab->tasks[cvy_slots_take(&slab->slots)];
        cvy_store_relaxed(&slab->used, slab->slots.used);
        if (slab->slots.free_count == 0) {
            cvy_list_remove(&slab->open);
        }
        t->slab = slab->number;
        t->next = *list;
        *list = t;
    }
    cvy_unlock(&rt->lock);
    return n;
}

static void pool_give_locked(struct cvy_runtime *rt, struct cvy_task *list)
{
    struct cvy_task_pool *p = &rt->tasks;

    for (struct cvy_task *t = list; t; t = t->next) {
        struct cvy_slab *slab = p->index[t->slab];
        cvy_slots_give(&slab->slots, (uint32_t)(t - slab->tasks));
        if (!slab->open.next && !slab->is_trimming) {
            cvy_list_push_tail(&p->open, &slab->open);
        }
    }
}

static void pool_give(struct cvy_runtime *rt, struct cvy_task *list)
{
    cvy_lock(&rt->lock);
    pool_give_locked(rt, list);
    cvy_unlock(&rt->lock);
}

/* A batch goes round as it is: the books are touched only when more are free than there is room
 * for, or when they were not needed for a while. */
static void batch_give(struct cvy_runtime *rt, struct cvy_task *list)
{
    struct cvy_task_pool *p = &rt->tasks;

    cvy_lock(&rt->lock);
    if (p->batch_count < CVY_TASK_BATCHES) {
        p->batches[p->batch_count++] = list;
    } else {
        pool_give_locked(rt, list);
    }
    cvy_unlock(&rt->lock);
}

static uint32_t batch_take(struct cvy_runtime *rt, struct cvy_task **list)
{
    struct cvy_task_pool *p = &rt->tasks;

    *list = NULL;
    cvy_lock(&rt->lock);
    if (p->batch_count > 0) {
        *list = p->batches[--p->batch_count];
        p->batches_least = p->batch_count < p->batches_least ? p->batch_count : p->batches_least;
    }
    cvy_unlock(&rt->lock);
    return *list ? CVY_TASK_BATCH : pool_take(rt, list, CVY_TASK_BATCH);
}

/* Enters the batches that were not needed since the last call in the books; whether there were. */
static bool batches_age_locked(struct cvy_runtime *rt)
{
    struct cvy_task_pool *p = &rt->tasks;
    uint32_t idle = p->batches_least;

    for (uint32_t i = 0; i < idle; i++) {
        pool_give_locked(rt, p->batches[i]);
    }
    p->batch_count -= idle;
    memmove(p->batches, p->batches + idle, p->batch_count * sizeof(p->batches[0]));
    p->batches_least = p->batch_count;
    return p->batch_count > 0;
}

/* NOLINTNEXTLINE(misc-no-recursion): once, as there is one then */
struct cvy_task *cvy_task_alloc_slow(struct cvy_thread *th, struct cvy_runtime *rt)
{
    struct cvy_worker *w = th->worker;
    struct cvy_task *t = NULL;

    if (!w) {
        (void)pool_take(rt, &t, 1);
        return t;
    }
    w->task_count = batch_take(rt, &w->tasks);
    return w->tasks ? cvy_task_alloc(th, rt) : NULL;
}

void cvy_task_free_slow(struct cvy_runtime *rt, struct cvy_worker *w, struct cvy_task *t)
{
    if (!w) {
        t->next = NULL;
        pool_give(rt, t);
        return;
    }
    struct cvy_task *last = t;
    t->next = w->tasks;
    for (int i = 1; i < CVY_TASK_BATCH; i++) {
        last = last->next;
    }
    w->tasks = last->next;
    w->task_count -= CVY_TASK_BATCH - 1;
    last->next = NULL;
    batch_give(rt, t);
}

struct cvy_stack *cvy_stack_alloc(struct cvy_worker *w, unsigned class_index)
{
    struct cvy_stack_cache *cache = &w->stack_caches[class_index];

    if (cvy_unlikely(cache->count == 0)) {
        /* Large stacks are rare: one at a time. */
        size_t want = cvy_stack_class_size(class_index) > ((size_t)1 << 20) ? 1 : CVY_STACK_BATCH;
        cache->count =
            (uint32_t)cvy_stack_take(&w->runtime->stacks, class_index, cache->stacks, want);
        if (cache->count == 0) {
            return NULL;
        }
    }
    struct cvy_stack *s = cache->stacks[--cache->count];
#if CVY_TSAN
    if (!s->fiber) {
        s->fiber = __tsan_create_fiber(0);
    }
#endif
    return s;
}

void cvy_stack_free(struct cvy_worker *w, struct cvy_stack *s)
{
    struct cvy_stack_cache *cache = &w->stack_caches[s->class_index];

    CVY_ASAN_UNPOISON(s->low, s->span);
    cache->stacks[cache->count++] = s;
    if (cvy_unlikely(cache->count == CVY_STACK_CACHE)) {
        /* Keep the hottest; the older half goes. */
        cvy_stack_give(&w->runtime->stacks, cache->stacks, CVY_STACK_CACHE / 2);
        cache->count -= CVY_STACK_CACHE / 2;
        memcpy(cache->stacks, cache->stacks + CVY_STACK_CACHE / 2,
               cache->count * sizeof(cache->stacks[0]));
    }
}

void cvy_slabs_fini(struct cvy_runtime *rt, bool keep)
{
    struct cvy_slab *slab = cvy_load_relaxed(&rt->tasks.slabs);

    if (!keep) {
        cvy_stack_pool_fini(&rt->stacks);
    }
    while (slab) {
        struct cvy_slab *next = slab->next;
        if (!keep) {
            CVY_LSAN_FORGET(slab->tasks, SLAB_BYTES);
            cvy_pages_unmap(slab->tasks, SLAB_BYTES);
        }
        free(slab);
        slab = next;
    }
    free(rt->tasks.index);
}

/* Empties the caches of a worker that is idle, so that what it once used does not pin the memory
 * around it. It leaves the idle list under the lock, before it looks at them again. */
static void drain_locked(struct cvy_runtime *rt, struct cvy_worker *w)
{
    for (unsigned c = 0; c < CVY_STACK_CLASSES; c++) {
        struct cvy_stack_cache *cache = &w->stack_caches[c];
        if (cache->count > 0) {
            cvy_stack_give(&rt->stacks, cache->stacks, cache->count);
            cache->count = 0;
        }
    }
    cvy_cell_store_drain(&w->cells);
    pool_give_locked(rt, w->tasks);
    w->tasks = NULL;
    w->task_count = 0;
}

bool cvy_slabs_age(struct cvy_runtime *rt)
{
    cvy_lock(&rt->lock);
    for (int i = 0; i < rt->worker_count; i++) {
        if (rt->workers[i].is_idle) {
            drain_locked(rt, &rt->workers[i]);
        }
    }
    cvy_unlock(&rt->lock);
    bool any = cvy_stack_pool_age(&rt->stacks);
    cvy_lock(&rt->lock);
    any |= batches_age_locked(rt);
    for (struct cvy_slab *s = cvy_load_relaxed(&rt->tasks.slabs); s; s = s->next) {
        cvy_slots_age(&s->slots);
        any |= s->slots.dirty_count > 0;
    }
    cvy_unlock(&rt->lock);
    return any;
}

struct run {
    uint32_t first, count;
};

/* The idle runs of one slab, out of the open ones meanwhile; NULL: nothing is idle. */
static struct cvy_slab *slab_pick(struct cvy_runtime *rt, struct run *runs, size_t *run_count)
{
    *run_count = 0;
    cvy_lock(&rt->lock);
    struct cvy_slab *s = cvy_load_relaxed(&rt->tasks.slabs);
    while (s && s->slots.idle_count == 0) {
        s = s->next;
    }
    if (s) {
        cvy_list_remove(&s->open);
        s->is_trimming = true;
        for (uint32_t first = 0, count;
             *run_count < RUNS_MAX && cvy_slots_next_idle(&s->slots, &first, &count);
             first += count) {
            runs[(*run_count)++] = (struct run){first, count};
        }
    }
    cvy_unlock(&rt->lock);
    return s;
}

static bool tasks_trim(struct cvy_runtime *rt)
{
    struct run runs[RUNS_MAX];
    size_t run_count;
    struct cvy_slab *s = slab_pick(rt, runs, &run_count);

    if (!s) {
        return false;
    }
    for (size_t i = 0; i < run_count; i++) {
        cvy_pages_discard(&s->tasks[runs[i].first], runs[i].count * sizeof(struct cvy_task));
    }
    cvy_lock(&rt->lock);
    for (size_t i = 0; i < run_count; i++) {
        cvy_slots_clean(&s->slots, runs[i].first, runs[i].count);
    }
    s->is_trimming = false;
    /* At the end: those in use go first, so that this one may stay free. */
    cvy_list_push_tail(&rt->tasks.open, &s->open);
    cvy_unlock(&rt->lock);
    return true;
}

bool cvy_slabs_trim(struct cvy_runtime *rt)
{
    return cvy_stack_pool_trim(&rt->stacks) || tasks_trim(rt);
}
