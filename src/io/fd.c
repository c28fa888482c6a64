/* SPDX-License-Identifier: MIT
 * fd.c - see fd.h.
 *
 * No wake is lost: an event sets its bits and then takes the lock to look at the queue; a waiter
 * looks at the bits under the lock before it enters the queue. Closing does the same with CLOSED.
 */
#include "io/fd.h"

#include "base/alloc.h"
#include "io/io.h"
#include "io/peer.h"
#include "sched/recording.h"
#include "trace/emit.h"

#include <covey/error.h>

#undef errno

/* Outlives the runtimes: descriptors may be made before one is up and closed after it. */
static struct {
    struct cvy_lock lock; /* rank CVY_RANK_POOL */
    /* Guarded by lock. */
    struct cvy_node free;       /* by in_pool */
    struct cvy_node registered; /* by in_pool: all whose home is set */
    struct cvy_poll *poll;      /* the last that was registered with; events may hit free records */
} pool = {
    .lock = CVY_LOCK_INIT(CVY_RANK_POOL),
    .free = {&pool.free, &pool.free},
    .registered = {&pool.registered, &pool.registered},
};

static struct cvy_fd *fd_in_pool(struct cvy_node *n)
{
    return CVY_CONTAINER_OF(n, struct cvy_fd, in_pool);
}

/* Claims every waiter of a queue, whose lock is held. */
static void wake_locked(const struct cvy_fd *f, struct cvy_node *q, int result,
                        struct cvy_wakelist *list)
{
    for (struct cvy_waiter *w; (w = cvy_waitq_claim(q)) != NULL;) {
        CVY_EMIT(cvy_ring_of(cvy_thread_self()), io, w->task->id,
                 q == &f->waiters[CVY_WAY_OUT] ? CVY_POLL_OUT : CVY_POLL_IN, f->fd);
        w->result = result;
        cvy_wakelist_add(list, w->task);
    }
}

static void on_events(struct cvy_pollable *self, uint32_t events, struct cvy_wakelist *list)
{
    struct cvy_fd *f = CVY_CONTAINER_OF(self, struct cvy_fd, pollable);
    uint64_t ready = cvy_load_relaxed(&f->ready);

    /* Relaxed: whoever misses the bits is found in the queue, by the lock. */
    while (!atomic_compare_exchange_weak_explicit(&f->ready, &ready,
                                                  (ready | events) + CVY_FD_EVENT,
                                                  memory_order_relaxed, memory_order_relaxed)) {
    }
    cvy_lock(&f->lock);
    for (unsigned way = 0; way < CVY_WAITS; way++) {
        if (events & CVY_POLL_OF(way)) {
            wake_locked(f, &f->waiters[way], 0, list);
        }
    }
    cvy_unlock(&f->lock);
}

static struct cvy_fd *record_take(void)
{
    cvy_lock(&pool.lock);
    struct cvy_node *n = cvy_list_pop_head(&pool.free);
    cvy_unlock(&pool.lock);
    if (n) {
        return fd_in_pool(n);
    }
    struct cvy_fd *f = cvy_alloc_lines(CVY_FD_RECORD_SIZE);
    if (!f) {
        return NULL;
    }
    cvy_lock_init(&f->lock, CVY_RANK_FD);
    f->pollable.on_events = on_events;
    for (unsigned way = 0; way < CVY_WAITS; way++) {
        cvy_list_init(&f->waiters[way]);
    }
    for (unsigned way = 0; way < CVY_WAYS; way++) {
        cvy_list_init(&f->turns[way]);
    }
    return f;
}

/* To the free ones if an event may still be on its way to it. */
static void record_give(struct cvy_fd *f)
{
    cvy_lock(&pool.lock);
    bool is_registered = f->in_pool.next != NULL;
    if (is_registered) {
        cvy_list_remove(&f->in_pool);
        cvy_store_relaxed(&f->home, NULL);
    }
    bool is_kept = pool.poll != NULL;
    if (is_kept) {
        cvy_list_push_head(&pool.free, &f->in_pool);
    }
    cvy_unlock(&pool.lock);
    if (!is_kept) {
        free(f);
    }
}

