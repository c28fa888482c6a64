/* SPDX-License-Identifier: MIT
 * cell.c - see cell.h. Sanitizers see every use of the heap: there are no caches under them. */
#include "sched/cell.h"

#include "base/alloc.h"
#include "sched/worker.h"

#define CACHE_MAX 32
#define STORE_MAX 256

struct cvy_cell {
    struct cvy_cell *next;
};

static struct cvy_cell *pop(struct cvy_cells *c)
{
    struct cvy_cell *cell = c->first;
    if (cell) {
        c->first = cell->next;
        c->count--;
    }
    return cell;
}

static void push(struct cvy_cells *c, struct cvy_cell *cell)
{
    cell->next = c->first;
    c->first = cell;
    c->count++;
}

static bool is_small(size_t size)
{
    return size <= (size_t)CVY_CELL_STEP * CVY_CELL_CLASSES;
}

/* Of a small size. */
static unsigned class_of(size_t size)
{
    return size == 0 ? 0 : (unsigned)((size - 1) / CVY_CELL_STEP);
}

/* The worker whose cells the caller may use until leave(); NULL: none. Enters the runtime if need
 * be, but gives up instead of switching where the worker has been taken over. */
static struct cvy_worker *enter(struct cvy_thread **thp, bool *was_inside)
{
    struct cvy_thread *th = CVY_SANITIZED ? NULL : cvy_thread_self();

    if (!th) {
        return NULL;
    }
    *thp = th;
    *was_inside = cvy_load_relaxed(&th->in_runtime);
    if (!*was_inside) {
        /* As cvy_enter(). */
        cvy_store_relaxed(&th->in_runtime, 1);
        cvy_light_fence();
        if (cvy_unlikely(cvy_load_acquire(&th->retake))) {
            cvy_leave(th);
            return NULL;
        }
    }
    if (cvy_unlikely(!th->worker) && !*was_inside) {
        cvy_leave(th);
    }
    return th->worker;
}

static void leave(struct cvy_thread *th, bool was_inside)
{
    if (!was_inside) {
        cvy_leave(th);
    }
}

/* Half a cache full from the runtime's store. */
static void refill(struct cvy_worker *w, unsigned class_index)
{
    struct cvy_cell_store *s = &w->runtime->cells;

    cvy_lock(&s->lock);
    for (int i = 0; i < CACHE_MAX / 2; i++) {
        struct cvy_cell *cell = pop(&s->classes[class_index]);
        if (!cell) {
            break;
        }
        push(&w->cells.classes[class_index], cell);
    }
    cvy_unlock(&s->lock);
}

/* Half a full cache to the store, or to the heap if that is full too. */
static void spill(struct cvy_worker *w, unsigned class_index)
{
    struct cvy_cell_store *s = &w->runtime->cells;
    struct cvy_cells rest = {0};

    cvy_lock(&s->lock);
    for (int i = 0; i < CACHE_MAX / 2; i++) {
        bool is_full = s->classes[class_index].count >= STORE_MAX;
        push(is_full ? &rest : &s->classes[class_index], pop(&w->cells.classes[class_index]));
    }
    cvy_unlock(&s->lock);
    for (struct cvy_cell *cell; (cell = pop(&rest)) != NULL;) {
        free(cell);
    }
}

void *cvy_cell_alloc(size_t size)
{
    struct cvy_cell *cell = NULL;
    struct cvy_thread *th;
    bool was_inside;

    if (!is_small(size)) {
        return cvy_alloc_zeroed(size);
    }
    if (cvy_alloc_fails()) {
        return NULL;
    }
    unsigned c = class_of(size);
    struct cvy_worker *w = enter(&th, &was_inside);
    if (w) {
        if (cvy_unlikely(!w->cells.classes[c].first)) {
            refill(w, c);
        }
        cell = pop(&w->cells.classes[c]);
        leave(th, was_inside);
    }
    if (!cell) {
        return cvy_alloc_lines((c + 1) * (size_t)CVY_CELL_STEP);
    }
    return memset(cell, 0, size);
}

void cvy_cell_free(void *cell, size_t size)
{
    struct cvy_thread *th;
    bool was_inside;
    struct cvy_worker *w = cell && is_small(size) ? enter(&th, &was_inside) : NULL;

    if (!w) {
        free(cell);
        return;
    }
    unsigned c = class_of(size);
    push(&w->cells.classes[c], cell);
    if (cvy_unlikely(w->cells.classes[c].count >= CACHE_MAX)) {
        spill(w, c);
    }
    leave(th, was_inside);
}

void cvy_cell_store_drain(struct cvy_cell_store *s)
{
    for (unsigned c = 0; c < CVY_CELL_CLASSES; c++) {
        for (struct cvy_cell *cell; (cell = pop(&s->classes[c])) != NULL;) {
            free(cell);
        }
    }
}
