/* SPDX-License-Identifier: MIT
 * chan.c - channels (covey/chan.h) and their select cases.
 *
 * Invariants, under lock: senders wait only while the buffer is full and no receiver waits;
 * receivers wait only while it is empty and no sender waits; a closed channel has no waiters. (A
 * waiter whose claim was taken elsewhere may still stand in a queue; it does not count.)
 *
 * Whoever finds a waiter of the other side claims it, copies straight between the two frames, and
 * wakes it after unlocking: waking before would send it straight into this lock. */
#include "chan/chan.h"

#include "chan/named.h"

#include "os/freed.h"
#include "sched/recording.h"
#include "sched/view.h"
#include "sched/waitable.h"
#include "trace/emit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A batch of records is still in the cache when it is put into the queues, and nobody waits long
 * for the lock of a channel that a million wait on. */
#define CLOSE_BATCH 128

enum { OK, CLOSED = COVEY_ECLOSED };

struct covey_chan {
    /* Immutable after covey_chan_new(). */
    size_t elem_size, capacity;

    _Atomic uint32_t refs;

    /* Guarded by lock; len and is_closed are also peeked at without. */
    struct cvy_lock lock; /* rank CVY_RANK_CHAN */
    _Atomic bool is_closed;
    _Atomic bool is_named; /* relaxed; read by its last unref */
    _Atomic size_t len;    /* buffered, at most capacity */
    size_t head;           /* index of the oldest */
    struct cvy_node senders, receivers;

    _Alignas(16) char buffer[]; /* capacity elements, a ring */
};

covey_chan *covey_chan_new(size_t elem_size, size_t capacity)
{
    size_t bytes;

    if (__builtin_mul_overflow(elem_size, capacity, &bytes) ||
        bytes > SIZE_MAX / 2 - sizeof(covey_chan)) {
        return NULL;
    }
    covey_chan *ch = cvy_cell_alloc(sizeof(*ch) + bytes);
    if (!ch) {
        return NULL;
    }
    ch->elem_size = elem_size;
    ch->capacity = capacity;
    cvy_store_relaxed(&ch->refs, 1);
    cvy_lock_init(&ch->lock, CVY_RANK_CHAN);
    cvy_list_init(&ch->senders);
    cvy_list_init(&ch->receivers);
    return ch;
}

void cvy_chan_describe(const void *object, char *out, size_t size)
{
    const covey_chan *ch = object;
    char name[CVY_CHAN_NAME_TEXT] = "";
    const char *comma =
        cvy_load_relaxed(&ch->is_named) && cvy_chan_named_print(ch, name, sizeof(name)) > 0 ? ", "
                                                                                            : "";

    if (ch->capacity == 0) {
        (void)snprintf(out, size, "%s%sunbuffered", name, comma);
    } else {
        (void)snprintf(out, size, "%s%s%zu of %zu buffered", name, comma,
                       cvy_load_relaxed(&ch->len), ch->capacity);
    }
}

static size_t count_waiting(const struct cvy_node *q)
{
    size_t n = 0;

    for (const struct cvy_node *at = q->next; at != q; at = at->next) {
        n++;
    }
    return n;
}

void cvy_chan_figures(covey_chan *ch, struct cvy_chan_figures *out)
{
    cvy_lock(&ch->lock);
    out->len = cvy_load_relaxed(&ch->len);
    out->capacity = ch->capacity;
    out->senders = count_waiting(&ch->senders);
    out->receivers = count_waiting(&ch->receivers);
    cvy_unlock(&ch->lock);
}

void cvy_chan_set_named(covey_chan *ch, bool is_named)
{
    cvy_store_relaxed(&ch->is_named, is_named);
}

covey_chan *covey_chan_ref(covey_chan *ch)
{
    if (ch) {
        cvy_freed_check(ch);
        atomic_fetch_add_explicit(&ch->refs, 1, memory_order_relaxed);
    }
    return ch;
}

/* Whether somebody waits who will run again: tasks discarded at the end of a runtime will not. */
static bool has_waiter_locked(struct cvy_node *q)
{
    for (struct cvy_node *n = q->next; n != q; n = n->next) {
        struct cvy_waiter *w = CVY_CONTAINER_OF(n, struct cvy_waiter, node);
        if (cvy_load_relaxed(&w->task->claim) != CVY_CLAIM_CLOSED) {
            return true;
        }
    }
    return false;
}