void cvy_fd_pool_close(struct cvy_poll *p)
{
    struct cvy_node free_ones;

    cvy_list_init(&free_ones);
    cvy_lock(&pool.lock);
    for (struct cvy_node *n = pool.registered.next, *next; n != &pool.registered; n = next) {
        struct cvy_fd *f = fd_in_pool(n);
        next = n->next;
        if (cvy_load_relaxed(&f->home) == p) {
            cvy_list_remove(n);
            cvy_store_release(&f->home, NULL);
        }
    }
    if (pool.poll == p) {
        pool.poll = NULL;
        cvy_list_move_all(&free_ones, &pool.free);
    }
    cvy_unlock(&pool.lock);
    for (struct cvy_node *n; (n = cvy_list_pop_head(&free_ones)) != NULL;) {
        free(fd_in_pool(n));
    }
}

struct cvy_fd *cvy_fd_new(int fd, uint32_t ready, void (*on_free)(struct cvy_fd *f))
{
    struct cvy_fd *f = record_take();

    if (!f) {
        return NULL;
    }
    CVY_ASSERT(cvy_list_is_empty(&f->waiters[CVY_WAY_IN]));
    CVY_ASSERT(cvy_list_is_empty(&f->turns[CVY_WAY_IN]));
    memset((char *)f + sizeof(*f), 0, CVY_FD_RECORD_SIZE - sizeof(*f));
    f->fd = fd;
    f->on_free = on_free;
    f->reasons[CVY_WAY_IN] = CVY_WAIT_READ;
    f->reasons[CVY_WAY_OUT] = CVY_WAIT_WRITE;
    f->reasons[CVY_WAY_HUP] = CVY_WAIT_HANGUP;
    /* The count goes on: a call of the previous owner's cannot clear bits any more, but a late
     * event may still add some. */
    cvy_store_relaxed(&f->ready, ((cvy_load_relaxed(&f->ready) | (CVY_FD_EVENT - 1)) + 1) | ready);
    cvy_store_release(&f->use, CVY_FD_USER);
    return f;
}

/* The last user of a closed one left. */
static void destroy(struct cvy_fd *f)
{
    struct cvy_poll *home = cvy_load_acquire(&f->home);
    int fd = f->fd;

    if (home) {
        /* Closing would not do if a forked child has the descriptor too. */
        cvy_poll_remove(home, fd);
    }
    f->on_free(f);
    if (fd >= 0) {
        cvy_net_close(fd);
    }
    record_give(f);
}

int cvy_fd_enter(struct cvy_fd *f)
{
    uint32_t use = cvy_load_relaxed(&f->use);

    do {
        if (use & CVY_FD_CLOSED) {
            return COVEY_ECLOSED;
        }
        /* Acquire: what the last in the same place did. */
    } while (!atomic_compare_exchange_weak_explicit(&f->use, &use, use + CVY_FD_USER,
                                                    memory_order_acquire, memory_order_relaxed));
    return 0;
}

bool cvy_fd_leave(struct cvy_fd *f)
{
    /* Acq_rel: our use happens before the free by the last one. */
    uint32_t use = atomic_fetch_sub_explicit(&f->use, CVY_FD_USER, memory_order_acq_rel);

    if (cvy_unlikely((use & CVY_FD_CLOSED) && use - CVY_FD_USER < CVY_FD_USER)) {
        destroy(f);
        return true;
    }
    return false;
}

