/* SPDX-License-Identifier: MIT
 * ring.h - a ring of trace events: one writer that never waits, readers that copy behind its back.
 *
 * The writer overwrites the oldest events. A ring is divided into chunks; each begins with what a
 * reader needs to understand it alone: the full clock and who runs. Protocol:
 *
 *   writer   before its first store into chunk c: begun = c + 1, release fence; then the events,
 *            relaxed; after each, at with release.
 *   reader   begun and at with acquire: how far there is something; copies, relaxed; acquire
 *            fence; begun. If it has read a word that was stored after that fence, it sees that
 *            begun, and discards every chunk at or below begun - 1 - chunks, which is where the
 *            writer may have been.
 *
 * So the fence is paid once a chunk, and no reader ever holds the writer up. Everything that is not
 * due at each event is behind one bound, stop: the next stamp, the next chunk, the end of a run
 * (run.h). Reading the counter costs more than all the rest, so in a burst events may share a
 * stamp; the watchdog asks for a new one every few milliseconds. */
#ifndef CVY_TRACE_RING_H
#define CVY_TRACE_RING_H

#include "base/atomic.h"
#include "os/cycles.h"

#include <covey/trace_format.h>

#include <stddef.h>

#define CVY_RING_CHUNK 1024u /* events */
#define CVY_RING_BYTES_MIN ((size_t)8 * CVY_RING_CHUNK * sizeof(covey_trace_event))

/* An event as it is written; a reader gets it as a covey_trace_event, still in the ring's own code,
 * which expand.h turns into the file's. */
struct cvy_ring_slot {
    _Atomic uint64_t who;  /* id, low half of the stamp << 32 */
    _Atomic uint64_t what; /* type, arg << 8, object << 16 */
};

/* In the type of an event that names who runs next: that one was woken by who ran, just before, and
 * this is all that says so. */
#define CVY_RING_WOKE 0x80u

struct cvy_ring {
    /* The writer's, all that each event needs in one line. Others read at, and may end what
     * stop, run_site and run_step allow. */
    _Alignas(CVY_CACHE_LINE) struct cvy_ring_slot *_Atomic at; /* the next event; release */
    struct cvy_ring_slot *_Atomic stop;  /* the common path ends there: a stamp or chunk is due */
    uint64_t stamp;                      /* who, without an id */
    uint64_t group;                      /* of the last group event; NO_GROUP: none in this chunk */
    _Atomic uint64_t run_site, run_step; /* an open run goes on with; NO_RUN and 0: nothing */
    uint32_t run_left;                   /* events that still fit the open run */
    uint32_t shares; /* events to a stamp, beyond the first; at most share_max */
    struct cvy_ring_slot *chunk_end;

    _Alignas(CVY_CACHE_LINE) uint64_t ticks; /* the last stamp */
    uint64_t step;                           /* see cvy_ring_set_step() */
    struct cvy_ring_slot *_Atomic run;       /* the open one's; NULL: none. Release */
    uint32_t run_room;                       /* run_left as it was; written before run */

    _Alignas(CVY_CACHE_LINE) _Atomic uint64_t begun; /* chunks; see above */
    _Atomic uint32_t share_max;  /* 0: each event has its own stamp; relaxed, anyone sets it */
    _Atomic uint64_t free_ticks; /* what is written late happened after that; relaxed */
    _Atomic bool is_resumed; /* nothing was recorded meanwhile: nobody knows who runs; relaxed */
    struct cvy_ring_slot *_Atomic slots; /* release by who makes it, acquire by all others */
    uint64_t mask;                       /* of slots; written before them */
};

#define CVY_RING_SHARE_MAX 255u
#define CVY_RING_NO_GROUP UINT64_MAX
#define CVY_RING_NO_RUN UINT64_MAX /* no site; NULL may be one */

/* Where who has no ring of his own goes on with a run: nowhere. */
extern struct cvy_ring cvy_ring_nowhere CVY_HIDDEN;

static inline uint64_t cvy_ring_what(uint8_t type, uint8_t arg, uint64_t object)
{
    return (uint64_t)type | (uint64_t)arg << 8 | object << 16;
}

/* Gives a ring that is all zeros or dropped at least bytes, rounded up to a power of two; one that
 * has memory keeps it. 0 or -ENOMEM. */
int cvy_ring_make(struct cvy_ring *r, size_t bytes);
/* Takes it back: no writer, no reader. */
void cvy_ring_drop(struct cvy_ring *r);
/* No writer: the numbers of tasks that are started one after the other are so far apart. */
void cvy_ring_set_step(struct cvy_ring *r, uint16_t step);

/* Writer: takes a stamp, begins a chunk and closes a run as far as they are due. Returns the place
 * of the next event; NULL: the ring has no memory. */
struct cvy_ring_slot *cvy_ring_prepare(struct cvy_ring *r);

/* Writer: whether an event can be written to s, which is at, without more ado. */
static inline bool cvy_ring_has_room(struct cvy_ring *r, const struct cvy_ring_slot *s)
{
    return cvy_likely(s < cvy_load_relaxed(&r->stop));
}

static inline void cvy_ring_store(struct cvy_ring *r, struct cvy_ring_slot *s, uint32_t id,
                                  uint64_t what)
{
    cvy_store_relaxed(&s->who, r->stamp | id);
    cvy_store_relaxed(&s->what, what);
    /* Release: the slot, to the acquire in cvy_ring_written(). */
    cvy_store_release(&r->at, s + 1);
}

/* Writer. */
static inline void cvy_ring_put(struct cvy_ring *r, uint32_t id, uint64_t what)
{
    struct cvy_ring_slot *s = cvy_load_relaxed(&r->at);

    if (!cvy_ring_has_room(r, s)) {
        s = cvy_ring_prepare(r);
    }
    if (cvy_likely(s != NULL)) {
        cvy_ring_store(r, s, id, what);
    }
}

/* Any thread: the next event gets a stamp of its own, and no run goes on. */
static inline void cvy_ring_restamp(struct cvy_ring *r)
{
    cvy_store_relaxed(&r->run_site, CVY_RING_NO_RUN);
    cvy_store_relaxed(&r->run_step, 0);
    cvy_store_relaxed(&r->stop, NULL);
}

/* Writer: an event that happened a while ago, after the last one. It has the last stamp, as it
 * would have had at once, or free_ticks. */
void cvy_ring_put_late(struct cvy_ring *r, uint32_t id, uint64_t what);

/* Any thread: how many events were written since ever, a run being one. */
uint64_t cvy_ring_written(struct cvy_ring *r);

/* Any thread: copies events from the *from-th on, at most max, into out; how many. *from is then
 * the number of the first of them: later than asked if those were overwritten meanwhile. */
size_t cvy_ring_read(struct cvy_ring *r, uint64_t *from, covey_trace_event *out, size_t max);

#endif
