/* SPDX-License-Identifier: MIT
 * ring.c - see ring.h. */
#include "trace/ring.h"

#include "base/alloc.h"

#include <stdlib.h>
#include <string.h>

/* In a burst a stamp may be shared until it is about so old: a microsecond or two, by the counter's
 * rate. Reading the counter takes 16 ns on a virtual machine. */
#define YOUNG_TICKS 4096u

struct cvy_ring *cvy_ring_new(size_t bytes)
{
    uint64_t events = CVY_RING_BYTES_MIN / sizeof(covey_trace_event);

    while (events * sizeof(covey_trace_event) < bytes) {
        events *= 2;
    }
    struct cvy_ring *r = cvy_alloc_lines(sizeof(*r));
    if (!r) {
        return NULL;
    }
    /* Zero pages, committed as the writer gets there. */
    r->words = cvy_alloc_zeroed(events * sizeof(covey_trace_event));
    if (!r->words) {
        free(r);
        return NULL;
    }
    r->mask = events - 1;
    r->group = CVY_RING_NO_GROUP;
    return r;
}

void cvy_ring_free(struct cvy_ring *r)
{
    if (r) {
        free((void *)(uintptr_t)r->words);
        free(r);
    }
}

static void begin_chunk(struct cvy_ring *r, uint64_t pos)
{
    cvy_store_relaxed(&r->begun, pos / CVY_RING_CHUNK + 1);
    /* Pairs with the acquire fence in cvy_ring_read(). */
    atomic_thread_fence(memory_order_release);
    cvy_ring_store(r, pos, (uint32_t)(r->ticks >> 32), COVEY_TRACE_clock);
    cvy_ring_store(r, pos + 1, cvy_load_relaxed(&r->running), COVEY_TRACE_run);
    r->group = CVY_RING_NO_GROUP;
}

uint64_t cvy_ring_prepare(struct cvy_ring *r)
{
    uint64_t pos = cvy_load_relaxed(&r->pos);
    uint64_t now = cvy_cycles();
    uint64_t age = now - r->ticks;
    uint32_t max = cvy_load_relaxed(&r->share_max);

    r->shares = age > YOUNG_TICKS ? r->shares / 4 : r->shares * 2 + 1;
    if (r->shares > max) {
        r->shares = max;
    }
    r->ticks = now;
    if (pos % CVY_RING_CHUNK == 0) {
        begin_chunk(r, pos);
        pos += 2;
    } else if (age >> 31 != 0) {
        cvy_ring_store(r, pos, (uint32_t)(now >> 32), COVEY_TRACE_clock);
        pos++;
        if (pos % CVY_RING_CHUNK == 0) {
            begin_chunk(r, pos);
            pos += 2;
        }
    }
    uint64_t chunk_end = (pos / CVY_RING_CHUNK + 1) * CVY_RING_CHUNK;
    uint64_t stop = pos + 1 + r->shares;
    cvy_store_relaxed(&r->stop, stop < chunk_end ? stop : chunk_end);
    return pos;
}

/* The first position that the writer has not begun to overwrite. */
static uint64_t oldest(const struct cvy_ring *r, uint64_t begun)
{
    uint64_t end = begun * CVY_RING_CHUNK;
    return end > r->mask + 1 ? end - (r->mask + 1) : 0;
}

size_t cvy_ring_read(struct cvy_ring *r, uint64_t *from, covey_trace_event *out, size_t max)
{
    uint64_t end = cvy_load_acquire(&r->pos);
    uint64_t first = oldest(r, cvy_load_relaxed(&r->begun));

    first = first > *from ? first : *from;
    size_t n = end > first ? (size_t)(end - first) : 0;
    n = n < max ? n : max;
    for (size_t i = 0; i < n; i++) {
        _Atomic uint64_t *at = &r->words[((first + i) & r->mask) * 2];
        uint64_t head = cvy_load_relaxed(&at[0]);
        out[i].ticks = (uint32_t)head;
        out[i].id = (uint32_t)(head >> 32);
        out[i].meta = cvy_load_relaxed(&at[1]);
    }
    /* Pairs with the release fence in cvy_ring_begin_chunk(). */
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
