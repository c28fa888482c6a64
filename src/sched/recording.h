/* SPDX-License-Identifier: MIT
 * recording.h - the scheduler's side of recording. */
#ifndef CVY_SCHED_RECORDING_H
#define CVY_SCHED_RECORDING_H

#include "sched/worker.h"
#include "trace/emit.h"
#include "trace/recorder.h"

/* That the slot's task was woken is written late, by the flight recorder: at the switch to it,
 * which is then one event for both (pass), or before the next event of the worker's. So wakes cost
 * nothing where they are followed by a wait. told is the slot's task if it was written, and NULL
 * from when that one runs. */
void cvy_recording_settle_slow(struct cvy_worker *w);

static inline void cvy_recording_settle(struct cvy_worker *w)
{
    const struct cvy_task *t = cvy_load_relaxed(&w->slot);

    if (cvy_unlikely(t != NULL) && t != w->told) {
        cvy_recording_settle_slow(w);
    }
}

/* Where what happens on th is recorded now; NULL: with all other threads'. th is in the runtime, so
 * its worker stays its own. */
static inline struct cvy_ring *cvy_ring_of(const struct cvy_thread *th)
{
    struct cvy_worker *w = th->worker;

    if (!w) {
        return NULL;
    }
    cvy_recording_settle(w);
    return w->ring;
}

/* The running task woke t; to be written at once. w, whose slot it is in or goes to; NULL: of a
 * thread without one. */
void cvy_recording_ready(struct cvy_worker *w, struct cvy_task *t);
/* t runs, from the base. */
void cvy_recording_run(struct cvy_thread *th, struct cvy_task *t);
/* The running task waits; next runs, NULL: the base. */
void cvy_recording_park_slow(struct cvy_thread *th, struct cvy_task *next);

static inline void cvy_recording_park(struct cvy_thread *th, const struct cvy_task *t,
                                      struct cvy_task *next)
{
    const struct cvy_worker *w = th->worker;

    /* Out of the slot, so that nothing else is in it. */
    if (cvy_unlikely(!next) || cvy_unlikely(w->slot_runs == 0) || cvy_unlikely(next == w->told) ||
        !cvy_trace_pass(w->ring, next->id, cvy_load_relaxed(&t->reason),
                        cvy_load_relaxed(&t->wait_object))) {
        cvy_recording_park_slow(th, next);
    }
}

/* It goes to the end of the queue. */
void cvy_recording_yield(struct cvy_thread *th, struct cvy_task *next);
/* t's function has returned, and nobody knows yet. To a file at once: who joins t may be the one
 * who stops the trace. The flight recorder says it with who runs next. */
static inline void cvy_recording_end(struct cvy_thread *th, const struct cvy_task *t, int code)
{
    if (cvy_unlikely(cvy_load_relaxed(&cvy_trace_level) >= CVY_LEVEL_FULL)) {
        cvy_trace_put(cvy_ring_of(th), COVEY_TRACE_end, (uint32_t)t->id, 0, (uint32_t)code);
    }
}

/* t, which ran and has ended, is over for all; next runs, NULL: the base. */
void cvy_recording_leave_slow(struct cvy_thread *th, const struct cvy_task *t, int code,
                              struct cvy_task *next);

static inline void cvy_recording_leave(struct cvy_thread *th, const struct cvy_task *t, int code,
                                       struct cvy_task *next)
{
    const struct cvy_worker *w = th->worker;

    if (cvy_unlikely(code != 0) || cvy_unlikely(w->slot_runs > 0) ||
        cvy_unlikely(cvy_load_relaxed(&w->slot) != NULL) ||
        !cvy_trace_relay(w->ring, t->id, next ? next->id : 0)) {
        cvy_recording_leave_slow(th, t, code, next);
    }
}

/* The watchdog, every few milliseconds: each ring's next event gets a stamp of its own. */
void cvy_recording_look(struct cvy_runtime *rt);

/* th started task id. What its record holds is not read back: it is on its way into the cache. */
static inline void cvy_recording_new(struct cvy_thread *th, uint64_t id, const covey_site *site,
                                     const void *owner)
{
    cvy_trace_new(cvy_ring_of(th), id, site, (uint64_t)(uintptr_t)owner);
}

/* The layer of descriptors: what those that are waited for are connected to. NULL: nobody waits for
 * one. */
__attribute__((weak)) void cvy_peers_tell(void);

/* A new task has a name of its own. */
void cvy_recording_name(struct cvy_thread *th, const struct cvy_task *t);
/* A snapshot, if one was asked for, before the process aborts. */
void cvy_recording_fatal(void);
/* COVEY_TRACE; true: cvy_recording_close() must follow. */
bool cvy_recording_from_environment(void);
void cvy_recording_close(void);

#endif
