/* SPDX-License-Identifier: MIT
 * recording.h - the scheduler's side of recording. */
#ifndef CVY_SCHED_RECORDING_H
#define CVY_SCHED_RECORDING_H

#include "sched/worker.h"
#include "trace/emit.h"
#include "trace/recorder.h"

/* That a task in a slot was woken is written late, by the flight recorder: with the switch to it,
 * or before the next event of the worker's, if that comes first. So wakes cost nothing where they
 * are followed by a wait. Until then its state has CVY_TASK_UNTOLD; nobody else's in a queue has,
 * but for who was woken so early that it set its state after that: its wake is written twice, the
 * second time in vain. */
void cvy_recording_settle_slow(struct cvy_worker *w, struct cvy_task *t);

static inline bool cvy_recording_is_untold(const struct cvy_task *t)
{
    return cvy_load_relaxed(&t->state) & CVY_TASK_UNTOLD;
}

static inline void cvy_recording_settle(struct cvy_worker *w)
{
    struct cvy_task *t = cvy_load_relaxed(&w->slot);

    if (cvy_unlikely(t != NULL) && cvy_recording_is_untold(t)) {
        cvy_recording_settle_slow(w, t);
    }
}

/* The slot's task has to let queued go first. Returns queued: a tail call. */
struct cvy_task *cvy_recording_pass_over(struct cvy_worker *w, struct cvy_task *queued);

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

/* The running task woke t, which is about to go to w's queue, NULL: of a thread without one. */
void cvy_recording_ready(struct cvy_worker *w, struct cvy_task *t);
/* t runs, from the base. */
void cvy_recording_run(struct cvy_thread *th, const struct cvy_task *t);
/* The running task leaves its worker; next runs, NULL: the base. what: the event that it is. */
void cvy_recording_switch_slow(struct cvy_thread *th, struct cvy_task *next, uint64_t what);

/* The same, to a task, without a call while no stamp is due. With a file or probes one is due at
 * each event, so that cvy_trace_put() sees them all. */
static inline void cvy_recording_switch(struct cvy_thread *th, struct cvy_task *next, uint64_t what)
{
    struct cvy_ring *r = th->ring;
    struct cvy_ring_slot *s = cvy_load_relaxed(&r->at);

    if (cvy_ring_has_room(r, s)) {
        what |= cvy_load_relaxed(&next->state) & CVY_TASK_UNTOLD;
        cvy_ring_store(r, s, (uint32_t)next->id, what);
    } else {
        cvy_recording_switch_slow(th, next, what);
    }
}

/* How a task has ended: its code's low 32 bits, and whether that is recorded. */
#define CVY_END_TOLD ((uint64_t)1 << 32)

/* t's function has returned, and nobody knows yet. To a file at once: who joins t may be the one
 * who stops the trace. The flight recorder says it with who runs next, by what this returns: the
 * level may change in between. */
static inline uint64_t cvy_recording_end(struct cvy_thread *th, const struct cvy_task *t, int code)
{
    uint64_t end = (uint32_t)code;

    if (CVY_TRACES_AT(CVY_LEVEL_FULL)) {
        cvy_trace_put(cvy_ring_of(th), (uint32_t)t->id, cvy_ring_what(COVEY_TRACE_end, 0, end));
        end |= CVY_END_TOLD;
    }
    return end;
}

/* t, which ran and has ended, is over for all; next runs, NULL: the base. */
void cvy_recording_leave(struct cvy_thread *th, const struct cvy_task *t, uint64_t end,
                         struct cvy_task *next);

/* The same if next is a fresh task. */
static inline void cvy_recording_hand_over(struct cvy_thread *th, const struct cvy_task *t,
                                           uint64_t end, struct cvy_task *next)
{
    if (cvy_unlikely(end != 0) || !cvy_run_relay(th->ring, next->id - t->id)) {
        cvy_recording_leave(th, t, end, next);
    }
}

/* The watchdog, every few milliseconds: each ring's next event gets a stamp of its own. */
void cvy_recording_look(struct cvy_runtime *rt);

/* No run goes on with a start. Cold, so that its call is not among what each start fetches: in line
 * it took 1.4 ns of each, as long as all the rest of recording. */
__attribute__((cold, noinline)) void cvy_recording_new_slow(struct cvy_thread *th, uint32_t id,
                                                            uint64_t site, uint64_t group);

/* th started task id. What its record holds is not read back: it is on its way into the cache. */
static inline void cvy_recording_new(struct cvy_thread *th, uint64_t id, const covey_site *site,
                                     const void *owner)
{
    uint64_t address = (uint64_t)(uintptr_t)site;
    uint64_t group = (uint64_t)(uintptr_t)owner;

    /* If there is a wake to be written, it is with the same stamp. */
    if (!cvy_run_new(th->ring, address, group)) {
        cvy_recording_new_slow(th, (uint32_t)id, address, group);
    }
}

/* The layer of descriptors: what those that are waited for are connected to. NULL: nobody waits for
 * one. */
__attribute__((weak)) void cvy_peers_tell(void);

/* alive.c: the tasks there are, and the groups that are known from who waits. */
void cvy_recording_alive(struct cvy_trace_alive *out);
/* A new task has a name of its own. */
void cvy_recording_name(struct cvy_thread *th, const struct cvy_task *t);
/* A snapshot, if one was asked for, before the process aborts. */
void cvy_recording_fatal(void);
/* COVEY_TRACE; true: cvy_recording_close() must follow. */
bool cvy_recording_from_environment(void);
void cvy_recording_close(void);

#endif
