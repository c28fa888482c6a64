/* SPDX-License-Identifier: MIT
 * fold.c - see fold.h. */
#include "sched/fold.h"

#include "base/alloc.h"

#include <string.h>

#define BUCKETS (2 * CVY_PLACES_MAX)

struct cvy_fold *cvy_fold_new(void)
{
    return cvy_alloc_zeroed(sizeof(struct cvy_fold));
}

void cvy_fold_clear(struct cvy_fold *f)
{
    f->count = 0;
    f->others = f->others_ns = 0;
    memset(f->table, 0, sizeof(f->table));
}

static uint64_t mix(uint64_t hash, uint64_t value)
{
    return (hash ^ value) * UINT64_C(0x9E3779B97F4A7C15) >> 7 ^ hash << 13;
}

static uint64_t hash_of(const struct cvy_view *v)
{
    uint64_t hash = mix(v->state, v->reason);

    hash = mix(hash, v->note_count > 0 ? (uintptr_t)v->notes[0].what : 0);
    hash = mix(hash, (uintptr_t)v->started);
    hash = mix(hash, (uintptr_t)v->group_site);
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
           a->note_count == b->note_count &&
           (a->note_count == 0 || a->notes[0].what == b->notes[0].what) &&
           a->group_site == b->group_site && a->frame_count == b->frame_count &&
           strcmp(a->name, b->name) == 0 &&
           memcmp(a->frames, b->frames, a->frame_count * sizeof(a->frames[0])) == 0;
}

/* The place of v, a new one if need be; NULL: there is no room for another. */
static struct cvy_place *place_of(struct cvy_fold *f, const struct cvy_view *v)
{
    uint64_t hash = hash_of(v);
    uint64_t i = hash;

    for (; f->table[i % BUCKETS] != 0; i++) {
        struct cvy_place *p = &f->places[f->table[i % BUCKETS] - 1];
        if (p->hash == hash && is_same(&p->first, v)) {
            return p;
        }
    }
    if (f->count == CVY_PLACES_MAX) {
        return NULL;
    }
    struct cvy_place *p = &f->places[f->count++];
    f->table[i % BUCKETS] = f->count;
    *p = (struct cvy_place){.hash = hash, .first = *v};
    return p;
}

void cvy_fold_add(struct cvy_fold *f, const struct cvy_view *v, int64_t count, int64_t ns)
{
    struct cvy_place *p = place_of(f, v);

    if (!p) {
        f->others += count;
        f->others_ns += ns;
        return;
    }
    p->count += count;
    p->ns += ns;
    if (v->since > 0 && (p->oldest == 0 || v->since < p->oldest)) {
        p->oldest = v->since;
    }
}

static bool add_task(struct cvy_task *t, void *arg)
{
    struct cvy_view v;

    if (cvy_view_take(t, &v, true)) {
        if (v.state != CVY_TASK_WAITING) {
            /* What it waited for last says nothing any more. */
            v.reason = CVY_WAIT_NONE;
            v.since = 0;
        }
        cvy_fold_add(arg, &v, 1, 0);
    }
    return true;
}

void cvy_fold_tasks(struct cvy_fold *f, struct cvy_runtime *rt)
{
    (void)cvy_tasks_each(rt, add_task, f);
}

static int compare(int64_t a, int64_t b)
{
    return (b > a) - (b < a);
}

static int compare_counts(const void *a, const void *b)
{
    return compare(((const struct cvy_place *)a)->count, ((const struct cvy_place *)b)->count);
}

static int compare_times(const void *a, const void *b)
{
    return compare(((const struct cvy_place *)a)->ns, ((const struct cvy_place *)b)->ns);
}

void cvy_fold_sort(struct cvy_fold *f, bool by_ns)
{
    qsort(f->places, f->count, sizeof(f->places[0]), by_ns ? compare_times : compare_counts);
}
