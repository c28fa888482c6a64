/* SPDX-License-Identifier: MIT
 * body.c - the life of a task from its first switch to its last: its stack, its function, its end.
 */
#include "os/lack.h"
#include "sched/turn.h"

static void task_main(void);

void cvy_canary_fail(const struct cvy_task *t)
{
    cvy_fatal("stack overflow in task %llu \"%s\" (%zu bytes): its canary is overwritten",
              (unsigned long long)t->id, cvy_task_label(t),
              cvy_stack_class_size(t->stack->class_index));
}

void cvy_stack_bind(struct cvy_worker *w, struct cvy_task *t)
{
    unsigned tries = 0;

    /* Its start was promised: it waits for memory, and so does its worker. */
    while (!(t->stack = cvy_stack_alloc(w, t->stack_class)) && cvy_lack_wait(&tries)) {
    }
    if (!t->stack) {
        cvy_fatal("out of memory for the stack of task %llu \"%s\"", (unsigned long long)t->id,
                  cvy_task_label(t));
    }
    t->checks = (t->stack->has_canary ? CVY_CHECK_CANARY : 0) | cvy_native_checks();
    t->sp = cvy_switch_prepare(cvy_stack_top(t->stack), task_main);
}

/* t has ended and is off its stack. */
void cvy_task_retire(struct cvy_thread *th, struct cvy_task *t)
{
    cvy_stack_free(th->worker, t->stack);
    t->stack = NULL;
    cvy_store_relaxed(&t->on_cpu, 0);
    cvy_task_free(th->runtime, th->worker, t);
}

void cvy_run_task(struct cvy_thread *th, struct cvy_task *t)
{
    if (!t->stack) {
        cvy_stack_bind(th->worker, t);
    }
    cvy_make_current(th, t);
    if (CVY_TRACES(run)) {
        cvy_recording_run(th, t);
    }
    *th->errno_ptr = t->saved_errno;
    th->previous = &th->self;
    cvy_switch_stacks(th, &th->base_sp, t, false);
    while (th->base_call) {
        void (*call)(void *) = th->base_call;
        th->base_call = NULL;
        call(th->base_arg);
        /* Not t: tasks have switched among themselves since. */
        cvy_switch_stacks(th, &th->base_sp, th->task, false);
    }
    cvy_after_switch(th);
}

void cvy_with_stack(size_t need, void (*fn)(void *), void *arg)
{
    struct cvy_thread *th = cvy_thread_self();
    const char *here = __builtin_frame_address(0);
    const struct cvy_stack *stack = th ? th->task->stack : NULL;

    if (!stack || !cvy_stack_holds(stack, here) || (size_t)(here - stack->low) >= need) {
        fn(arg);
        return;
    }
    bool was_inside = cvy_load_relaxed(&th->in_runtime);
    if (!was_inside) {
        th = cvy_enter();
    }
    th->base_call = fn;
    th->base_arg = arg;
    cvy_switch_stacks(th, &th->task->sp, NULL, false);
    if (!was_inside) {
        cvy_leave(th);
    }
}

static void check_scopes(const struct cvy_task *t)
{
    const struct cvy_scope *s = t->scopes;
    if (!s) {
        return;
    }
    if (s->kind == CVY_SCOPE_NOTE) {
        cvy_fatal("task %llu \"%s\" ended before a covey_wait_note_end() that was due",
                  (unsigned long long)t->id, cvy_task_label(t));
    }
    cvy_fatal("task %llu \"%s\" ended with a group open that it opened at %s:%d",
              (unsigned long long)t->id, cvy_task_label(t), s->site ? s->site->file : "?",
              s->site ? s->site->line : 0);
}

/* Runs one task's function to its end; *end is as cvy_recording_end() has it. */
static struct cvy_thread *task_body(struct cvy_thread *th, uint64_t *end)
{
    struct cvy_task *t = th->task;

    if (t->pins) {
        t->pinned_to = th;
        th->dedicated = t;
    }
    *th->errno_ptr = 0;
    cvy_leave(th);
    int code = t->fn(t->ctx, t->arg);
    th = cvy_enter();
    if (cvy_unlikely(t->owns & CVY_OWNS_SCOPES)) {
        th = cvy_deferred_run(th, code);
        check_scopes(t);
    }
    *end = cvy_recording_end(th, t, code);
    if (t->pins) {
        t->pins = 0;
        t->pinned_to = NULL;
        th->dedicated = NULL;
    }
    cvy_check_leaving(t);
    cvy_cancel_unregister(t);
    /* Before its owner hears of it, so that who has joined a task finds it counted. */
    cvy_count(&th->worker->ended);
    void *owner = t->owner;
    /* It may be gone before the call is over, and a profile's signal reads it. */
    t->owner = NULL;
    cvy_compiler_fence();
    t->on_end(t, owner, code);
    th = cvy_thread_self();
    /* A handler of the user's may have waited under a context once more. */
    cvy_cancel_unregister(t);
    cvy_check_leaving(t);
    cvy_task_clear(t);
    return th;
}

/* Nobody lists it from here on: a trace that began without it is one that it sees when it looks
 * whether its end is recorded (recorder.h). */
static inline void set_over(struct cvy_task *t)
{
    cvy_store_relaxed(&t->state, CVY_TASK_FREE);
    /* The other half is the membarrier in cvy_trace_start(). */
    cvy_compiler_fence();
}

/* The whole life of a stack's tenants. A task that ends with a fresh one next in line leaves its
 * stack to it without a switch. */
static void task_main(void)
{
#if CVY_ASAN
    __sanitizer_finish_switch_fiber(NULL, NULL, NULL);
#endif
    struct cvy_thread *th = cvy_thread_self();
    cvy_after_switch(th);
    for (;;) {
        uint64_t end;
        th = task_body(th, &end);
        struct cvy_task *t = th->task;
        struct cvy_task *next = cvy_pick(th, th->worker);
        set_over(t);
        if (next && !next->stack && next->stack_class == t->stack_class && !next->pins) {
            next->stack = t->stack;
            next->checks = t->checks;
            t->stack = NULL;
            cvy_store_relaxed(&t->on_cpu, 0);
            if (CVY_TRACES(run)) {
                cvy_recording_hand_over(th, t, end, next);
            }
            cvy_task_free(th->runtime, th->worker, t);
            cvy_make_current(th, next);
            cvy_switch_reset_float();
            continue;
        }
        if (next && !cvy_is_at_hand(th, next)) {
            th->base_next = next;
            next = NULL;
        }
        if (next && !next->stack) {
            cvy_stack_bind(th->worker, next);
        }
        th->previous = t;
        th->previous_ended = true;
        if (CVY_TRACES(run)) {
            cvy_recording_leave(th, t, end, next);
        }
        if (next) {
            cvy_make_current(th, next);
        } else {
            th->task = &th->self;
        }
        CVY_TSAN_POP_FRAME();
        cvy_switch_stacks(th, &t->sp, next, true);
        __builtin_unreachable();
    }
}
