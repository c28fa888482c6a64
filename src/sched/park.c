/* SPDX-License-Identifier: MIT
 * park.c - stops the running task until another one wakes it, and switches straight to the next.
 *
 * A wake may arrive after a task has opened its claim but before it is off its stack: the task is
 * then in a queue with on_cpu still 1. If its own worker finds it, it just goes on; another worker
 * waits on its base stack until on_cpu is 0, never on a task's stack, where two of them could wait
 * for each other. */
#include "sched/recording.h"
#include "sched/wait.h"

#include "os/switch.h"
#include "trace/emit.h"

static void add_relaxed(_Atomic uint64_t *counter)
{
    /* One writer: a load and a store, no locked add. */
    cvy_store_relaxed(counter, cvy_load_relaxed(counter) + 1);
}

/* What runs next on w; NULL: ask the base. */
static inline struct cvy_task *pick(struct cvy_thread *th, struct cvy_worker *w)
{
    cvy_store_relaxed(&w->turns, cvy_load_relaxed(&w->turns) + 1);
    if (cvy_unlikely(--w->turns_to_check == 0)) {
        th->check_due = true;
        return NULL;
    }
    bool is_alone = w->runtime->worker_count == 1;
    struct cvy_task *t = cvy_load_relaxed(&w->slot);
    if (t && w->slot_runs < CVY_SLOT_RUNS_MAX) {
        cvy_store_relaxed(&w->slot, NULL);
        w->slot_runs++;
        return t;
    }
    w->slot_runs = 0;
    struct cvy_task *queued = cvy_runq_pop(&w->runq, is_alone);
    if (queued || !t) {
        return queued;
    }
    cvy_store_relaxed(&w->slot, NULL);
    return t;
}

/* Whether th can switch to t at once, from a task's stack. */
static inline bool is_at_hand(struct cvy_thread *th, struct cvy_task *t)
{
    /* Acquire: pairs with the release in after_switch(); t's context is saved. */
    return cvy_load_acquire(&t->on_cpu) == 0 && (!t->pinned_to || t->pinned_to == th);
}

static void task_main(void);

static void check_canary(const struct cvy_task *t)
{
    if (t->stack->has_canary &&
        cvy_unlikely(*(uint64_t *)(void *)t->stack->low != CVY_STACK_CANARY)) {
        cvy_fatal("stack overflow in task %llu \"%s\" (%zu bytes): its canary is overwritten",
                  (unsigned long long)t->id, cvy_task_label(t),
                  cvy_stack_class_size(t->stack->class_index));
    }
}

static void bind_stack(struct cvy_worker *w, struct cvy_task *t)
{
    t->stack = cvy_stack_alloc(w, t->stack_class);
    if (!t->stack) {
        cvy_fatal("out of memory for the stack of task %llu \"%s\"", (unsigned long long)t->id,
                  cvy_task_label(t));
    }
    t->sp = cvy_switch_prepare(cvy_stack_top(t->stack), task_main);
}

/* First thing on the far side of every switch. */
static inline void after_switch(struct cvy_thread *th)
{
    struct cvy_task *previous = th->previous;

    if (!previous) {
        return;
    }
    th->previous = NULL;
    if (!th->previous_ended) {
        CVY_WINDOW();
        /* Release: its saved context is whole before another worker may switch to it. */
        cvy_store_release(&previous->on_cpu, 0);
        return;
    }
    th->previous_ended = false;
    cvy_stack_free(th->worker, previous->stack);
    previous->stack = NULL;
    cvy_store_relaxed(&previous->on_cpu, 0);
    cvy_task_free(th->runtime, th->worker, previous);
}

/* The bare switch with the sanitizers' hooks. to NULL: the base. */
__attribute__((always_inline)) static inline void
switch_stacks(struct cvy_thread *th, void **save_sp, struct cvy_task *to, bool from_ends)
{
#if CVY_ASAN
    void *fake = NULL;
    const void *low = to ? to->stack->low : th->base_low;
    size_t size = to ? to->stack->span : th->base_size;
    __sanitizer_start_switch_fiber(from_ends ? NULL : &fake, low, size);
#else
    (void)from_ends;
#endif
#if CVY_TSAN
    __tsan_switch_to_fiber(to ? to->stack->fiber : th->fiber, 0);
#endif
    cvy_switch(save_sp, to ? to->sp : th->base_sp);
#if CVY_ASAN
    __sanitizer_finish_switch_fiber(fake, NULL, NULL);
#endif
}

static inline void make_current(struct cvy_thread *th, struct cvy_task *t)
{
    cvy_store_relaxed(&t->on_cpu, 1);
    cvy_store_relaxed(&t->state, CVY_TASK_RUNNING);
    th->task = t;
}

/* Why a task leaves its worker. */
enum leaving { PARKS, YIELDS, COMES_LATE };

