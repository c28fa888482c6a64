/* SPDX-License-Identifier: MIT
 * dump_fold.c - the tasks by place, as text. */
#include "sched/dump.h"
#include "sched/fold.h"

#include <stdlib.h>

static void print_place(struct cvy_dump *d, const struct cvy_place *p)
{
    struct cvy_view v = p->first;

    if (p->count == 1) {
        /* Now with detail, if it is still there. */
        struct cvy_view again;
        if (cvy_dump_take(d, v.task, &again) && again.id == v.id) {
            v = again;
        }
        cvy_dump_view(d, &v, 1);
        return;
    }
    (void)fprintf(d->out, "  %lld tasks ", (long long)p->count);
    cvy_dump_name(d, &v);
    (void)fprintf(d->out, " %s", cvy_view_state(&v));
    if (v.state == CVY_TASK_WAITING) {
        (void)fprintf(d->out, " in %s", cvy_view_reason(&v));
        if (p->oldest > 0 && d->now > p->oldest) {
            (void)fprintf(d->out, " for up to %.3f s",
                          (double)(d->now - p->oldest) / (double)COVEY_SEC);
        }
        if (v.note_count > 0) {
            (void)fprintf(d->out, ", %s %s", v.notes[0].is_work ? "at work on" : "awaiting",
                          v.notes[0].what);
        }
    }
    cvy_dump_site(d, ", started at", v.started);
    cvy_dump_site(d, ", in groups opened at", v.group_site);
    (void)fprintf(d->out, "; one is task %llu\n", (unsigned long long)v.id);
    cvy_dump_frames(d, &v, 6);
}

bool cvy_dump_folded(struct cvy_dump *d)
{
    struct cvy_fold *f = cvy_fold_new();
    int64_t tasks;

    if (!f) {
        return false;
    }
    cvy_fold_tasks(f, d->rt);
    cvy_fold_sort(f, false);
    tasks = f->others;
    for (uint32_t i = 0; i < f->count; i++) {
        tasks += f->places[i].count;
    }
    (void)fprintf(d->out, "covey: %lld task(s) on %d worker(s), in %u place(s)\n", (long long)tasks,
                  d->rt->worker_count, f->count);
    for (uint32_t i = 0; i < f->count; i++) {
        print_place(d, &f->places[i]);
    }
    if (f->others > 0) {
        (void)fprintf(d->out, "  %lld task(s) in other places\n", (long long)f->others);
    }
    free(f);
    cvy_dump_print_threads(d);
    return true;
}
