/* SPDX-License-Identifier: MIT
 * ring.c - see ring.h. */
#include "trace/run.h"

#include "os/pages.h"

#include <covey/error.h>

#include <assert.h>
#include <string.h>

/* A stamp is shared until it is about so old, which is some microseconds by the counter's rate, or
 * for as long as its events are so near to each other: reading the counter takes 10 to 20 ns on a
 * virtual machine. */
#define YOUNG_TICKS 8192u
#define NEAR_TICKS 128u

static_assert(sizeof(struct cvy_ring_slot) == sizeof(covey_trace_event), "a slot holds an event");
static_assert(offsetof(struct cvy_ring, ticks) == CVY_CACHE_LINE, "the writer has one hot line");
static_assert(CVY_RING_SHARE_MAX <= UINT8_MAX, "a run's length fits its event");

struct cvy_ring cvy_ring_nowhere = {.run_site = CVY_RING_NO_RUN};

int cvy_ring_make(struct cvy_ring *r, size_t bytes)
{
    size_t room = CVY_RING_BYTES_MIN;

    if (cvy_load_relaxed(&r->slots)) {
        return 0;
    }
    while (room < bytes) {
        room *= 2;
    }
    /* Zero pages, committed as the writer gets there: with few faults, in its way they are dear. */
    struct cvy_ring_slot *slots =
        cvy_pages_map(room, room < CVY_HUGE_PAGE ? CVY_PAGES_PLAIN : CVY_PAGES_DENSE);
    if (!slots) {
        return -ENOMEM;
    }
    r->mask = room / sizeof(*slots) - 1;
    cvy_ring_restamp(r);
    /* Release: the mask, to the acquire of who writes or reads the ring. */
    cvy_store_release(&r->slots, slots);
    return 0;
}

void cvy_ring_drop(struct cvy_ring *r)
{
    struct cvy_ring_slot *slots = cvy_load_relaxed(&r->slots);

    if (slots) {
        cvy_pages_unmap(slots, (r->mask + 1) * sizeof(*slots));
    }
    memset(r, 0, sizeof(*r));
}

void cvy_ring_set_step(struct cvy_ring *r, uint16_t step)
{
    if (r->step != step) {
        r->step = step;
        /* Which is told with who runs. */
        cvy_store_relaxed(&r->is_resumed, true);
        cvy_ring_restamp(r);
    }
}

/* ---- the writer's side ---- */

/* What the events before end, in a chunk, say of who runs: a chunk's second event does, at last. A
 * burst of new tasks is looked through to there. */
static uint32_t running_before(const struct cvy_ring *r, const struct cvy_ring_slot *end)
{
    const uint64_t tellers = UINT64_C(1) << COVEY_TRACE_run | UINT64_C(1) << COVEY_TRACE_park |
                             UINT64_C(1) << COVEY_TRACE_yield | UINT64_C(1) << COVEY_TRACE_end |
                             UINT64_C(1) << COVEY_TRACE_relay;
    uint64_t what;
    unsigned type;

    do {
        what = cvy_load_relaxed(&(--end)->what);
        type = what & (CVY_RING_WOKE - 1);
    } while (!(tellers >> type & 1));
    uint32_t id = (uint32_t)cvy_load_relaxed(&end->who);
    return type == COVEY_TRACE_end     ? 0
           : type == COVEY_TRACE_relay ? id + (uint32_t)r->step * (uint8_t)(what >> 8)
                                       : id;
}

static struct cvy_ring_slot *begin_chunk(struct cvy_ring *r, struct cvy_ring_slot *slots)
{
    uint64_t chunk = cvy_load_relaxed(&r->begun);
    struct cvy_ring_slot *s = slots + (chunk * CVY_RING_CHUNK & r->mask);
    bool is_resumed = cvy_load_relaxed(&r->is_resumed);
    uint32_t running = chunk && !is_resumed ? running_before(r, r->chunk_end) : 0;
    uint8_t arg = is_resumed ? COVEY_TRACE_RUN_UNKNOWN : 0;