static inline void emit_leaving(struct cvy_thread *th, struct cvy_task *next, enum leaving why)
{
    struct cvy_task *t = th->task;

    if (why == PARKS) {
        CVY_EMIT(cvy_ring_of(th), park, next ? next->id : 0, cvy_load_relaxed(&t->reason),
                 cvy_load_relaxed(&t->wait_object));
    } else if (why == YIELDS) {
        CVY_EMIT(cvy_ring_of(th), yield, next ? next->id : 0, 0, 0);
    } else {
        /* It runs no worker any more: not into that one's ring. */
        CVY_EMIT(NULL, return, t->id, 0, 0);
    }
}

/* Leaves the running task for next, or for the base; returns when the task runs again. */
static inline struct cvy_thread *switch_away(struct cvy_thread *th, struct cvy_task *next,
                                             enum leaving why)
{
    struct cvy_task *t = th->task;

    if (next && cvy_unlikely(!is_at_hand(th, next))) {
        th->base_next = next;
        next = NULL;
    }
    emit_leaving(th, next, why);
    check_canary(t);
    t->saved_errno = *th->errno_ptr;
    th->previous = t;
    if (cvy_likely(next != NULL)) {
        if (!next->stack) {
            bind_stack(th->worker, next);
        }
        make_current(th, next);
    } else {
        th->task = &th->self;
    }
    switch_stacks(th, &t->sp, next, false);
    th = cvy_thread_self();
    after_switch(th);
    *th->errno_ptr = t->saved_errno;
    return th;
}

struct cvy_thread *cvy_park(struct cvy_thread *th)
{
    struct cvy_task *t = th->task;

    add_relaxed(&th->worker->parks);
    /* A pinned task's thread runs nobody else: the base gives the worker away. */
    struct cvy_task *next = t->pins ? NULL : pick(th, th->worker);
    if (next == t) {
        emit_leaving(th, next, PARKS);
        cvy_store_relaxed(&t->state, CVY_TASK_RUNNING);
        return th;
    }
    return switch_away(th, next, PARKS);
}

static inline void push_local(struct cvy_thread *th, struct cvy_task *t)
{
    while (cvy_unlikely(!cvy_runq_push(&th->worker->runq, t))) {
        cvy_runq_spill(th->worker);
    }
}

struct cvy_thread *cvy_yield(struct cvy_thread *th)
{
    struct cvy_task *t = th->task;

    cvy_store_relaxed(&t->state, CVY_TASK_RUNNABLE);
    /* No other worker is woken for it: this one is about to look. */
    push_local(th, t);
    struct cvy_task *next = t->pins ? NULL : pick(th, th->worker);
    if (next == t) {
        cvy_store_relaxed(&t->state, CVY_TASK_RUNNING);
        return th;
    }
    return switch_away(th, next, YIELDS);
}

struct cvy_thread *cvy_enter_slow(struct cvy_thread *th)
{
    struct cvy_runtime *rt = th->runtime;

    cvy_fork_check();
    if (!rt) {
        /* A plain thread: see cvy_foreign_quiesce(). Release: what it did before is done. */
        cvy_store_release(&th->retake, 0);
        return th;
    }
    /* The watchdog holds this lock from raising retake to its decision. */
    cvy_lock(&rt->lock);
    bool is_lost = !th->worker;
    cvy_store_relaxed(&th->retake, 0);
    cvy_unlock(&rt->lock);
    if (!is_lost) {
        return th;
    }
    cvy_store_relaxed(&th->task->state, CVY_TASK_RUNNABLE);
    cvy_global_push_one(rt, th->task);
    return switch_away(th, NULL, COMES_LATE);
}

void cvy_enqueue(struct cvy_thread *th, struct cvy_task *t)
{
    struct cvy_worker *w = th->worker;

    if (cvy_unlikely(!w)) {
        cvy_global_push_one(cvy_runtime_get(), t);
        return;
    }
    push_local(th, t);
    /* Not ordered after the push: a kick lost to that delays one task until this worker's next
     * turn, and costs nothing on the path that everybody takes. */
    if (cvy_unlikely(cvy_load_relaxed(&w->runtime->idle_count) > 0) &&
        cvy_load_relaxed(&w->runtime->spinning) == 0) {
        cvy_kick(w->runtime);
    }
}

void cvy_ready(struct cvy_thread *th, struct cvy_task *t)
{
    CVY_EMIT(cvy_ring_of(th), ready, t->id, 0, 0);
    if (cvy_unlikely(t->is_foreign)) {
        /* Release: the outcome is written. The record may be gone once wake is seen; the futex
         * call then finds another word or none, which is harmless. */
        cvy_store_release(&t->wake, 1);
        cvy_futex_wake(&t->wake, 1);
        return;
    }
    cvy_store_relaxed(&t->state, CVY_TASK_RUNNABLE);
    struct cvy_worker *w = th->worker;
    if (cvy_likely(w != NULL)) {
        struct cvy_task *displaced = cvy_load_relaxed(&w->slot);
        cvy_store_relaxed(&w->slot, t);
        if (!displaced) {
            return;
        }
        t = displaced;
    }
    cvy_enqueue(th, t);
}