/* After its last unref: closed, so that even a peek leads to the lock; locked, for good. */
static void keep_freed(covey_chan *ch, const void *where)
{
    cvy_lock_for_good(&ch->lock);
    cvy_store_relaxed(&ch->is_closed, true);
    cvy_freed_keep(ch, sizeof(*ch) + ch->elem_size * ch->capacity, "channel", where);
}

void covey_chan_unref(covey_chan *ch)
{
    if (!ch) {
        return;
    }
    cvy_freed_check(ch);
    /* Acq_rel: every other user's last use happens before the free. */
    uint32_t refs = atomic_fetch_sub_explicit(&ch->refs, 1, memory_order_acq_rel);
    COVEY_REQUIRE(refs > 0, "unref of a channel that has no reference left");
    if (refs > 1) {
        return;
    }
    if (cvy_unlikely(cvy_load_relaxed(&ch->is_named))) {
        cvy_chan_named_remove(ch);
    }
    /* Whoever woke the last user may still be on its way out of the lock. */
    cvy_lock(&ch->lock);
    bool is_waited_on = has_waiter_locked(&ch->senders) || has_waiter_locked(&ch->receivers);
    cvy_unlock(&ch->lock);
    COVEY_REQUIRE(!is_waited_on, "last unref of a channel that tasks wait on");
    if (cvy_knob(CVY_KNOB_FREED)) {
        keep_freed(ch, __builtin_return_address(0));
    } else {
        cvy_cell_free(ch, sizeof(*ch) + ch->elem_size * ch->capacity);
    }
}

static inline void copy_elem(const covey_chan *ch, void *to, const void *from)
{
    if (ch->elem_size == sizeof(uint64_t)) {
        memcpy(to, from, sizeof(uint64_t));
    } else if (ch->elem_size > 0) {
        memcpy(to, from, ch->elem_size);
    }
}

static inline void *slot_at(covey_chan *ch, size_t index)
{
    return ch->buffer + index * ch->elem_size;
}

static inline void buffer_push(covey_chan *ch, const void *elem)
{
    size_t len = cvy_load_relaxed(&ch->len);
    size_t at = ch->head + len;

    copy_elem(ch, slot_at(ch, at >= ch->capacity ? at - ch->capacity : at), elem);
    cvy_store_relaxed(&ch->len, len + 1);
}

static inline void buffer_pop(covey_chan *ch, void *elem)
{
    if (elem) {
        copy_elem(ch, elem, slot_at(ch, ch->head));
    }
    ch->head = ch->head + 1 == ch->capacity ? 0 : ch->head + 1;
    cvy_store_relaxed(&ch->len, cvy_load_relaxed(&ch->len) - 1);
}

/* Pops from a full buffer and pushes to it: the oldest's slot is the newest's. */
static inline void buffer_replace(covey_chan *ch, void *elem, const void *newest)
{
    CVY_ASSERT(cvy_load_relaxed(&ch->len) == ch->capacity);
    if (elem) {
        copy_elem(ch, elem, slot_at(ch, ch->head));
    }
    copy_elem(ch, slot_at(ch, ch->head), newest);
    ch->head = ch->head + 1 == ch->capacity ? 0 : ch->head + 1;
}

/* Tries to send, lock held. OK or CLOSED, or COVEY_EAGAIN; *woken is a task to make ready. */
static inline int send_locked(covey_chan *ch, const void *elem, struct cvy_task **woken)
{
    if (cvy_load_relaxed(&ch->is_closed)) {
        return CLOSED;
    }
    if (!cvy_list_is_empty(&ch->receivers)) {
        struct cvy_waiter *w = cvy_waitq_claim(&ch->receivers);
        if (w) {
            if (w->elem) {
                copy_elem(ch, w->elem, elem);
            }
            w->result = OK;
            *woken = w->task;
            return OK;
        }
    }
    if (cvy_load_relaxed(&ch->len) < ch->capacity) {
        buffer_push(ch, elem);
        return OK;
    }
    return COVEY_EAGAIN;
}

static inline void zero_elem(const covey_chan *ch, void *elem)
{
    if (elem && ch->elem_size > 0) {
        memset(elem, 0, ch->elem_size);
    }
}

/* Tries to receive, lock held; as send_locked(). Always inlined: a call is a tenth of a receive. */
static inline __attribute__((always_inline)) int recv_locked(covey_chan *ch, void *elem,
                                                             struct cvy_task **woken)
{
    struct cvy_waiter *w = NULL;

