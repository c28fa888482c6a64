/* SPDX-License-Identifier: MIT
 * dump_fold.c - the tasks by place: those with the same name, start, wait and stack once. */
#include "base/alloc.h"
#include "sched/dump.h"

#include <stdlib.h>
#include <string.h>

#define PLACES_MAX 4096 /* more are counted together */
#define BUCKETS (2 * PLACES_MAX)

struct place {
    uint64_t hash;
    size_t count;
    int64_t oldest; /* since; 0: unknown */
    struct cvy_view first;
};

struct fold {
    struct cvy_dump *dump;
    size_t tasks, others;
    size_t count;
    struct place **places;        /* PLACES_MAX */
    struct place *table[BUCKETS]; /* open addressing */
    bool is_short_of_memory;
};

static uint64_t mix(uint64_t hash, uint64_t value)
{
    return (hash ^ value) * UINT64_C(0x9E3779B97F4A7C15) >> 7 ^ hash << 13;
}

static uint64_t hash_of(const struct cvy_view *v)
{
    uint64_t hash = mix(v->state, v->reason);

    hash = mix(hash, (uintptr_t)v->started);
    for (const char *c = v->name; *c; c++) {
        hash = mix(hash, (unsigned char)*c);
    }
    for (uint32_t i = 0; i < v->frame_count; i++) {
        hash = mix(hash, (uintptr_t)v->frames[i]);
    }
    return hash;
}

static bool is_same(const struct cvy_view *a, const struct cvy_view *b)
{
    return a->state == b->state && a->reason == b->reason && a->started == b->started &&
           a->frame_count == b->frame_count && strcmp(a->name, b->name) == 0 &&
           memcmp(a->frames, b->frames, a->frame_count * sizeof(a->frames[0])) == 0;
}

/* Where the place of v stands, or may be put. */
static struct place **slot_of(struct fold *f, uint64_t hash, const struct cvy_view *v)
{
    for (uint64_t i = hash;; i++) {
        struct place **slot = &f->table[i % BUCKETS];
        if (!*slot || ((*slot)->hash == hash && is_same(&(*slot)->first, v))) {
            return slot;
        }
    }
}

static bool fold_one(struct cvy_task *t, void *arg)
{
    struct fold *f = arg;
    struct cvy_view v;

    if (!cvy_view_take(t, &v, true)) {
        return true;
    }
    f->tasks++;
    /* Not waiting any more: what it waited for last says nothing. */
    v.reason = v.state == CVY_TASK_WAITING ? v.reason : CVY_WAIT_NONE;
    uint64_t hash = hash_of(&v);
    struct place **slot = slot_of(f, hash, &v);
    if (!*slot) {
        if (f->count == PLACES_MAX) {
            f->others++;
            return true;
        }
        *slot = cvy_alloc(sizeof(**slot));
        if (!*slot) {
            f->is_short_of_memory = true;
            return false;
        }
        **slot = (struct place){.hash = hash, .oldest = v.since, .first = v};
        f->places[f->count++] = *slot;
    }
    struct place *p = *slot;
    p->count++;
    if (v.since > 0 && (p->oldest == 0 || v.since < p->oldest)) {
        p->oldest = v.since;
    }
    return true;
}

static int compare_places(const void *a, const void *b)
{
    const struct place *x = *(struct place *const *)a;
    const struct place *y = *(struct place *const *)b;
    return (y->count > x->count) - (y->count < x->count);
}

static void print_place(struct cvy_dump *d, const struct place *p)
{
    struct cvy_view v = p->first;

    if (p->count == 1) {
        /* Now with detail, if it is still there. */
        struct cvy_view again;
        if (cvy_view_take(v.task, &again, false) && again.id == v.id) {
            v = again;
        }
        cvy_dump_view(d, &v, 1);
        return;
    }
    (void)fprintf(d->out, "  %zu tasks \"%s\" %s", p->count, cvy_view_label(&v),
                  cvy_view_state(&v));
    if (v.state == CVY_TASK_WAITING) {
        (void)fprintf(d->out, " in %s", cvy_view_reason(&v));
        if (p->oldest > 0 && d->now > p->oldest) {
            (void)fprintf(d->out, " for up to %.3f s",
                          (double)(d->now - p->oldest) / (double)COVEY_SEC);
        }
    }
    cvy_dump_site(d, ", started at", v.started);
    (void)fprintf(d->out, "; one is task %llu\n", (unsigned long long)v.id);
    cvy_dump_frames(d, &v, 6);
}

bool cvy_dump_folded(struct cvy_dump *d)
{
    struct fold *f = cvy_alloc_zeroed(sizeof(*f));

    if (!f) {
        return false;
    }
    f->dump = d;
    f->places = cvy_alloc_zeroed(PLACES_MAX * sizeof(struct place *));
    if (f->places) {
        (void)cvy_tasks_each(d->rt, fold_one, f);
    }
    bool is_done = f->places && !f->is_short_of_memory;
    if (is_done) {
        qsort(f->places, f->count, sizeof(struct place *), compare_places);
        (void)fprintf(d->out, "covey: %zu task(s) on %d worker(s), in %zu place(s)\n", f->tasks,
                      d->rt->worker_count, f->count);
    }
    for (size_t i = 0; i < f->count; i++) {
        if (is_done) {
            print_place(d, f->places[i]);
        }
        free(f->places[i]);
    }
    if (is_done && f->others > 0) {
        (void)fprintf(d->out, "  %zu task(s) in other places\n", f->others);
    }
    free(f->places);
    free(f);
    return is_done;
}
