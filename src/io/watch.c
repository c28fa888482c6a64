/* SPDX-License-Identifier: MIT
 * watch.c - see watch.h.
 *
 * The event of a one-shot registration asks the kernel anew what is ready, since it may be a late
 * one of a descriptor that has been closed, wakes those whom that concerns, and arms again for the
 * rest. That of a lasting one is believed: at worst somebody looks in vain. */
#include "io/watch.h"

#include "base/alloc.h"
#include "io/io.h"
#include "io/peer.h"
#include "sched/recording.h"
#include "trace/emit.h"

#include <covey/error.h>
#include <covey/net.h>

#include <stdlib.h>

#undef errno

/* Two levels of pointers: a million numbers. */
#define PAGE_SHIFT 10
#define PAGE_WATCHES (1 << PAGE_SHIFT)
#define PAGES 1024

struct page {
    struct cvy_watch *_Atomic watches[PAGE_WATCHES];
};

/* Set once until the poller closes; release, acquire. */
static struct page *_Atomic table[PAGES];

/* ---- events ---- */

static struct cvy_waiter *waiter_of(struct cvy_node *n)
{
    return CVY_CONTAINER_OF(n, struct cvy_waiter, node);
}

static uint32_t wanted_locked(const struct cvy_watch *w)
{
    uint32_t bits = 0;
    for (struct cvy_node *n = w->waiters.next; n != &w->waiters; n = n->next) {
        bits |= (uint32_t)waiter_of(n)->amount;
    }
    return bits;
}

/* Wakes those who wait for one of bits: they are told which, or the failure (code < 0). Gives the
 * bits that somebody was told of. */
static uint32_t wake_locked(struct cvy_watch *w, uint32_t bits, int code, struct cvy_wakelist *list)
{
    uint32_t told = 0;

    for (struct cvy_node *n = w->waiters.next; n != &w->waiters; n = n->next) {
        struct cvy_waiter *wr = waiter_of(n);
        uint32_t own = (uint32_t)wr->amount & bits;
        if (own && cvy_claim(wr->task, wr->index)) {
            CVY_EMIT(cvy_ring_of(cvy_thread_self()), io, wr->task->id, own, w->fd);
            wr->result = code < 0 ? code : (int)own;
            /* Of no interest any more, until it leaves. */
            wr->amount = 0;
            cvy_wakelist_add(list, wr->task);
            told |= own;
        }
    }
    return told;
}

/* 0, or why the descriptor cannot be watched. */
static int arm_locked(struct cvy_watch *w, uint32_t bits)
{
    struct cvy_runtime *rt = cvy_runtime_get();
    int code = cvy_poll_arm(&rt->poll, w->fd, bits, &w->once);

    w->armed = code < 0 ? 0 : bits;
    return code;
}

static void on_once(struct cvy_pollable *self, uint32_t events, struct cvy_wakelist *list)
{
    struct cvy_watch *w = CVY_CONTAINER_OF(self, struct cvy_watch, once);

    (void)events;
    cvy_lock(&w->lock);
    w->armed = 0;
    uint32_t wanted = cvy_watch_lasts(w) ? 0 : wanted_locked(w);
    int code = wanted ? cvy_net_ready(w->fd, wanted) : 0;
    if (code > 0) {
        (void)wake_locked(w, (uint32_t)code, code, list);
        wanted = wanted_locked(w);
    }
    if (code >= 0 && wanted) {
        code = arm_locked(w, wanted);
    }
    if (code < 0) {
        (void)wake_locked(w, CVY_POLL_BOTH, code, list);
    }
    cvy_unlock(&w->lock);
}

static void on_always(struct cvy_pollable *self, uint32_t events, struct cvy_wakelist *list)
{
    struct cvy_watch *w = CVY_CONTAINER_OF(self, struct cvy_watch, always);
    uint32_t bits = events & CVY_POLL_BOTH;

    cvy_lock(&w->lock);
    if (cvy_watch_lasts(w)) {
        uint32_t told = wake_locked(w, bits, 0, list);
        w->come |= bits & ~told;
        w->unsure |= told;
        w->is_hung = w->is_hung || (events & CVY_POLL_HUP);
    }
    cvy_unlock(&w->lock);
}

/* ---- the table ---- */

static struct cvy_watch *watch_new(int fd)
{
    struct cvy_watch *w = cvy_alloc_zeroed(sizeof(*w));

    if (w) {
        cvy_lock_init(&w->lock, CVY_RANK_FD);
        w->once.on_events = on_once;
        w->always.on_events = on_always;
        w->fd = fd;
        cvy_list_init(&w->waiters);
    }
    return w;
}

static struct page *page_get(int index)
{
    struct page *page = cvy_load_acquire(&table[index]);

    if (cvy_likely(page != NULL)) {
        return page;
    }
    struct page *made = cvy_alloc_zeroed(sizeof(*made));
    if (made && !cvy_cas_acq_rel(&table[index], &page, made)) {
        free(made);
        made = page;
    }
    return made;
}

struct cvy_watch *cvy_watch_find(int fd)
{
    if (fd < 0 || fd >= PAGES * PAGE_WATCHES) {
        return NULL;
    }
    struct page *page = cvy_load_acquire(&table[fd >> PAGE_SHIFT]);
    return page ? cvy_load_acquire(&page->watches[fd & (PAGE_WATCHES - 1)]) : NULL;
}

struct cvy_watch *cvy_watch_get(int fd, int *code)
{
    struct cvy_watch *w = cvy_watch_find(fd);