    if (cvy_load_relaxed(&ch->len) > 0) {
        if (!cvy_list_is_empty(&ch->senders) && (w = cvy_waitq_claim(&ch->senders))) {
            /* The buffer is full and stays so: len does not change for those who peek. */
            buffer_replace(ch, elem, w->elem);
        } else {
            buffer_pop(ch, elem);
        }
    } else if (!cvy_list_is_empty(&ch->senders) && (w = cvy_waitq_claim(&ch->senders))) {
        if (elem) {
            copy_elem(ch, elem, w->elem);
        }
    } else {
        if (!cvy_load_relaxed(&ch->is_closed)) {
            return COVEY_EAGAIN;
        }
        zero_elem(ch, elem);
        return CLOSED;
    }
    if (w) {
        w->result = OK;
        *woken = w->task;
    }
    return OK;
}

/* OK or CLOSED, with its message. */
static inline int code_of(struct cvy_thread *th, int result)
{
    return cvy_likely(result == OK) ? OK : cvy_fail(th->task, result);
}

int covey_chan_send(covey_ctx *ctx, covey_chan *ch, const void *elem)
{
    struct cvy_thread *th = cvy_enter();
    struct cvy_task *woken = NULL;

    CVY_EMIT(cvy_ring_of(th), chan_send, th->task->id, 0, ch);
    int code = cvy_ctx_check(th->task, ctx);
    if (cvy_unlikely(code < 0 || !ch)) {
        code = code < 0 ? code : cvy_fail(th->task, -EINVAL);
        goto out;
    }
    cvy_lock(&ch->lock);
    int result = send_locked(ch, elem, &woken);
    if (result == COVEY_EAGAIN) {
        code = cvy_wait_for_elem(th, ctx, &ch->lock, &ch->senders, (void *)(uintptr_t)elem,
                                 cvy_wait_word(CVY_WAIT_SEND, ch));
        CVY_KEEP_FRAME();
        return code;
    }
    cvy_unlock(&ch->lock);
    if (woken) {
        cvy_ready(th, woken);
    }
    code = code_of(th, result);
out:
    cvy_leave(th);
    return code;
}

int covey_chan_recv(covey_ctx *ctx, covey_chan *ch, void *elem)
{
    struct cvy_thread *th = cvy_enter();
    struct cvy_task *woken = NULL;

    CVY_EMIT(cvy_ring_of(th), chan_recv, th->task->id, 0, ch);
    int code = cvy_ctx_check(th->task, ctx);
    if (cvy_unlikely(code < 0 || !ch)) {
        code = code < 0 ? code : cvy_fail(th->task, -EINVAL);
        goto out;
    }
    cvy_lock(&ch->lock);
    int result = recv_locked(ch, elem, &woken);
    if (result == COVEY_EAGAIN) {
        code = cvy_wait_for_elem(th, ctx, &ch->lock, &ch->receivers, elem,
                                 cvy_wait_word(CVY_WAIT_RECV, ch));
        CVY_KEEP_FRAME();
        return code;
    }
    cvy_unlock(&ch->lock);
    if (woken) {
        cvy_ready(th, woken);
    }
    code = code_of(th, result);
out:
    cvy_leave(th);
    return code;
}

int cvy_chan_try_send(covey_chan *ch, const void *elem, struct cvy_wakelist *list)
{
    struct cvy_task *woken = NULL;

    cvy_lock(&ch->lock);
    int result = send_locked(ch, elem, &woken);
    cvy_unlock(&ch->lock);
    if (woken) {
        cvy_wakelist_add(list, woken);
    }
    return result;
}

int covey_chan_try_send(covey_chan *ch, const void *elem)
{
    struct cvy_thread *th = cvy_enter();
    struct cvy_wakelist list = {0};

    int code = ch ? cvy_chan_try_send(ch, elem, &list) : -EINVAL;
    if (code == 0) {
        CVY_EMIT(cvy_ring_of(th), chan_send, th->task->id, 0, ch);
    }
    cvy_ready_all(th, &list);
    if (code < 0 && code != COVEY_EAGAIN) {
        (void)cvy_fail(th->task, code);
    }
    cvy_leave(th);
    return code;
}

