/* SPDX-License-Identifier: MIT
 * turn.h - from one task to the next: what park.c, body.c and the base loop share.
 *
 * A wake may arrive after a task has opened its claim but before it is off its stack: the task is
 * then in a queue with on_cpu still 1. If its own worker finds it, it just goes on; another worker
 * waits on its base stack until on_cpu is 0, never on a task's stack, where two of them could wait
 * for each other. */
#ifndef CVY_SCHED_TURN_H
#define CVY_SCHED_TURN_H

#include "sched/recording.h"
#include "sched/wait.h"

#include "os/switch.h"
#include "trace/emit.h"

/* body.c */
void cvy_stack_bind(struct cvy_worker *w, struct cvy_task *t);
void cvy_canary_fail(const struct cvy_task *t);
/* native.c */
void cvy_native_check(struct cvy_task *t);
void cvy_task_retire(struct cvy_thread *th, struct cvy_task *t);

static inline void cvy_count(_Atomic uint64_t *counter)
{
    /* One writer: a load and a store, no locked add. */
    cvy_store_relaxed(counter, cvy_load_relaxed(counter) + 1);
}

/* Puts t at the end of its worker's queue. */
static inline void cvy_push(struct cvy_thread *th, struct cvy_task *t)
{
    while (cvy_unlikely(!cvy_runq_push(&th->worker->runq, t))) {
        cvy_runq_spill(th->worker);
    }
}

/* Starts to load what the tasks in line will need: the record of the one after next, and the stack
 * of the next, whose record was asked for a turn ago. Only hints: the tasks may be others' by now,
 * and sp is read while its owner may write it. */
static inline void cvy_prefetch_queued(struct cvy_runq *q)
{
    const struct cvy_task *next, *later;

    if (CVY_TSAN || !cvy_runq_peek(q, &next, &later)) {
        return;
    }
    __builtin_prefetch(later, 1);
    __builtin_prefetch(&later->fn, 1);
    if (!__atomic_load_n(&next->stack, __ATOMIC_RELAXED)) {
        return; /* it has not run yet */
    }
    const char *sp = __atomic_load_n((char *const *)&next->sp, __ATOMIC_RELAXED);
    for (int line = 0; line < 4; line++) {
        __builtin_prefetch(sp + (ptrdiff_t)line * CVY_CACHE_LINE, 1);
    }
}

/* The ring's turn; t stands in the slot, NULL: nobody. */
static inline struct cvy_task *cvy_take_queued(struct cvy_worker *w, struct cvy_task *t)
{
    w->slot_runs = 0;
    struct cvy_task *queued = cvy_runq_pop(&w->runq, w->runtime->worker_count == 1);
    if (queued || !t) {
        cvy_prefetch_queued(&w->runq);
        if (cvy_unlikely(t != NULL) && CVY_TRACES(ready)) {
            return cvy_recording_pass_over(w, queued);
        }
        return queued;
    }
    cvy_store_relaxed(&w->slot, NULL);
    w->slot_runs = 1;
    return t;
}

/* What w has at hand: the task that was woken last goes first, but not for ever; a ring that never
 * empties, of tasks that yield after long turns, must not keep it waiting either. NULL: nothing. */
__attribute__((always_inline)) static inline struct cvy_task *cvy_take_local(struct cvy_worker *w)
{
    struct cvy_task *t = cvy_load_relaxed(&w->slot);
    if (cvy_likely(t != NULL) && cvy_likely(w->slot_runs < CVY_SLOT_RUNS_MAX)) {
        cvy_store_relaxed(&w->slot, NULL);
        w->slot_runs++;
        return t;
    }
    return cvy_take_queued(w, t);
}

/* What runs next on w; NULL: ask the base. */
__attribute__((always_inline)) static inline struct cvy_task *cvy_pick(struct cvy_thread *th,
                                                                       struct cvy_worker *w)
{
    cvy_store_relaxed(&w->turns, cvy_load_relaxed(&w->turns) + 1);
    if (cvy_unlikely(--w->turns_to_check == 0)) {
        th->check_due = true;
        return NULL;
    }
    return cvy_take_local(w);
}

/* Whether th can switch to t at once, from a task's stack. */
static inline bool cvy_is_at_hand(struct cvy_thread *th, struct cvy_task *t)
{
    /* Acquire: pairs with the release in cvy_after_switch(); t's context is saved. */
    return cvy_load_acquire(&t->on_cpu) == 0 && (!t->pins || t->pinned_to == th);
}

/* What is looked at when t is about to leave its thread. */
static inline void cvy_check_leaving(struct cvy_task *t)
{
    if (cvy_likely(!t->checks)) {
        return;
    }
    if ((t->checks & CVY_CHECK_CANARY) &&
        cvy_unlikely(*(uint64_t *)(void *)t->stack->low != CVY_STACK_CANARY)) {
        cvy_canary_fail(t);
    }
    if (t->checks & CVY_CHECK_NATIVE) {
        cvy_native_check(t);
    }
}

/* First thing on the far side of every switch. */
static inline void cvy_after_switch(struct cvy_thread *th)
{
    struct cvy_task *previous = th->previous;

    if (cvy_unlikely(th->previous_ended)) {
        th->previous_ended = false;
        cvy_task_retire(th, previous);
        return;
    }
    CVY_WINDOW();
    /* Release: its saved context is whole before another worker may switch to it. */
    cvy_store_release(&previous->on_cpu, 0);
}

/* The bare switch with the sanitizers' hooks. to NULL: the base. */
__attribute__((always_inline)) static inline void
cvy_switch_stacks(struct cvy_thread *th, void **save_sp, struct cvy_task *to, bool from_ends)
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

static inline void cvy_make_current(struct cvy_thread *th, struct cvy_task *t)
{
    cvy_store_relaxed(&t->on_cpu, 1);
    cvy_store_relaxed(&t->state, CVY_TASK_RUNNING);
    th->task = t;
}

#endif