    if (cvy_likely(w != NULL)) {
        return w;
    }
    if (fd >= PAGES * PAGE_WATCHES) {
        *code = -EMFILE;
        return NULL;
    }
    struct page *page = page_get(fd >> PAGE_SHIFT);
    struct cvy_watch *made = page ? watch_new(fd) : NULL;
    if (!made) {
        *code = -ENOMEM;
        return NULL;
    }
    if (!cvy_cas_acq_rel(&page->watches[fd & (PAGE_WATCHES - 1)], &w, made)) {
        free(made);
        return w;
    }
    return made;
}

size_t cvy_watch_peers(struct cvy_peer *out, size_t max)
{
    size_t n = 0;

    for (int i = 0; i < PAGES; i++) {
        struct page *page = cvy_load_acquire(&table[i]);
        for (int k = 0; page && k < PAGE_WATCHES && n < max; k++) {
            const struct cvy_watch *w = cvy_load_acquire(&page->watches[k]);
            if (w) {
                out[n++] = (struct cvy_peer){.object = &w->fd, .fd = w->fd};
            }
        }
    }
    return n;
}

void cvy_watch_close(struct cvy_poll *p)
{
    (void)p;
    for (int i = 0; i < PAGES; i++) {
        struct page *page = atomic_exchange_explicit(&table[i], NULL, memory_order_acquire);
        for (int k = 0; page && k < PAGE_WATCHES; k++) {
            free(cvy_load_relaxed(&page->watches[k]));
        }
        free(page);
    }
}

/* ---- waiting ---- */

int cvy_watch_ready_locked(struct cvy_watch *w, uint32_t bits)
{
    uint32_t ready = w->come & bits;
    uint32_t asked = (w->is_hung ? bits : w->unsure & bits) & ~ready;

    if (asked) {
        int code = cvy_net_ready(w->fd, asked);
        if (code < 0) {
            return code;
        }
        w->unsure &= ~asked;
        ready |= (uint32_t)code;
    }
    w->come &= ~ready;
    w->unsure |= ready;
    return (int)ready;
}

int cvy_watch_enter_locked(struct cvy_watch *w, struct cvy_waiter *wr, uint32_t bits)
{
    uint32_t lasting = cvy_load_relaxed(&w->lasting);
    uint32_t wanted = bits | wanted_locked(w);
    int code = 0;

    if (lasting) {
        if (lasting != (lasting | bits)) {
            code = cvy_poll_change(&cvy_runtime_get()->poll, w->fd, lasting | bits, &w->always);
            cvy_store_relaxed(&w->lasting, lasting | (code < 0 ? 0 : bits));
        }
    } else if (cvy_list_is_empty(&w->waiters) || (w->armed & wanted) != wanted) {
        code = arm_locked(w, wanted);
    }
    wr->amount = bits;
    return code;
}

/* ---- lasting registrations ---- */

/* For reading alone, to begin with: of a Unix socket every message that the peer takes would be an
 * event. */
static int watch_begin(struct cvy_runtime *rt, int fd)
{
    int code = 0;
    struct cvy_watch *w = cvy_watch_get(fd, &code);

    if (!w) {
        return code;
    }
    cvy_io_attach(&rt->poll);
    cvy_lock(&w->lock);
    code = cvy_poll_add(&rt->poll, fd, CVY_POLL_IN, &w->always);
    if (code == 0) {
        w->come = 0;
        w->unsure = CVY_POLL_BOTH;
        w->is_hung = false;
        cvy_store_relaxed(&w->lasting, CVY_POLL_IN);
    }
    cvy_unlock(&w->lock);
    if (code == 0 && CVY_TRACES(peer)) {
        cvy_peer_tell(&w->fd);
    }
    return code;
}

int covey_fd_watch(int fd)
{
    struct cvy_thread *th = cvy_enter();
    struct cvy_runtime *rt = cvy_runtime_open();

    int own = rt ? cvy_net_duplicate(fd) : COVEY_ECLOSED;
    int code = own < 0 ? own : watch_begin(rt, own);
    if (code < 0) {
        if (own >= 0) {
            cvy_net_close(own);
        }
        own = cvy_fail(th->task, code);
    }
    cvy_leave(th);
    return own;
}

static void watch_end(struct cvy_runtime *rt, struct cvy_watch *w, struct cvy_wakelist *list)
{
    cvy_lock(&w->lock);
    if (cvy_watch_lasts(w)) {
        cvy_store_relaxed(&w->lasting, 0);
        /* Closing would not do if a forked child has the descriptor too. */
        cvy_poll_remove(&rt->poll, w->fd);
        (void)wake_locked(w, CVY_POLL_BOTH, COVEY_ECLOSED, list);
    }
    cvy_unlock(&w->lock);
}

void covey_fd_unwatch(int fd)
{
    if (fd < 0) {
        return;
    }
    struct cvy_thread *th = cvy_enter();
    struct cvy_runtime *rt = cvy_runtime_open();
    struct cvy_watch *w = rt ? cvy_watch_find(fd) : NULL;
    struct cvy_wakelist list = {0};

    if (w) {
        watch_end(rt, w, &list);
    }
    cvy_net_close(fd);
    cvy_ready_all(th, &list);
    cvy_leave(th);
}

void covey_fd_drained(int fd, unsigned events)
{
    struct cvy_thread *th = cvy_enter();
    struct cvy_watch *w = cvy_runtime_open() ? cvy_watch_find(fd) : NULL;

    if (w) {
        cvy_lock(&w->lock);
        w->unsure &= ~events;
        cvy_unlock(&w->lock);
    }
    cvy_leave(th);
}