int covey_chan_try_recv(covey_chan *ch, void *elem)
{
    struct cvy_thread *th = cvy_enter();
    struct cvy_task *woken = NULL;
    int code = cvy_unlikely(!ch) ? cvy_fail(th->task, -EINVAL) : 0;

    if (code == 0) {
        cvy_lock(&ch->lock);
        int result = recv_locked(ch, elem, &woken);
        cvy_unlock(&ch->lock);
        if (result == OK) {
            CVY_EMIT(cvy_ring_of(th), chan_recv, th->task->id, 0, ch);
        }
        if (woken) {
            cvy_ready(th, woken);
        }
        code = result == COVEY_EAGAIN ? COVEY_EAGAIN : code_of(th, result);
    }
    cvy_leave(th);
    return code;
}

/* Those who waited when a channel was closed, taken out of its queues at once but woken in batches.
 * Still guarded by the channel's lock: one whose context ends meanwhile takes itself out. */
struct closing {
    struct cvy_node receivers, senders;
};

/* Wakes up to max of them. */
static void close_some_locked(const covey_chan *ch, struct closing *c, struct cvy_wakelist *list,
                              size_t max)
{
    while (list->count < max) {
        struct cvy_waiter *w = cvy_waitq_claim(&c->receivers);
        if (w) {
            zero_elem(ch, w->elem);
        } else if (!(w = cvy_waitq_claim(&c->senders))) {
            break;
        }
        w->result = CLOSED;
        cvy_wakelist_add(list, w->task);
    }
}

static void closing_begin_locked(covey_chan *ch, struct closing *c)
{
    cvy_store_relaxed(&ch->is_closed, true);
    cvy_list_init(&c->receivers);
    cvy_list_init(&c->senders);
    cvy_list_move_all(&c->receivers, &ch->receivers);
    cvy_list_move_all(&c->senders, &ch->senders);
}

void cvy_chan_close(covey_chan *ch, struct cvy_wakelist *list)
{
    struct closing c;

    cvy_lock(&ch->lock);
    if (!cvy_load_relaxed(&ch->is_closed)) {
        closing_begin_locked(ch, &c);
        close_some_locked(ch, &c, list, SIZE_MAX);
    }
    cvy_unlock(&ch->lock);
}

/* Wakes all of them. The lock is let go between two batches, and in the end. */
static void close_all_locked(struct cvy_thread *th, covey_chan *ch, struct closing *c)
{
    struct cvy_wakelist list = {0};
    bool is_last = false;
    bool is_held = false;

    while (!is_last) {
        close_some_locked(ch, c, &list, CLOSE_BATCH);
        /* Once the last are woken the channel may be gone. */
        is_last = cvy_list_is_empty(&c->receivers) && cvy_list_is_empty(&c->senders);
        if (!is_last && !is_held) {
            /* The rest may give up before they are woken, and then it may be gone as well. */
            is_held = covey_chan_ref(ch) != NULL;
        }
        cvy_unlock(&ch->lock);
        cvy_ready_all(th, &list);
        if (!is_last) {
            cvy_lock(&ch->lock);
        }
    }
    if (is_held) {
        covey_chan_unref(ch);
    }
}

int covey_chan_close(covey_chan *ch)
{
    struct cvy_thread *th = cvy_enter();
    struct closing c;
    int code = 0;

    if (!ch) {
        code = cvy_fail(th->task, -EINVAL);
        goto out;
    }
    cvy_lock(&ch->lock);
    if (cvy_load_relaxed(&ch->is_closed)) {
        cvy_unlock(&ch->lock);
        code = cvy_fail(th->task, COVEY_ECLOSED);
        goto out;
    }
    CVY_EMIT(cvy_ring_of(th), chan_close, th->task->id, 0, ch);
    closing_begin_locked(ch, &c);
    close_all_locked(th, ch, &c);
out:
    cvy_leave(th);
    return code;
}

size_t cvy_chan_drain(covey_chan *ch)
{
    cvy_lock(&ch->lock);
    size_t n = cvy_load_relaxed(&ch->len);
    cvy_store_relaxed(&ch->len, 0);
    cvy_unlock(&ch->lock);
    return n;
}

size_t covey_chan_len(const covey_chan *ch)
{
    return ch ? cvy_load_relaxed(&((covey_chan *)(uintptr_t)ch)->len) : 0;
}

size_t covey_chan_cap(const covey_chan *ch)
{
    return ch ? ch->capacity : 0;
}

/* ---- select ---- */

static struct cvy_lock *case_lock(const covey_case *c, int *code)
{
    covey_chan *ch = c->object;
    (void)code;
    return ch ? &ch->lock : NULL;
}

