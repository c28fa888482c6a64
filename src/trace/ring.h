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
 * counter costs more than all the rest, so in a burst events may share one;
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
    /* Where the common path ends: the next stamp or chunk is due. Anyone may store 0. Relaxed. */
    _Atomic uint64_t stop;
    _Atomic uint64_t *words; /* two an event; immutable */
    uint64_t mask;           /* events - 1; immutable */
    uint64_t ticks;          /* the last stamp */
    uint64_t group;          /* of the last group event; NO_GROUP: none in this chunk */
    /* Who runs, for the next chunk. Relaxed; who turns recording on stores 0. */
    _Atomic uint32_t running;
    uint32_t shares;            /* events to a stamp, beyond the first; at most share_max */
    _Atomic uint32_t share_max; /* 0: each has its own; relaxed, anyone sets it */

    _Alignas(CVY_CACHE_LINE) _Atomic uint64_t begun; /* chunks; see above */
};

#define CVY_RING_SHARE_MAX 255u
#define CVY_RING_NO_GROUP UINT64_MAX

/* A ring of at least bytes, rounded up to a power of two; NULL: out of memory. */
struct cvy_ring *cvy_ring_new(size_t bytes);
void cvy_ring_free(struct cvy_ring *r);

/* Writer: a stamp or a chunk is due. Returns the position of the next event. */
uint64_t cvy_ring_prepare(struct cvy_ring *r);

static inline void cvy_ring_store(struct cvy_ring *r, uint64_t pos, uint32_t id, uint64_t meta)
{
    _Atomic uint64_t *at = &r->words[(pos & r->mask) * 2];

    cvy_store_relaxed(&at[0], (uint64_t)id << 32 | (uint32_t)r->ticks);
    cvy_store_relaxed(&at[1], meta);
    /* Release: the two words, to the acquire in cvy_ring_read(). */
    cvy_store_release(&r->pos, pos + 1);
}

/* Writer. */
static inline void cvy_ring_put(struct cvy_ring *r, uint8_t type, uint32_t id, uint8_t arg,
                                uint64_t object)
{
    uint64_t pos = cvy_load_relaxed(&r->pos);

    if (cvy_unlikely(pos >= cvy_load_relaxed(&r->stop))) {
        pos = cvy_ring_prepare(r);
    }
    if (type <= COVEY_TRACE_end) {
        cvy_store_relaxed(&r->running, type == COVEY_TRACE_end ? 0 : id);
    }
    cvy_ring_store(r, pos, id, (uint64_t)type | (uint64_t)arg << 8 | object << 16);
}

/* Any thread: the next event gets a stamp of its own. */
static inline void cvy_ring_restamp(struct cvy_ring *r)
{
    cvy_store_relaxed(&r->stop, 0);
}

/* Any thread: copies events from position *from on, at most max, into out; how many. *from is then
 * the position of the first of them: later than asked if those were overwritten meanwhile. */
size_t cvy_ring_read(struct cvy_ring *r, uint64_t *from, covey_trace_event *out, size_t max);

#endif
