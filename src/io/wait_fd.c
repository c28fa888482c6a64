/* SPDX-License-Identifier: MIT
 * wait_fd.c - waits for any descriptor: covey_wait_fd, and the select cases on descriptors.
 *
 * What is ready is asked of the kernel first, unless a lasting registration knows (watch.h); then
 * the waiter enters the descriptor's queue, and leaves it by itself. */
#include "io/io.h"
#include "io/peer.h"
#include "io/watch.h"
#include "sched/recording.h"
#include "sched/waitable.h"
#include "trace/emit.h"

#include <covey/error.h>
#include <covey/net.h>

#include <assert.h>

#undef errno

static_assert(COVEY_FD_READ == CVY_POLL_IN && COVEY_FD_WRITE == CVY_POLL_OUT, "same bits");

/* What is ready before anything is watched: a file would always be, which the kernel does not
 * watch. */
static int look(int fd, uint32_t bits)
{
    int code = cvy_net_ready(fd, bits);

    return code > 0 && cvy_net_is_file(fd) ? -EPERM : code;
}

/* ---- waiting
 * ------------------------------------------------------------------------------------- */

/* Parks until one of bits is said to be ready: those bits, or a failure with its message. */
static int wait_in(struct cvy_thread **thp, covey_ctx *ctx, struct cvy_watch *w, uint32_t bits)
{
    struct cvy_waiter wr = {0};

    cvy_lock(&w->lock);
    int code = cvy_watch_lasts(w) ? cvy_watch_ready_locked(w, bits) : 0;
    if (code == 0) {
        code = cvy_watch_enter_locked(w, &wr, bits);
    } else if (code > 0) {
        cvy_unlock(&w->lock);
        return code;
    }
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
    if (bits == 0 || (bits & ~CVY_POLL_BOTH)) {
        return cvy_fail(t, -EINVAL);
    }
    struct cvy_watch *w = rt ? cvy_watch_find(fd) : NULL;
    bool lasts = w && cvy_watch_lasts(w);
    code = lasts ? 0 : look(fd, bits);
    if (code == 0 && !rt) {
        code = COVEY_ECLOSED;
    }
    if (code == 0 && !w) {
        w = cvy_watch_get(fd, &code);
    }
    if (code != 0) {
        return code < 0 ? cvy_fail(t, code) : code;
    }
    cvy_io_attach(&rt->poll);
    if (!lasts && cvy_unlikely(cvy_load_relaxed(&cvy_trace_level) >= CVY_LEVEL_FULL)) {
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

static struct cvy_lock *case_lock(const covey_case *c, int *code)
{
    struct cvy_runtime *rt = cvy_runtime_open();

    if (fd_of(c) < 0 || !rt) {
        *code = fd_of(c) < 0 ? -EBADF : COVEY_ECLOSED;
        return NULL;
    }
    cvy_io_attach(&rt->poll);
    struct cvy_watch *w = cvy_watch_get(fd_of(c), code);
    return w ? &w->lock : NULL;
}

static bool case_try_locked(const covey_case *c, struct cvy_wakelist *list, int *result)
{
    struct cvy_watch *w = cvy_watch_find(fd_of(c)); /* made by case_lock() */
    (void)list;

    /* Else what is ready already comes as an event. */
    int code = cvy_watch_lasts(w) ? cvy_watch_ready_locked(w, bits_of(c)) : 0;
    *result = code < 0 ? code : 0;
    return code != 0;
}

static bool case_try(const covey_case *c, struct cvy_wakelist *list, int *result)
{
    struct cvy_watch *w = cvy_runtime_open() ? cvy_watch_find(fd_of(c)) : NULL;

    if (w && cvy_watch_lasts(w)) {
        cvy_lock(&w->lock);
        bool is_ready = case_try_locked(c, list, result);
        cvy_unlock(&w->lock);
        return is_ready;
    }
    int code = look(fd_of(c), bits_of(c));
    *result = code < 0 ? code : 0;
    return code != 0;
}

static int case_enqueue(const covey_case *c, struct cvy_waiter *wr)
{
    struct cvy_watch *w = cvy_watch_find(fd_of(c));

    int code = cvy_watch_enter_locked(w, wr, bits_of(c));
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
    .keeps_woken = true,
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
    .keeps_woken = true,
    .lock = case_lock,
    .try_now = case_try,
    .try_locked = case_try_locked,
    .enqueue_locked = case_enqueue,
    .dequeue_locked = case_dequeue,
    .woken = case_woken,
};