void cvy_ready_all(struct cvy_thread *th, struct cvy_wakelist *list)
{
    struct cvy_wakelist tasks = {0};
    struct cvy_task *next;

    for (struct cvy_task *t = list->head; t; t = next) {
        next = t->next;
        if (t->is_foreign) {
            cvy_ready(th, t);
            continue;
        }
        CVY_EMIT(cvy_ring_of(th), ready, t->id, 0, 0);
        cvy_store_relaxed(&t->state, CVY_TASK_RUNNABLE);
        if (!th->worker || !cvy_runq_push(&th->worker->runq, t)) {
            cvy_wakelist_add(&tasks, t);
        }
    }
    bool any = list->head != NULL;
    *list = (struct cvy_wakelist){0};
    if (tasks.head) {
        cvy_global_push(cvy_runtime_get(), &tasks);
    } else if (any && th->worker && cvy_load_relaxed(&th->runtime->idle_count) > 0 &&
               (th->task != &th->self || cvy_runq_len(&th->worker->runq) > 1)) {
        /* On the base a single task is what this worker runs next. */
        cvy_kick(th->runtime);
    }
}

void cvy_run_task(struct cvy_thread *th, struct cvy_task *t)
{
    if (!t->stack) {
        bind_stack(th->worker, t);
    }
    make_current(th, t);
    CVY_EMIT(cvy_ring_of(th), run, t->id, 0, 0);
    *th->errno_ptr = t->saved_errno;
    switch_stacks(th, &th->base_sp, t, false);
    while (th->base_call) {
        void (*call)(void *) = th->base_call;
        th->base_call = NULL;
        call(th->base_arg);
        /* Not t: tasks have switched among themselves since. */
        switch_stacks(th, &th->base_sp, th->task, false);
    }
    after_switch(th);
}

void cvy_on_base(void (*fn)(void *), void *arg)
{
    struct cvy_thread *th = cvy_thread_self();
    bool has_small_stack = th && th->task->stack &&
                           cvy_stack_class_size(th->task->stack_class) <= CVY_STACK_COMPACT_MAX;

    if (!has_small_stack) {
        fn(arg);
        return;
    }
    bool was_inside = cvy_load_relaxed(&th->in_runtime);
    th = cvy_enter();
    th->base_call = fn;
    th->base_arg = arg;
    switch_stacks(th, &th->task->sp, NULL, false);
    if (!was_inside) {
        cvy_leave(th);
    }
}

static void check_scopes(const struct cvy_task *t)
{
    const struct cvy_scope *s = t->scopes;
    if (cvy_likely(!s)) {
        return;
    }
    cvy_fatal("task %llu \"%s\" ended with a group open that it opened at %s:%d",
              (unsigned long long)t->id, cvy_task_label(t), s->site ? s->site->file : "?",
              s->site ? s->site->line : 0);
}

/* Runs one task's function to its end. */
static struct cvy_thread *task_body(struct cvy_thread *th)
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
    CVY_EMIT(cvy_ring_of(th), end, t->id, 0, (uint32_t)code);
    if (t->pins) {
        t->pins = 0;
        t->pinned_to = NULL;
        th->dedicated = NULL;
    }
    check_scopes(t);
    check_canary(t);
    cvy_cancel_unregister(t);
    /* Before its owner hears of it, so that who has joined a task finds it counted. */
    add_relaxed(&th->worker->ended);
    t->on_end(t, t->owner, code);
    th = cvy_thread_self();
    /* A handler of the user's may have waited under a context once more. */
    cvy_cancel_unregister(t);
    check_canary(t);
    cvy_task_clear(t);
    return th;
}

/* The whole life of a stack's tenants. A task that ends with a fresh one next in line leaves its
 * stack to it without a switch. */
static void task_main(void)
{
#if CVY_ASAN
    __sanitizer_finish_switch_fiber(NULL, NULL, NULL);
#endif
    struct cvy_thread *th = cvy_thread_self();
    after_switch(th);
    for (;;) {
        th = task_body(th);
        struct cvy_task *t = th->task;
        struct cvy_task *next = pick(th, th->worker);
        if (next && !next->stack && next->stack_class == t->stack_class && !next->pinned_to) {
            next->stack = t->stack;
            t->stack = NULL;
            cvy_store_relaxed(&t->on_cpu, 0);
            cvy_task_free(th->runtime, th->worker, t);
            make_current(th, next);
            CVY_EMIT(cvy_ring_of(th), run, next->id, 0, 0);
            cvy_switch_reset_float();
            continue;
        }
        if (next && !is_at_hand(th, next)) {
            th->base_next = next;
            next = NULL;
        }
        if (next && !next->stack) {
            bind_stack(th->worker, next);
        }
        th->previous = t;
        th->previous_ended = true;
        if (next) {
            make_current(th, next);
            CVY_EMIT(cvy_ring_of(th), run, next->id, 0, 0);
        } else {
            th->task = &th->self;
        }
        CVY_TSAN_POP_FRAME();
        switch_stacks(th, &t->sp, next, true);
        __builtin_unreachable();
    }
}
