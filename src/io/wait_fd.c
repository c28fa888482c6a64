/* SPDX-License-Identifier: MIT
 * wait_fd.c - waits for any descriptor: covey_wait_fd, and the select cases on descriptors.
 *
 * Each descriptor number has a watch, made at the first wait for it and kept as long as the poller:
 * a queue of waiters and a one-shot, level-triggered registration for what they wait for together.
 * Its event asks the kernel anew what is ready, since it may be a late one of a descriptor that has
 * been closed, wakes those whom that concerns, and arms again for the rest. With nobody waiting the
 * registration is not trusted: the number may stand for another file by now.
 *
 * A waiter stays in the queue until it leaves by itself, also when it was woken from here; so being
 * in the queue is being counted among those who wait for the poller. Its amount: CVY_POLL_* bits.
 */
#include "io/wait_fd.h"

#include "base/alloc.h"
#include "io/io.h"
#include "io/peer.h"
#include "os/net.h"
#include "sched/recording.h"
#include "sched/waitable.h"
#include "trace/emit.h"

#include <covey/error.h>
#include <covey/net.h>

#include <assert.h>
#include <stdlib.h>

#undef errno

/* Two levels of pointers: a million numbers. */
#define PAGE_SHIFT 10
#define PAGE_WATCHES (1 << PAGE_SHIFT)
#define PAGES 1024

static_assert(COVEY_FD_READ == CVY_POLL_IN && COVEY_FD_WRITE == CVY_POLL_OUT, "same bits");
#define BOTH (CVY_POLL_IN | CVY_POLL_OUT)

struct watch {
    struct cvy_pollable pollable; /* immutable, as is fd */
    int fd;

    struct cvy_lock lock; /* rank CVY_RANK_FD; guards the rest */
    uint32_t armed;       /* bits of the registration; holds only while there are waiters */
    struct cvy_node waiters;
};

struct page {
    struct watch *_Atomic watches[PAGE_WATCHES];
};

/* Set once until the poller closes; release, acquire. */
static struct page *_Atomic table[PAGES];

static struct cvy_waiter *waiter_of(struct cvy_node *n)
{
    return CVY_CONTAINER_OF(n, struct cvy_waiter, node);
}

static uint32_t wanted_locked(const struct watch *w)
{
    uint32_t bits = 0;
    for (struct cvy_node *n = w->waiters.next; n != &w->waiters; n = n->next) {
        bits |= (uint32_t)waiter_of(n)->amount;
    }
    return bits;
}

/* Wakes those who wait for one of bits: they are told which, or the failure (code < 0). */
static void wake_locked(struct watch *w, uint32_t bits, int code, struct cvy_wakelist *list)
{
    for (struct cvy_node *n = w->waiters.next; n != &w->waiters; n = n->next) {
        struct cvy_waiter *wr = waiter_of(n);
        uint32_t own = (uint32_t)wr->amount & bits;
        if (own && cvy_claim(wr->task, wr->index)) {
            CVY_EMIT(cvy_ring_of(cvy_thread_self()), io, wr->task->id, own, w->fd);
            wr->result = code < 0 ? code : (int)own;
            /* Of no interest any more, until it leaves. */
            wr->amount = 0;
            cvy_wakelist_add(list, wr->task);
        }
    }
}

/* 0, or why the descriptor cannot be watched. */
static int arm_locked(struct watch *w, uint32_t bits)
{
    struct cvy_runtime *rt = cvy_runtime_get();
    int code = cvy_poll_arm(&rt->poll, w->fd, bits, &w->pollable);

    w->armed = code < 0 ? 0 : bits;
    return code;
}