/* The turn is taken: waits for it. The caller is inside. */
static int turn_wait(struct cvy_thread **thp, struct cvy_fd *f, enum cvy_way way, covey_ctx *ctx)
{
    struct cvy_waiter wr = {0};

    cvy_lock(&f->lock);
    uint32_t use = cvy_load_relaxed(&f->use);
    uint32_t next;
    do {
        if (use & CVY_FD_CLOSED) {
            cvy_unlock(&f->lock);
            return cvy_fail((*thp)->task, COVEY_ECLOSED);
        }
        next = use | (use & CVY_FD_HELD(way) ? CVY_FD_WANTED(way) : CVY_FD_HELD(way));
        /* Acquire: pairs with the release in cvy_fd_leave_turn(). */
    } while (!atomic_compare_exchange_weak_explicit(&f->use, &use, next, memory_order_acquire,
                                                    memory_order_relaxed));
    if (!(use & CVY_FD_HELD(way))) {
        cvy_unlock(&f->lock);
        return 0;
    }
    int code = cvy_wait_in(thp, ctx, &f->lock, &f->turns[way], &wr, f->reasons[way], &f->fd);
    if (code < 0) {
        return code;
    }
    return wr.result < 0 ? cvy_fail((*thp)->task, wr.result) : 0;
}

int cvy_fd_try_turn(struct cvy_fd *f, enum cvy_way way)
{
    uint32_t use = cvy_load_relaxed(&f->use);

    while (!(use & (CVY_FD_CLOSED | CVY_FD_HELD(way)))) {
        /* Acquire: pairs with the release in cvy_fd_leave_turn(). */
        if (atomic_compare_exchange_weak_explicit(&f->use, &use,
                                                  (use | CVY_FD_HELD(way)) + CVY_FD_USER,
                                                  memory_order_acquire, memory_order_relaxed)) {
            return 0;
        }
    }
    return use & CVY_FD_CLOSED ? COVEY_ECLOSED : COVEY_EAGAIN;
}

int cvy_fd_enter_turn(struct cvy_thread **thp, struct cvy_fd *f, enum cvy_way way, covey_ctx *ctx)
{
    int code = cvy_fd_try_turn(f, way);

    if (cvy_likely(code == 0)) {
        return 0;
    }
    code = cvy_fd_enter(f);
    if (code < 0) {
        return cvy_fail((*thp)->task, code);
    }
    code = turn_wait(thp, f, way, ctx);
    if (code < 0) {
        (void)cvy_fd_leave(f);
    }
    return code;
}

/* Passes the turn on to the first who waits for it, or ends it. */
__attribute__((noinline)) static void turn_pass(struct cvy_thread *th, struct cvy_fd *f,
                                                enum cvy_way way)
{
    cvy_lock(&f->lock);
    struct cvy_waiter *w = cvy_waitq_claim(&f->turns[way]);
    struct cvy_task *t = w ? w->task : NULL;
    if (!w) {
        /* Release: pairs with the acquire of the next to take it. */
        atomic_fetch_and_explicit(&f->use, ~(CVY_FD_HELD(way) | CVY_FD_WANTED(way)),
                                  memory_order_release);
    }
    cvy_unlock(&f->lock);
    if (t) {
        cvy_ready(th, t);
    }
    (void)cvy_fd_leave(f);
}

void cvy_fd_leave_turn(struct cvy_thread *th, struct cvy_fd *f, enum cvy_way way)
{
    uint32_t use = cvy_load_relaxed(&f->use);
    uint32_t next;

    do {
        if (cvy_unlikely(use & CVY_FD_WANTED(way))) {
            turn_pass(th, f, way);
            return;
        }
        next = (use & ~CVY_FD_HELD(way)) - CVY_FD_USER;
        /* Release: to the next to take the turn; acq_rel: to who frees it. */
    } while (!atomic_compare_exchange_weak_explicit(&f->use, &use, next, memory_order_acq_rel,
                                                    memory_order_relaxed));
    if (cvy_unlikely((next & CVY_FD_CLOSED) && next < CVY_FD_USER)) {
        destroy(f);
    }
}

