/* SPDX-License-Identifier: MIT
 * emit.c - see emit.h. */
#include "trace/emit.h"

#include "os/lock.h"
#include "trace/probe.h"

#include <string.h>

_Alignas(CVY_CACHE_LINE) _Atomic uint8_t cvy_trace_level;
_Atomic bool cvy_trace_has_probes;
struct cvy_ring cvy_trace_shared;

/* One writer at a time; not in the line of the level. */
_Alignas(CVY_CACHE_LINE) static struct cvy_lock shared_lock = CVY_LOCK_INIT(CVY_RANK_TRACE);

static inline void probe(uint32_t id, uint64_t what)
{
    if (cvy_unlikely(cvy_load_relaxed(&cvy_trace_has_probes))) {
        if (what & CVY_RING_WOKE) {
            cvy_probe_fire(COVEY_TRACE_ready, id, 0, 0);
        }
        cvy_probe_fire(what & (CVY_RING_WOKE - 1), id, (uint8_t)(what >> 8), what >> 16);
    }
}

/* Events that belong together stay together; own: NULL for who has no ring. */
static struct cvy_ring *begin(struct cvy_ring *own)
{
    if (cvy_likely(own != NULL)) {
        return own;
    }
    cvy_lock(&shared_lock);
    cvy_ring_restamp(&cvy_trace_shared);
    return &cvy_trace_shared;
}

static void end(const struct cvy_ring *own)
{
    if (cvy_unlikely(!own)) {
        cvy_unlock(&shared_lock);
    }
}

__attribute__((noinline)) static void put_probed(struct cvy_ring *own, uint32_t id, uint64_t what)
{
    struct cvy_ring *r = begin(own);

    probe(id, what);
    cvy_ring_put(r, id, what);
    end(own);
}

void cvy_trace_put(struct cvy_ring *own, uint32_t id, uint64_t what)
{
    /* A tail call: what hardly ever happens costs the rest no registers. */
    if (cvy_unlikely(!own) || cvy_unlikely(cvy_load_relaxed(&cvy_trace_has_probes))) {
        put_probed(own, id, what);
        return;
    }
    cvy_ring_put(own, id, what);
}

void cvy_trace_put_exact(struct cvy_ring *own, uint32_t id, uint64_t what)
{
    if (own) {
        cvy_ring_restamp(own);
    }
    cvy_trace_put(own, id, what);
    if (own && (uint8_t)what == COVEY_TRACE_idle) {
        /* What comes next does so after a sleep. */
        cvy_ring_restamp(own);
    }
}

void cvy_trace_put_text(struct cvy_ring *own, uint8_t type, uint32_t id, const char *text,
                        size_t len_max)
{
    size_t len = strnlen(text, len_max);
    struct cvy_ring *r = begin(own);

    probe(id, cvy_ring_what(type, 0, (uint64_t)(uintptr_t)text));
    cvy_ring_put(r, id, type);
    for (size_t at = 0; at == 0 || at < len; at += 10) {
        char part[10] = {0};
        uint32_t low;
        uint64_t high = 0;
        size_t n = len - at < sizeof(part) ? len - at : sizeof(part);
        memcpy(part, text + at, n);
        memcpy(&low, part, 4);
        memcpy(&high, part + 4, 6);
        uint8_t last = at + n == len ? 0x80 : 0;
        cvy_ring_put(r, low, cvy_ring_what(COVEY_TRACE_text, (uint8_t)(n | last), high));
    }
    end(own);
}

void cvy_trace_put_pair(struct cvy_ring *own, uint32_t id, uint64_t what, uint32_t id2,
                        uint64_t what2)
{
    struct cvy_ring *r = begin(own);

    probe(id, what);
    probe(id2, what2);
    cvy_ring_put(r, id, what);
    cvy_ring_put(r, id2, what2);
    end(own);
}

/* Where an event goes under the stamp that there is; NULL: the ring has no memory. */
static struct cvy_ring_slot *place_in(struct cvy_ring *r)
{
    struct cvy_ring_slot *s = cvy_load_relaxed(&r->at);
    return cvy_ring_has_room(r, s) ? s : cvy_ring_prepare(r);
}

void cvy_trace_put_new(struct cvy_ring *own, uint32_t id, uint64_t site, uint64_t group)
{
    struct cvy_ring *r = begin(own);
    struct cvy_ring_slot *s = place_in(r);

    /* A new chunk, which the event may need, has no group. */
    while (r->group != group) {
        uint64_t what = cvy_ring_what(COVEY_TRACE_group, 0, group);
        probe(0, what);
        cvy_ring_put(r, 0, what);
        r->group = group;
        s = place_in(r);
    }
    probe(id, cvy_ring_what(COVEY_TRACE_new, 0, site));
    if (s) {
        cvy_run_put_new(r, s, id, site);
    }
    end(own);
}

void cvy_trace_put_relay(struct cvy_ring *r, uint32_t ended, uint32_t next, bool was_woken)
{
    struct cvy_ring_slot *s = place_in(r);

    if (s && was_woken) {
        cvy_ring_store(r, s, next, cvy_ring_what(COVEY_TRACE_relay | CVY_RING_WOKE, 0, ended));
    } else if (s) {
        cvy_run_put_relay(r, s, ended, next);
    }
}
