/* SPDX-License-Identifier: MIT
 * fatal.c - what a fatal error says after its message: whose it is, its stack, and all tasks.
 *
 * Other threads go on meanwhile, and anything may be broken: what matters most comes first, and a
 * dump that hangs ends with the abort that it is on the way to. */
#include "sched/dump.h"

#include "os/unwind.h"
#include "sched/recording.h"

#define DUMP_SECONDS_MAX 10

struct fatal {
    void (*print)(void *arg);
    void *arg;
    struct cvy_thread *thread;
    struct cvy_task *task; /* NULL: none */
};

static void dump(void *arg)
{
    const struct fatal *f = arg;
    struct cvy_runtime *rt = cvy_runtime_get();
    struct cvy_view v = {.task = f->task};
    struct cvy_dump d;

    f->print(f->arg);
    cvy_abort_after(DUMP_SECONDS_MAX);
    cvy_dump_open(&d, rt, stderr, f->thread && f->thread->is_faulting_in_libc);
    d.is_fatal = true;
    if (f->task) {
        cvy_view_take_own_stack(f->task, &v);
        (void)fprintf(stderr, "covey: in task %llu \"%s\"", (unsigned long long)f->task->id,
                      cvy_task_label(f->task));
        cvy_dump_site(&d, ", started at", f->task->site);
        (void)fputs(":\n", stderr);
    } else if (f->thread) {
        v.frame_count = (uint32_t)cvy_unwind_here(v.frames, CVY_VIEW_FRAMES, 0);
        (void)fputs("covey: in a plain thread:\n", stderr);
    }
    if (f->thread) {
        /* Else it is covey's watchdog, whose stack says nothing. */
        cvy_dump_frames(&d, &v, 4);
    }
    (void)fflush(stderr);
    if (rt) {
        cvy_dump_any(&d);
    }
    cvy_dump_close(&d);
    cvy_recording_fatal();
}

void cvy_fatal_dump(void (*print)(void *arg), void *arg)
{
    struct cvy_thread *th = cvy_thread_self();
    struct fatal f = {.print = print,
                      .arg = arg,
                      .thread = th,
                      .task = th && th->task && !th->task->is_foreign && th->task->stack ? th->task
                                                                                         : NULL};

    if (th && th->is_faulting) {
        /* On the alternate stack. */
        dump(&f);
    } else {
        cvy_with_stack(CVY_DUMP_STACK, dump, &f);
    }
}