void cvy_fd_end(struct cvy_thread *th, struct cvy_fd *f, uint32_t bits)
{
    struct cvy_wakelist list = {0};
    uint32_t use = atomic_fetch_or_explicit(&f->use, CVY_FD_CLOSED | bits, memory_order_relaxed);

    COVEY_REQUIRE(!(use & CVY_FD_GIVEN),
                  "close of a connection or listener that is closed already");
    if (use & CVY_FD_CLOSED) {
        return;
    }
    cvy_lock(&f->lock);
    for (unsigned way = 0; way < CVY_WAITS; way++) {
        wake_locked(f, &f->waiters[way], COVEY_ECLOSED, &list);
    }
    for (unsigned way = 0; way < CVY_WAYS; way++) {
        wake_locked(f, &f->turns[way], COVEY_ECLOSED, &list);
    }
    cvy_unlock(&f->lock);
    cvy_ready_all(th, &list);
}

void cvy_fd_close(struct cvy_thread *th, struct cvy_fd *f)
{
    cvy_fd_end(th, f, CVY_FD_GIVEN);
    (void)cvy_fd_leave(f);
}

static int register_with(struct cvy_fd *f, struct cvy_poll *p)
{
    int code = cvy_poll_add(p, f->fd, CVY_POLL_IN | CVY_POLL_OUT, &f->pollable);

    /* The other way's first waiter may have been faster. */
    if (code < 0 && code != -EEXIST) {
        return code;
    }
    cvy_io_attach(p);
    cvy_lock(&pool.lock);
    pool.poll = p;
    if (!f->in_pool.next) {
        cvy_list_push_tail(&pool.registered, &f->in_pool);
    }
    cvy_store_release(&f->home, p);
    cvy_unlock(&pool.lock);
    if (CVY_TRACES(peer)) {
        cvy_peer_tell(&f->fd);
    }
    return 0;
}

size_t cvy_fd_peers(struct cvy_peer *out, size_t max)
{
    size_t n = 0;

    cvy_lock(&pool.lock);
    for (struct cvy_node *at = pool.registered.prev; at != &pool.registered && n < max;
         at = at->prev) {
        const struct cvy_fd *f = fd_in_pool(at);
        out[n++] = (struct cvy_peer){.object = &f->fd, .fd = f->fd};
    }
    cvy_unlock(&pool.lock);
    return n;
}

int cvy_fd_register(struct cvy_fd *f)
{
    struct cvy_runtime *rt = cvy_runtime_open();

    if (cvy_unlikely(!rt)) {
        return COVEY_ECLOSED;
    }
    return cvy_likely(cvy_load_acquire(&f->home) == &rt->poll) ? 0 : register_with(f, &rt->poll);
}

static int wait_ready(struct cvy_thread **thp, struct cvy_fd *f, enum cvy_way way, covey_ctx *ctx)
{
    struct cvy_waiter wr = {0};

    cvy_lock(&f->lock);
    if (cvy_fd_is_closed(f)) {
        cvy_unlock(&f->lock);
        return cvy_fail((*thp)->task, COVEY_ECLOSED);
    }
    if (cvy_load_relaxed(&f->ready) & CVY_POLL_OF(way)) {
        cvy_unlock(&f->lock);
        return 0;
    }
    int code = cvy_wait_in(thp, ctx, &f->lock, &f->waiters[way], &wr, f->reasons[way], &f->fd);
    if (code < 0) {
        return code;
    }
    return wr.result < 0 ? cvy_fail((*thp)->task, wr.result) : 0;
}

int cvy_fd_wait(struct cvy_thread **thp, struct cvy_fd *f, enum cvy_way way, covey_ctx *ctx)
{
    int code = cvy_fd_register(f);

    if (code < 0) {
        return cvy_fail((*thp)->task, code);
    }
    struct cvy_task *t = (*thp)->task;
    struct cvy_runtime *rt = cvy_runtime_get();
    cvy_io_wait_begin(t, rt);
    code = wait_ready(thp, f, way, ctx);
    cvy_io_wait_end(t, rt);
    return code;
}
