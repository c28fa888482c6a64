/* SPDX-License-Identifier: MIT
 * ring.c - see ring.h. */
#include "trace/ring.h"

#include "base/alloc.h"

#include <covey/error.h>

#include <assert.h>

/* In a burst a stamp may be shared until it is about so old: some microseconds, by the counter's
 * rate. Reading the counter takes 10 to 20 ns on a virtual machine. */
#define YOUNG_TICKS 8192u

static_assert(sizeof(struct cvy_ring_slot) == sizeof(covey_trace_event), "a slot holds an event");
static_assert(offsetof(struct cvy_ring, begun) == CVY_CACHE_LINE, "the writer has one line");

int cvy_ring_make(struct cvy_ring *r, size_t bytes)
{
    size_t room = CVY_RING_BYTES_MIN;

    if (cvy_load_relaxed(&r->slots)) {
        return 0;
    }
    while (room < bytes) {
        room *= 2;
    }
    /* Zero pages, committed as the writer gets there. */
    struct cvy_ring_slot *slots = cvy_alloc_zeroed(room);
    if (!slots) {
        return -ENOMEM;
    }
    r->mask = room / sizeof(*slots) - 1;
    /* Release: the mask, to the acquire of who writes or reads the ring. */
    cvy_store_release(&r->slots, slots);
    return 0;
}

void cvy_ring_drop(struct cvy_ring *r)
{
    free(cvy_load_relaxed(&r->slots));
    memset(r, 0, sizeof(*r));
}

/* ---- the writer's side ---- */

/* What the events before end, in a chunk, say of who runs: a chunk's second event does, at last. A
 * burst of new tasks is looked through to there. */
static uint32_t running_before(const struct cvy_ring_slot *end)
{
    const uint64_t tellers = UINT64_C(1) << COVEY_TRACE_run | UINT64_C(1) << COVEY_TRACE_park |
                             UINT64_C(1) << COVEY_TRACE_yield | UINT64_C(1) << COVEY_TRACE_end |
                             UINT64_C(1) << COVEY_TRACE_pass | UINT64_C(1) << COVEY_TRACE_relay;

    do {
        end--;
    } while (!(tellers >> (cvy_load_relaxed(&end->meta) & 0x3F) & 1));
    return (cvy_load_relaxed(&end->meta) & 0xFF) == COVEY_TRACE_end ? 0
                                                                    : cvy_load_relaxed(&end->id);
}

static struct cvy_ring_slot *begin_chunk(struct cvy_ring *r, struct cvy_ring_slot *slots)
{
    uint64_t chunk = cvy_load_relaxed(&r->begun);
    struct cvy_ring_slot *s = slots + (chunk * CVY_RING_CHUNK & r->mask);
    uint32_t running = chunk ? running_before(r->chunk_end) : 0;

    /* Release: at, as it was, to the acquire in cvy_ring_written(). */
    cvy_store_release(&r->begun, chunk + 1);
    /* Pairs with the acquire fence in cvy_ring_read(). */
    atomic_thread_fence(memory_order_release);
    cvy_ring_store(r, s, COVEY_TRACE_clock, (uint32_t)(r->ticks >> 32), 0, 0);
    cvy_ring_store(r, s + 1, COVEY_TRACE_run, running, 0, 0);
    r->chunk_end = s + CVY_RING_CHUNK;
    cvy_ring_restamp(r); /* stop is in the chunk before */
    r->group = CVY_RING_NO_GROUP;
    return s + 2;
}

/* One that belongs to the writer's own account. */
static struct cvy_ring_slot *put_own(struct cvy_ring *r, struct cvy_ring_slot *slots,
                                     struct cvy_ring_slot *s, uint8_t type, uint32_t id)
{
    if (s == r->chunk_end) {
        s = begin_chunk(r, slots);
    }
    cvy_ring_store(r, s, type, id, 0, 0);
    return s + 1;
}

void cvy_ring_put_late(struct cvy_ring *r, uint8_t type, uint32_t id)
{
    struct cvy_ring_slot *slots = cvy_load_acquire(&r->slots);
    uint64_t after = cvy_load_relaxed(&r->free_ticks);

    if (!slots || cvy_load_relaxed(&r->is_resumed)) {
        return;
    }
    if (after > r->ticks && (after - r->ticks) >> 31 == 0) {
        r->ticks = after;
    }
    (void)put_own(r, slots, cvy_load_relaxed(&r->at), type, id);
}

