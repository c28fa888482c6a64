/* SPDX-License-Identifier: MIT
 * run.h - tasks that start, or end, one right after the other: one event for all of them.
 *
 * Numbers of tasks started by one worker are a step apart. So `new` of the same site and group, and
 * `relay` from each of them to the next, need not be written: they are counted. They share the
 * stamp of the first, as they would if they were written, and no longer than that: each takes one
 * of the events that the stamp still has. The first event of a run holds in its argument how many
 * more there are; while it is open, run_room - run_left. Meanwhile stop is 0, so that whatever else
 * happens closes the run first (cvy_ring_prepare()). */
#ifndef CVY_TRACE_RUN_H
#define CVY_TRACE_RUN_H

#include "trace/ring.h"

/* Writer: s, which is at, has room. The event opens a run if the one that it would follow has come:
 * a task that ends is mostly followed by many, one that is started often by none, which is why that
 * takes two. */
void cvy_run_put_new(struct cvy_ring *r, struct cvy_ring_slot *s, uint32_t id, uint64_t site);
void cvy_run_put_relay(struct cvy_ring *r, struct cvy_ring_slot *s, uint32_t ended, uint32_t next);
/* Writer: one is open. */
void cvy_run_close(struct cvy_ring *r);

/* Writer: one more. */
static inline void cvy_run_count(struct cvy_ring *r)
{
    if (cvy_unlikely(--r->run_left == 0)) {
        cvy_run_close(r);
    }
}

/* Writer: the next task was started at a site, in a group. False: there is no such run. */
static inline bool cvy_run_new(struct cvy_ring *r, uint64_t site, uint64_t group)
{
    if (cvy_likely(cvy_load_relaxed(&r->run_site) == site) && cvy_likely(r->group == group)) {
        cvy_run_count(r);
        return true;
    }
    return false;
}

/* Writer: the task that ran has ended, one runs whose number is so much greater. As above. */
static inline bool cvy_run_relay(struct cvy_ring *r, uint64_t step)
{
    if (cvy_likely(cvy_load_relaxed(&r->run_step) == step)) {
        cvy_run_count(r);
        return true;
    }
    return false;
}

/* Any thread: how many more events the run in s, which is new or relay, stands for; what: as it was
 * read there. */
uint8_t cvy_run_length(struct cvy_ring *r, struct cvy_ring_slot *s, uint64_t what);

#endif