    /* Release: at, as it was, to the acquire in cvy_ring_written(). */
    cvy_store_release(&r->begun, chunk + 1);
    /* Pairs with the acquire fence in cvy_ring_read(). */
    atomic_thread_fence(memory_order_release);
    cvy_ring_store(r, s, (uint32_t)(r->ticks >> 32), COVEY_TRACE_clock);
    cvy_ring_store(r, s + 1, running, cvy_ring_what(COVEY_TRACE_run, arg, r->step));
    r->chunk_end = s + CVY_RING_CHUNK;
    cvy_ring_restamp(r); /* stop is in the chunk before */
    r->group = CVY_RING_NO_GROUP;
    return s + 2;
}

/* One that belongs to the writer's own account. */
static struct cvy_ring_slot *put_own(struct cvy_ring *r, struct cvy_ring_slot *slots,
                                     struct cvy_ring_slot *s, uint32_t id, uint64_t what)
{
    if (s == r->chunk_end) {
        s = begin_chunk(r, slots);
    }
    cvy_ring_store(r, s, id, what);
    return s + 1;
}

static void set_ticks(struct cvy_ring *r, uint64_t ticks)
{
    r->ticks = ticks;
    r->stamp = ticks << 32;
}

void cvy_ring_put_late(struct cvy_ring *r, uint32_t id, uint64_t what)
{
    struct cvy_ring_slot *slots = cvy_load_acquire(&r->slots);
    uint64_t after = cvy_load_relaxed(&r->free_ticks);

    if (!slots || cvy_load_relaxed(&r->is_resumed)) {
        return;
    }
    if (cvy_load_relaxed(&r->run)) {
        cvy_run_close(r);
    }
    if (after > r->ticks && (after - r->ticks) >> 31 == 0) {
        set_ticks(r, after);
    }
    (void)put_own(r, slots, cvy_load_relaxed(&r->at), id, what);
}

struct cvy_ring_slot *cvy_ring_prepare(struct cvy_ring *r)
{
    struct cvy_ring_slot *slots = cvy_load_acquire(&r->slots);
    struct cvy_ring_slot *s = cvy_load_relaxed(&r->at);

    if (!slots) {
        return NULL;
    }
    if (cvy_load_relaxed(&r->run)) {
        cvy_run_close(r);
        if (cvy_ring_has_room(r, s)) {
            return s;
        }
    }
    uint64_t now = cvy_cycles();
    uint64_t age = now - r->ticks;
    uint32_t max = cvy_load_relaxed(&r->share_max);

    bool is_old = age > YOUNG_TICKS && age > (uint64_t)(r->shares + 1) * NEAR_TICKS;
    r->shares = is_old ? r->shares / 2 : r->shares * 2 + 1;
    if (r->shares > max) {
        r->shares = max;
    }
    set_ticks(r, now);
    bool is_resumed = cvy_load_relaxed(&r->is_resumed);
    if (s == r->chunk_end) {
        s = begin_chunk(r, slots);
    } else if (age >> 31 != 0 || is_resumed) {
        s = put_own(r, slots, s, (uint32_t)(now >> 32), COVEY_TRACE_clock);
    }
    if (cvy_unlikely(is_resumed)) {
        /* A reader may begin here: with the clock, and without a group. */
        s = put_own(r, slots, s, 0,
                    cvy_ring_what(COVEY_TRACE_run, COVEY_TRACE_RUN_UNKNOWN, r->step));
        cvy_store_relaxed(&r->is_resumed, false);
        r->group = CVY_RING_NO_GROUP;
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

static bool can_run(uint64_t what)
{
    return (uint8_t)what == COVEY_TRACE_new || (uint8_t)what == COVEY_TRACE_relay;
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
        uint64_t who = cvy_load_relaxed(&s->who);
        uint64_t what = cvy_load_relaxed(&s->what);
        if (can_run(what)) {
            what |= (uint64_t)cvy_run_length(r, s, what) << 8;
        }
        out[i] =
            (covey_trace_event){.ticks = (uint32_t)(who >> 32), .id = (uint32_t)who, .meta = what};
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
