/* SPDX-License-Identifier: MIT
 * slab.c - task records and stacks: a cache per worker, batches to and from the shared pools. */
#include "base/alloc.h"
#include "sched/worker.h"

#define TASK_BATCH (CVY_TASK_CACHE / 2)
#define STACK_BATCH (CVY_STACK_CACHE / 2)

/* One record from the shared list, which grows by a slab when empty; NULL: out of memory. */
static struct cvy_task *shared_take_locked(struct cvy_runtime *rt)
{
    if (!rt->free_tasks) {
        struct cvy_slab *slab = cvy_alloc_lines(sizeof(*slab));
        if (!slab) {
            return NULL;
        }
        slab->next = cvy_load_relaxed(&rt->slabs);
        for (int i = CVY_SLAB_TASKS - 1; i >= 0; i--) {
            slab->tasks[i].next = rt->free_tasks;
            rt->free_tasks = &slab->tasks[i];
        }
        /* Release: pairs with the acquire in cvy_tasks_each(). */
        cvy_store_release(&rt->slabs, slab);
    }
    struct cvy_task *t = rt->free_tasks;
    rt->free_tasks = t->next;
    return t;
}

struct cvy_task *cvy_task_alloc(struct cvy_thread *th, struct cvy_runtime *rt)
{
    struct cvy_worker *w = th->worker;
    struct cvy_task *t;

    if (w && w->tasks) {
        t = w->tasks;
        w->tasks = t->next;
        w->task_count--;
        return t;
    }
    cvy_lock(&rt->lock);
    t = shared_take_locked(rt);
    for (int i = 0; w && t && i < TASK_BATCH; i++) {
        struct cvy_task *more = shared_take_locked(rt);
        if (!more) {
            break;
        }
        more->next = w->tasks;
        w->tasks = more;
        w->task_count++;
    }
    cvy_unlock(&rt->lock);
    return t;
}

void cvy_task_free(struct cvy_worker *w, struct cvy_task *t)
{
    cvy_store_relaxed(&t->state, CVY_TASK_FREE);
    t->next = w->tasks;
    w->tasks = t;
    if (++w->task_count < CVY_TASK_CACHE) {
        return;
    }
    struct cvy_task *first = w->tasks;
    struct cvy_task *last = first;
    for (int i = 1; i < TASK_BATCH; i++) {
        last = last->next;
    }
    w->tasks = last->next;
    w->task_count -= TASK_BATCH;
    cvy_lock(&w->runtime->lock);
    last->next = w->runtime->free_tasks;
    w->runtime->free_tasks = first;
    cvy_unlock(&w->runtime->lock);
}

struct cvy_stack *cvy_stack_alloc(struct cvy_worker *w, unsigned class_index)
{
    struct cvy_stack *s = w->stacks[class_index];

    if (!s) {
        /* Large stacks are rare: one at a time. */
        size_t want = cvy_stack_class_size(class_index) > ((size_t)1 << 20) ? 1 : STACK_BATCH;
        s = cvy_stack_take(&w->runtime->stacks, class_index, want);
        for (struct cvy_stack *i = s; i; i = i->next) {
            w->stack_counts[class_index]++;
        }
        if (!s) {
            return NULL;
        }
    }
    w->stacks[class_index] = s->next;
    w->stack_counts[class_index]--;
#if CVY_TSAN
    if (!s->fiber) {
        s->fiber = __tsan_create_fiber(0);
    }
#endif
    return s;
}

void cvy_stack_free(struct cvy_worker *w, struct cvy_stack *s)
{
    unsigned c = s->class_index;

    CVY_ASAN_UNPOISON(s->low, (size_t)((char *)s - s->low));
    s->next = w->stacks[c];
    w->stacks[c] = s;
    if (++w->stack_counts[c] < CVY_STACK_CACHE) {
        return;
    }
    /* Keep the hottest; the older half goes. */
    struct cvy_stack *keep = w->stacks[c];
    for (int i = 1; i < CVY_STACK_CACHE - STACK_BATCH; i++) {
        keep = keep->next;
    }
    struct cvy_stack *first = keep->next;
    struct cvy_stack *last = first;
    size_t n = 1;
    while (last->next) {
        last = last->next;
        n++;
    }
    keep->next = NULL;
    w->stack_counts[c] -= (uint32_t)n;
    cvy_stack_give(&w->runtime->stacks, first, last, n);
}