static void on_events(struct cvy_pollable *self, uint32_t events, struct cvy_wakelist *list)
{
    struct watch *w = CVY_CONTAINER_OF(self, struct watch, pollable);

    (void)events;
    cvy_lock(&w->lock);
    w->armed = 0;
    uint32_t wanted = wanted_locked(w);
    int code = wanted ? cvy_net_ready(w->fd, wanted) : 0;
    if (code > 0) {
        wake_locked(w, (uint32_t)code, code, list);
        wanted = wanted_locked(w);
    }
    if (code >= 0 && wanted) {
        code = arm_locked(w, wanted);
    }
    if (code < 0) {
        wake_locked(w, BOTH, code, list);
    }
    cvy_unlock(&w->lock);
}

/* ---- the table
 * ----------------------------------------------------------------------------------- */

static struct watch *watch_new(int fd)
{
    struct watch *w = cvy_alloc_zeroed(sizeof(*w));

    if (w) {
        cvy_lock_init(&w->lock, CVY_RANK_FD);
        w->pollable.on_events = on_events;
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

/* The watch of fd (>= 0), made on demand; NULL: out of memory, and *code says so. */
static struct watch *watch_get(int fd, int *code)
{
    if (fd >= PAGES * PAGE_WATCHES) {
        *code = -EMFILE;
        return NULL;
    }
    struct page *page = page_get(fd >> PAGE_SHIFT);
    if (!page) {
        *code = -ENOMEM;
        return NULL;
    }
    struct watch *_Atomic *place = &page->watches[fd & (PAGE_WATCHES - 1)];
    struct watch *w = cvy_load_acquire(place);
    if (cvy_likely(w != NULL)) {
        return w;
    }
    struct watch *made = watch_new(fd);
    if (!made) {
        *code = -ENOMEM;
        return NULL;
    }
    if (!cvy_cas_acq_rel(place, &w, made)) {
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
            const struct watch *w = cvy_load_acquire(&page->watches[k]);
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

/* What is ready before anything is watched: a file would always be, which the kernel does not
 * watch. */
static int look(int fd, uint32_t bits)
{
    int code = cvy_net_ready(fd, bits);

    return code > 0 && cvy_net_is_file(fd) ? -EPERM : code;
}

/* ---- waiting
 * ------------------------------------------------------------------------------------- */

/* The queue is about to be entered for bits: arms for them too. */
static int enter_locked(struct watch *w, struct cvy_waiter *wr, uint32_t bits)
{
    uint32_t wanted = bits | wanted_locked(w);

    if (cvy_list_is_empty(&w->waiters) || (w->armed & wanted) != wanted) {
        int code = arm_locked(w, wanted);
        if (code < 0) {
            return code;
        }
    }
    wr->amount = bits;
    return 0;
}

/* Parks until one of bits is said to be ready: those bits, or a failure with its message. */
static int wait_in(struct cvy_thread **thp, covey_ctx *ctx, struct watch *w, uint32_t bits)
{
    struct cvy_waiter wr = {0};

    cvy_lock(&w->lock);
    int code = enter_locked(w, &wr, bits);
    if (code < 0) {
        cvy_unlock(&w->lock);
        return cvy_fail((*thp)->task, code);
    }
    code = cvy_wait_in(thp, ctx, &w->lock, &w->waiters, &wr,
                       bits & CVY_POLL_IN ? CVY_WAIT_READ : CVY_WAIT_WRITE, &w->fd);
    if (code < 0) {
        return code;
    }
    cvy_lock(&w->lock);
    cvy_waitq_remove(&wr);
    cvy_unlock(&w->lock);
    return wr.result < 0 ? cvy_fail((*thp)->task, wr.result) : wr.result;
}

static int wait_fd(struct cvy_thread **thp, covey_ctx *ctx, int fd, uint32_t bits)
{
    struct cvy_task *t = (*thp)->task;
    struct cvy_runtime *rt = cvy_runtime_open();

    int code = cvy_ctx_check(t, ctx);
    if (code < 0) {
        return code;
    }
    if (bits == 0 || (bits & ~BOTH)) {
        return cvy_fail(t, -EINVAL);
    }
    code = look(fd, bits);
    if (code == 0 && !rt) {
        code = COVEY_ECLOSED;
    }
    struct watch *w = code == 0 ? watch_get(fd, &code) : NULL;
    if (code != 0) {
        return code < 0 ? cvy_fail(t, code) : code;
    }
    cvy_io_attach(&rt->poll);
    if (cvy_unlikely(cvy_load_relaxed(&cvy_trace_level) >= CVY_LEVEL_FULL)) {
        cvy_peer_tell(&w->fd); /* each time: the number may be another file's by now */
    }
    cvy_io_wait_begin(t, rt);
    code = wait_in(thp, ctx, w, bits);
    cvy_io_wait_end(t, rt);
    return code;
}

int covey_wait_fd(covey_ctx *ctx, int fd, unsigned events)
{
    struct cvy_thread *th = cvy_enter();
    int code = wait_fd(&th, ctx, fd, events);
    cvy_leave(th);
    return code;
}

/* ---- select
 * -------------------------------------------------------------------------------------- */

static uint32_t bits_of(const covey_case *c)
{
    return c->kind == &covey_waitable_readable ? CVY_POLL_IN : CVY_POLL_OUT;
}

/* The number of the case's descriptor; -1 if it can be none. */
static int fd_of(const covey_case *c)
{
    return c->number >= 0 && c->number <= INT32_MAX ? (int)c->number : -1;
}

static struct watch *watch_of(const covey_case *c)
{
    /* It was made by case_lock(). */
    struct page *page = cvy_load_acquire(&table[fd_of(c) >> PAGE_SHIFT]);
    return cvy_load_acquire(&page->watches[fd_of(c) & (PAGE_WATCHES - 1)]);
}

static struct cvy_lock *case_lock(const covey_case *c, int *code)
{
    struct cvy_runtime *rt = cvy_runtime_open();

    if (fd_of(c) < 0 || !rt) {
        *code = fd_of(c) < 0 ? -EBADF : COVEY_ECLOSED;
        return NULL;
    }
    cvy_io_attach(&rt->poll);
    struct watch *w = watch_get(fd_of(c), code);
    return w ? &w->lock : NULL;
}

static bool case_try(const covey_case *c, struct cvy_wakelist *list, int *result)
{
    (void)list;
    int code = look(fd_of(c), bits_of(c));
    *result = code < 0 ? code : 0;
    return code != 0;
}

/* What is ready already comes as an event. */
static bool case_try_locked(const covey_case *c, struct cvy_wakelist *list, int *result)
{
    (void)c;
    (void)list;
    (void)result;
    return false;
}

static int case_enqueue(const covey_case *c, struct cvy_waiter *wr)
{
    struct watch *w = watch_of(c);

    int code = enter_locked(w, wr, bits_of(c));
    if (code == 0) {
        cvy_list_push_tail(&w->waiters, &wr->node);
        cvy_io_wait_begin(wr->task, cvy_runtime_get());
    }
    return code;
}

static void case_dequeue(const covey_case *c, struct cvy_waiter *wr)
{
    (void)c;
    if (wr->node.next) {
        cvy_list_remove(&wr->node);
        cvy_io_wait_end(wr->task, cvy_runtime_get());
    }
}

static int case_woken(const covey_case *c, struct cvy_waiter *wr)
{
    (void)c;
    return wr->result < 0 ? wr->result : 0;
}

const struct covey_waitable covey_waitable_readable = {
    .name = "readable",
    .rank = CVY_RANK_FD,
    .lock = case_lock,
    .try_now = case_try,
    .try_locked = case_try_locked,
    .enqueue_locked = case_enqueue,
    .dequeue_locked = case_dequeue,
    .woken = case_woken,
};

const struct covey_waitable covey_waitable_writable = {
    .name = "writable",
    .rank = CVY_RANK_FD,
    .lock = case_lock,
    .try_now = case_try,
    .try_locked = case_try_locked,
    .enqueue_locked = case_enqueue,
    .dequeue_locked = case_dequeue,
    .woken = case_woken,
};
