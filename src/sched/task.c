/* SPDX-License-Identifier: MIT
 * task.c - starts tasks, and what a task may ask of itself (covey/task.h). */
#define _GNU_SOURCE
#include "base/alloc.h"
#include "sched/recording.h"
#include "sched/wait.h"

#include "trace/emit.h"

#include <covey/error.h>

#include <sched.h>
#include <stdlib.h>
#include <string.h>

#define STACK_SIZE_MAX ((size_t)1 << 30)
#define STACK_SIZE_MIN 16384
#define NAME_LEN_MAX 31

int cvy_task_check_options_slow(const covey_task_options *opts)
{
    size_t max = opts->compact ? CVY_STACK_COMPACT_MAX : STACK_SIZE_MAX;
    return opts->stack_size > max ? -EINVAL : 0;
}

/* Of checked options. */
static unsigned class_of(const struct cvy_runtime *rt, const covey_task_options *opts)
{
    /* A sanitizer's frames do not fit packed stacks. */
    if (opts->compact && !CVY_SANITIZED) {
        return cvy_stack_class(opts->stack_size);
    }
    if (opts->stack_size == 0 || opts->compact) {
        return rt->default_class;
    }
    return cvy_stack_class(opts->stack_size < STACK_SIZE_MIN ? STACK_SIZE_MIN : opts->stack_size);
}

static uint64_t next_id(struct cvy_runtime *rt, struct cvy_worker *w)
{
    uint64_t lanes = cvy_id_lanes(rt);

    if (!w) {
        return atomic_fetch_add_explicit(&rt->foreign_started, 1, memory_order_relaxed) * lanes +
               lanes;
    }
    uint64_t n = cvy_load_relaxed(&w->started);
    cvy_store_relaxed(&w->started, n + 1);
    return n * lanes + (uint64_t)w->index + 1;
}

/* Of a task that is recorded already. */
__attribute__((noinline)) static void set_options(struct cvy_thread *th, struct cvy_task *t,
                                                  const covey_task_options *opts)
{
    if (opts->name) {
        /* A dump may look meanwhile: the last byte is always 0. */
        (void)strncpy(t->name, opts->name, NAME_LEN_MAX);
        t->owns |= CVY_OWNS_NAME;
        if (CVY_TRACES(new)) {
            cvy_recording_name(th, t);
        }
    }
    t->stack_class = (uint8_t)class_of(cvy_runtime_get(), opts);
    t->pins = opts->pinned ? 1 : 0;
}

/* Copies the argument that the caller lent. False: out of memory. */
static bool copy_borrowed(struct cvy_task *t, const struct cvy_start *s)
{
    t->arg = t->small;
    if (s->copy_len > sizeof(t->small)) {
        t->arg = cvy_alloc(s->copy_len);
        if (!t->arg) {
            return false;
        }
        t->owns |= CVY_OWNS_COPY;
    }
    if (s->copy_len > 0) {
        memcpy(t->arg, s->copy, s->copy_len);
    }
    return true;
}

int cvy_task_start(struct cvy_thread *th, const struct cvy_start *s)
{
    struct cvy_runtime *rt = cvy_runtime_get();

    int code = cvy_task_check_options(s->opts);
    if (code < 0) {
        return code;
    }
    if (!rt || cvy_load_relaxed(&rt->closed)) {
        return COVEY_ECLOSED;
    }
    struct cvy_task *t = cvy_task_alloc(th, rt);
    if (!t) {
        return -ENOMEM;
    }
    t->arg = s->arg;
    if (s->has_copy && !copy_borrowed(t, s)) {
        cvy_task_free(rt, th->worker, t);
        return -ENOMEM;
    }
    t->stack_class = (uint8_t)rt->default_class;
    uint64_t id = next_id(rt, th->worker);
    /* The rest of the record is clean. */
    t->fn = s->fn;
    t->ctx = s->ctx;
    t->on_end = s->on_end;
    t->owner = s->owner;
    t->site = s->site;
    t->id = id;
    /* Release: the number, to the acquire in cvy_tasks_each(). Then the look at the level: who
     * lists the tasks for a trace sees the one, or this sees the other (recorder.h). */
    cvy_store_release(&t->state, CVY_TASK_NEW);
    cvy_compiler_fence();
    if (CVY_TRACES(new)) {
        cvy_recording_new(th, id, s->site, s->owner);
    }
    if (cvy_unlikely(s->opts != NULL)) {
        set_options(th, t, s->opts);
    }
    cvy_enqueue(th, t);
    return 0;
}

void cvy_task_clear_slow(struct cvy_task *t)
{
    if (t->owns & CVY_OWNS_NAME) {
        memset(t->name, 0, sizeof(t->name));
    }
    if (t->owns & CVY_OWNS_COPY) {
        free(t->arg);
    }
    if (t->owns & CVY_OWNS_SCOPES) {
        cvy_deferred_drop(t);
    }
    free(t->message.text);
    t->message = (struct cvy_message){0};
    t->owns = 0;
}

uint64_t covey_task_id(void)
{
    struct cvy_task *t = cvy_task_self();
    return t->is_foreign ? 0 : t->id;
}

const char *covey_task_name(void)
{
    struct cvy_task *t = cvy_task_self();
    return t->is_foreign ? "" : cvy_task_label(t);
}

void covey_yield(void)
{
    struct cvy_thread *th = cvy_enter();

    if (th->task->is_foreign) {
        cvy_leave(th);
        (void)sched_yield();
        return;
    }
    cvy_leave(cvy_yield(th));
}

void covey_pin(void)
{
    struct cvy_thread *th = cvy_enter();
    struct cvy_task *t = th->task;

    COVEY_REQUIRE(t->pins < UINT8_MAX, "covey_pin nested more than 255 deep");
    if (!t->is_foreign && t->pins++ == 0) {
        t->pinned_to = th;
        th->dedicated = t;
    }
    cvy_leave(th);
}

void covey_unpin(void)
{
    struct cvy_thread *th = cvy_enter();
    struct cvy_task *t = th->task;

    if (!t->is_foreign) {
        COVEY_REQUIRE(t->pins > 0, "unpin of a task that is not pinned: task %llu \"%s\"",
                      (unsigned long long)t->id, cvy_task_label(t));
        if (--t->pins == 0) {
            t->pinned_to = NULL;
            th->dedicated = NULL;
        }
    }
    cvy_leave(th);
}
