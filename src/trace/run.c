/* SPDX-License-Identifier: MIT
 * run.c - see run.h. */
#include "trace/run.h"

#define ARG_SHIFT 8
#define OBJECT_SHIFT 16

static uint8_t arg_of(uint64_t what)
{
    return (uint8_t)(what >> ARG_SHIFT);
}

/* What is in s may be gone on with, as far as the stamp has events left. False: it has none. */
static bool begin(struct cvy_ring *r, struct cvy_ring_slot *s)
{
    const struct cvy_ring_slot *at = cvy_load_relaxed(&r->at);
    const struct cvy_ring_slot *stop = cvy_load_relaxed(&r->stop);
    uint64_t what = cvy_load_relaxed(&s->what);

    /* Also if a new stamp has been asked for since the caller looked. And where each event has its
     * own stamp, as it has where a file is written: that reads each event once, as it comes, and a
     * slow counter gives two of them the same. */
    if (stop <= at || cvy_load_relaxed(&r->share_max) == 0) {
        return false;
    }
    /* A length fits its event, also where the counter is so slow that one stamp follows its like.
     */
    uint32_t room = (uint32_t)(stop - at);
    room = room < CVY_RING_SHARE_MAX ? room : CVY_RING_SHARE_MAX;
    /* Pairs with the acquire fence in cvy_run_length(): the run before is seen to be over. */
    atomic_thread_fence(memory_order_release);
    r->run_room = r->run_left = room;
    /* Release: the two, to the acquire in cvy_run_length(). */
    cvy_store_release(&r->run, s);
    cvy_store_relaxed(&r->stop, NULL);
    if ((uint8_t)what == COVEY_TRACE_relay) {
        cvy_store_relaxed(&r->run_step, r->step);
    } else {
        cvy_store_relaxed(&r->run_site, what >> OBJECT_SHIFT);
    }
    return true;
}

void cvy_run_put_relay(struct cvy_ring *r, struct cvy_ring_slot *s, uint32_t ended, uint32_t next)
{
    cvy_ring_store(r, s, next, cvy_ring_what(COVEY_TRACE_relay, 0, ended));
    if (next - ended == r->step) {
        (void)begin(r, s);
    }
}

void cvy_run_put_new(struct cvy_ring *r, struct cvy_ring_slot *s, uint32_t id, uint64_t site)
{
    struct cvy_ring_slot *before = s - 1; /* a chunk's first event is its clock */
    uint64_t what = cvy_ring_what(COVEY_TRACE_new, 0, site);

    /* The same but for the number, which is the next; also the same stamp. */
    if (cvy_load_relaxed(&before->what) == what &&
        (r->stamp | id) - cvy_load_relaxed(&before->who) == r->step && begin(r, before)) {
        cvy_run_count(r);
    } else {
        cvy_ring_store(r, s, id, what);
    }
}

void cvy_run_close(struct cvy_ring *r)
{
    struct cvy_ring_slot *s = cvy_load_relaxed(&r->run);
    uint64_t more = r->run_room - r->run_left;
    bool was_told_to_stamp =
        cvy_load_relaxed(&r->run_site) == CVY_RING_NO_RUN && cvy_load_relaxed(&r->run_step) == 0;

    cvy_store_relaxed(&s->what, cvy_load_relaxed(&s->what) | more << ARG_SHIFT);
    /* Release: the length, to the acquire in cvy_run_length(). */
    cvy_store_release(&r->run, NULL);
    cvy_ring_restamp(r);
    if (!was_told_to_stamp) {
        /* Those that are left of the stamp's. */
        cvy_store_relaxed(&r->stop, cvy_load_relaxed(&r->at) + r->run_left);
    }
}

/* The writer may be counting. Torn reads there are none. */
__attribute__((no_sanitize("thread"), noinline)) static uint32_t counted(const struct cvy_ring *r)
{
    return r->run_room - r->run_left;
}

uint8_t cvy_run_length(struct cvy_ring *r, struct cvy_ring_slot *s, uint64_t what)
{
    if (arg_of(what) == 0 && cvy_load_acquire(&r->run) == s) {
        uint8_t more = (uint8_t)counted(r);
        /* Acquire: what was counted is of that run, or run has changed; then its length is there.
         */
        atomic_thread_fence(memory_order_acquire);
        if (cvy_load_acquire(&r->run) == s) {
            return more;
        }
        what = cvy_load_relaxed(&s->what);
    }
    return arg_of(what);
}
