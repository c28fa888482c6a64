/* SPDX-License-Identifier: MIT
 * ring.h - a ring of trace events: one writer that never waits, readers that copy behind its back.
 *
 * The writer overwrites the oldest events. A ring is divided into chunks; each begins with what a
 * reader needs to understand it alone: the full clock and who runs. Protocol:
 *
 *   writer   before its first store into chunk c: begun = c + 1, release fence; then the events,
 *            relaxed; after each, pos with release.
 *   reader   pos with acquire; copies, relaxed; acquire fence; begun. If it has read a word that
 *            was stored after that fence, it sees that begun, and discards every chunk at or below
 *            begun - 1 - chunks, which is where the writer may have been.
 *
 * So the fence is paid once a chunk, and no reader ever holds the writer up. Stamps: reading the
 * counter costs more than all the rest, so in a burst up to SHARE_MAX events share one;
 * the watchdog asks for a new one every few milliseconds. */
#ifndef CVY_TRACE_RING_H
#define CVY_TRACE_RING_H

#include "base/atomic.h"
#include "os/cycles.h"

#include <covey/trace_format.h>

#include <stddef.h>

#define CVY_RING_CHUNK 1024u /* events */
#define CVY_RING_BYTES_MIN ((size_t)8 * CVY_RING_CHUNK * 16)

struct cvy_ring {
    /* The writer's. */
    _Alignas(CVY_CACHE_LINE) _Atomic uint64_t pos; /* events written since ever; release */
    _Atomic uint64_t *words;                       /* two an event; immutable */
    uint64_t mask;                                 /* events - 1; immutable */
    uint64_t ticks;                                /* the last stamp */
    _Atomic uint32_t shares_left; /* events until the next stamp; anyone may store 0 (relaxed) */
    uint32_t shares;              /* between two stamps, at most share_max */
    _Atomic uint32_t share_max;   /* 0: each has its own; relaxed, anyone sets it */
    uint32_t running;             /* who runs, for the next chunk */
    uint64_t group;               /* of the last group event; NO_GROUP: none in this chunk */

    _Alignas(CVY_CACHE_LINE) _Atomic uint64_t begun; /* chunks; see above */
};

#define CVY_RING_SHARE_MAX 15u
#define CVY_RING_NO_GROUP UINT64_MAX

/* A ring of at least bytes, rounded up to a power of two; NULL: out of memory. */
struct cvy_ring *cvy_ring_new(size_t bytes);
void cvy_ring_free(struct cvy_ring *r);

/* Writer: what is not on the common path. */
void cvy_ring_begin_chunk(struct cvy_ring *r);
void cvy_ring_stamp(struct cvy_ring *r);

static inline void cvy_ring_store(struct cvy_ring *r, uint32_t id, uint64_t meta)
{
    uint64_t pos = cvy_load_relaxed(&r->pos);
    _Atomic uint64_t *at = &r->words[(pos & r->mask) * 2];

    cvy_store_relaxed(&at[0], (uint64_t)id << 32 | (uint32_t)r->ticks);
    cvy_store_relaxed(&at[1], meta);
    /* Release: the two words, to the acquire in cvy_ring_read(). */
    cvy_store_release(&r->pos, pos + 1);
}

static inline void cvy_ring_put(struct cvy_ring *r, uint8_t type, uint32_t id, uint8_t arg,
                                uint64_t object)
{
    uint32_t left = cvy_load_relaxed(&r->shares_left);
    if (cvy_unlikely(left == 0)) {
        cvy_ring_stamp(r);
    } else {
        cvy_store_relaxed(&r->shares_left, left - 1);
    }
    if (cvy_unlikely(cvy_load_relaxed(&r->pos) % CVY_RING_CHUNK == 0)) {
        cvy_ring_begin_chunk(r);
    }
    cvy_ring_store(r, id, (uint64_t)type | (uint64_t)arg << 8 | object << 16);
}

/* Any thread: the next event gets a stamp of its own. (One that is being written just now may undo
 * this; its stamp is then at most SHARE_MAX events old.) */
static inline void cvy_ring_restamp(struct cvy_ring *r)
{
    cvy_store_relaxed(&r->shares_left, 0);
}

/* Any thread: copies events from position *from on, at most max, into out; how many. *from is then
 * the position of the first of them: later than asked if those were overwritten meanwhile. */
size_t cvy_ring_read(struct cvy_ring *r, uint64_t *from, covey_trace_event *out, size_t max);

#endif