struct cvy_ring_slot *cvy_ring_prepare(struct cvy_ring *r)
{
    struct cvy_ring_slot *slots = cvy_load_acquire(&r->slots);
    struct cvy_ring_slot *s = cvy_load_relaxed(&r->at);

    if (!slots) {
        return NULL;
    }
    uint64_t now = cvy_cycles();
    uint64_t age = now - r->ticks;
    uint32_t max = cvy_load_relaxed(&r->share_max);

    r->shares = age > YOUNG_TICKS ? r->shares / 2 : r->shares * 2 + 1;
    if (r->shares > max) {
        r->shares = max;
    }
    r->ticks = now;
    if (s == r->chunk_end) {
        s = begin_chunk(r, slots);
    } else if (age >> 31 != 0) {
        s = put_own(r, slots, s, COVEY_TRACE_clock, (uint32_t)(now >> 32));
    }
    if (cvy_unlikely(cvy_load_relaxed(&r->is_resumed))) {
        cvy_store_relaxed(&r->is_resumed, false);
        s = put_own(r, slots, s, COVEY_TRACE_run, 0);
    }
    if (s == r->chunk_end) {
        s = begin_chunk(r, slots);
    }
    struct cvy_ring_slot *stop = s + 1 + r->shares;
    cvy_store_relaxed(&r->stop, stop < r->chunk_end ? stop : r->chunk_end);
    return s;
}

/* ---- the readers' side ---- */

/* at is in the chunk that was begun last or, until the writer has stored its first event, where
 * the one before it ends. */
uint64_t cvy_ring_written(struct cvy_ring *r)
{
    struct cvy_ring_slot *slots = cvy_load_acquire(&r->slots);

    if (!slots) {
        return 0;
    }
    for (;;) {
        uint64_t begun = cvy_load_acquire(&r->begun);
        const struct cvy_ring_slot *at = cvy_load_acquire(&r->at);
        if (begun != cvy_load_relaxed(&r->begun)) {
            continue;
        }
        if (begun == 0) {
            return 0;
        }
        uint64_t first = (begun - 1) * CVY_RING_CHUNK;
        uint64_t in_chunk = (uint64_t)(at - (slots + (first & r->mask)));
        return first + (in_chunk <= CVY_RING_CHUNK ? in_chunk : 0);
    }
}

/* The first event that the writer has not begun to overwrite. */
static uint64_t oldest(const struct cvy_ring *r, uint64_t begun)
{
    uint64_t end = begun * CVY_RING_CHUNK;
    return end > r->mask + 1 ? end - (r->mask + 1) : 0;
}

size_t cvy_ring_read(struct cvy_ring *r, uint64_t *from, covey_trace_event *out, size_t max)
{
    uint64_t end = cvy_ring_written(r);

    if (end <= *from) {
        return 0;
    }
    struct cvy_ring_slot *slots = cvy_load_acquire(&r->slots);
    uint64_t first = oldest(r, cvy_load_relaxed(&r->begun));
    first = first > *from ? first : *from;
    size_t n = end > first ? (size_t)(end - first) : 0;
    n = n < max ? n : max;
    for (size_t i = 0; i < n; i++) {
        struct cvy_ring_slot *s = &slots[(first + i) & r->mask];
        out[i].ticks = cvy_load_relaxed(&s->ticks);
        out[i].id = cvy_load_relaxed(&s->id);
        out[i].meta = cvy_load_relaxed(&s->meta);
    }
    /* Pairs with the release fence in begin_chunk(). */
    atomic_thread_fence(memory_order_acquire);
    uint64_t whole = oldest(r, cvy_load_relaxed(&r->begun));
    size_t torn = whole > first ? (size_t)(whole - first) : 0;
    torn = torn < n ? torn : n;
    if (torn > 0) {
        n -= torn;
        memmove(out, out + torn, n * sizeof(*out));
    }
    *from = first + torn;
    return n;
}