static int case_enqueue_recv(const covey_case *c, struct cvy_waiter *w)
{
    cvy_list_push_tail(&((covey_chan *)c->object)->receivers, &w->node);
    return 0;
}

static int case_enqueue_send(const covey_case *c, struct cvy_waiter *w)
{
    cvy_list_push_tail(&((covey_chan *)c->object)->senders, &w->node);
    return 0;
}

static void case_dequeue(const covey_case *c, struct cvy_waiter *w)
{
    (void)c;
    cvy_waitq_remove(w);
}

static int case_recv_outcome(const covey_case *c, int result)
{
    if (c->ok) {
        *c->ok = result == OK;
    }
    return 0;
}

static int case_send_outcome(const covey_case *c, int result)
{
    if (c->ok) {
        *c->ok = result == OK;
        return 0;
    }
    return result;
}

static bool send_try_locked(const covey_case *c, struct cvy_wakelist *list, int *result)
{
    struct cvy_task *woken = NULL;
    int got = send_locked(c->object, c->elem, &woken);

    if (got == COVEY_EAGAIN) {
        return false;
    }
    if (woken) {
        cvy_wakelist_add(list, woken);
    }
    *result = case_send_outcome(c, got);
    return true;
}

/* An unlocked peek: whether there was a moment at which nothing could be received. Only one of the
 * first two matters: senders wait with the buffer empty only if it has no room at all. Empty is
 * looked at before closed (acquire: not the other way round), since not closed now means not closed
 * then; a close in between takes the senders away, and would otherwise be overlooked. */
static bool was_empty(const covey_chan *ch)
{
    return atomic_load_explicit(&ch->len, memory_order_acquire) == 0 &&
           __atomic_load_n(&ch->senders.next, __ATOMIC_ACQUIRE) == &ch->senders &&
           !cvy_load_relaxed(&ch->is_closed);
}

/* Apart from what finds nothing, which is short. */
__attribute__((noinline)) static bool recv_case_locked(const covey_case *c,
                                                       struct cvy_wakelist *list, int *result)
{
    struct cvy_task *woken = NULL;
    int got = recv_locked(c->object, c->elem, &woken);

    if (got == COVEY_EAGAIN) {
        return false;
    }
    if (woken) {
        cvy_wakelist_add(list, woken);
    }
    *result = case_recv_outcome(c, got);
    return true;
}

static bool recv_try_locked(const covey_case *c, struct cvy_wakelist *list, int *result)
{
    return !was_empty(c->object) && recv_case_locked(c, list, result);
}

__attribute__((noinline)) static bool recv_case(const covey_case *c, struct cvy_wakelist *list,
                                                int *result)
{
    covey_chan *ch = c->object;

    cvy_lock(&ch->lock);
    bool is_done = recv_case_locked(c, list, result);
    cvy_unlock(&ch->lock);
    return is_done;
}

static bool recv_try_now(const covey_case *c, struct cvy_wakelist *list, int *result)
{
    covey_chan *ch = c->object;

    return ch && (CVY_TSAN || !was_empty(ch)) && recv_case(c, list, result);
}

static bool send_try_now(const covey_case *c, struct cvy_wakelist *list, int *result)
{
    covey_chan *ch = c->object;

    if (!ch) {
        return false;
    }
    cvy_lock(&ch->lock);
    bool is_done = send_try_locked(c, list, result);
    cvy_unlock(&ch->lock);
    return is_done;
}

static int recv_woken(const covey_case *c, struct cvy_waiter *w)
{
    return case_recv_outcome(c, w->result);
}

static int send_woken(const covey_case *c, struct cvy_waiter *w)
{
    return case_send_outcome(c, w->result);
}

const struct covey_waitable covey_waitable_recv = {
    .name = "receive",
    .rank = CVY_RANK_CHAN,
    .lock = case_lock,
    .try_now = recv_try_now,
    .try_locked = recv_try_locked,
    .enqueue_locked = case_enqueue_recv,
    .dequeue_locked = case_dequeue,
    .woken = recv_woken,
};

const struct covey_waitable covey_waitable_send = {
    .name = "send",
    .rank = CVY_RANK_CHAN,
    .lock = case_lock,
    .try_now = send_try_now,
    .try_locked = send_try_locked,
    .enqueue_locked = case_enqueue_send,
    .dequeue_locked = case_dequeue,
    .woken = send_woken,
};
