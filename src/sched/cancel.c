/* SPDX-License-Identifier: MIT
 * cancel.c - see cancel.h. */
#include "sched/recording.h"
#include "sched/wait.h"

#include "trace/emit.h"

void cvy_cancel_hold(struct cvy_cancel *c)
{
    /* Relaxed: who holds already may add a hold. */
    atomic_fetch_add_explicit(&c->holds, 1, memory_order_relaxed);
}

static void leave_above(struct cvy_cancel *c)
{
    struct cvy_cancel *p = c->above;

    if (!p) {
        return;
    }
    cvy_lock(&p->lock);
    if (c->sibling.next) {
        cvy_list_remove(&c->sibling);
    }
    cvy_unlock(&p->lock);
}

void cvy_cancel_unhold(struct cvy_cancel *c)
{
    /* A chain of parents whose last child this was goes in a loop: depth costs no stack. */
    while (c) {
        /* Release: our use happens before the free; acquire by who frees. */
        if (atomic_fetch_sub_explicit(&c->holds, 1, memory_order_acq_rel) != 1) {
            return;
        }
        struct cvy_cancel *parent = c->parent;
        leave_above(c);
        c->free_fn(c);
        c = parent;
    }
}

bool cvy_cancel_end(struct cvy_thread *th, struct cvy_cancel *c)
{
    /* Above holds nothing of c, but may take a hold while c is in its list. Children, timers and
     * standing registrations hold c: without them its lists can no more change. */
    leave_above(c);
    /* Acquire: pairs with the release in cvy_cancel_unhold(). */
    if (cvy_load_acquire(&c->holds) != 1 || !cvy_list_is_empty(&c->waiters) ||
        !cvy_list_is_empty(&c->hooks)) {
        return false;
    }
    if (!cvy_cancel_is_done(c)) {
        CVY_EMIT(cvy_ring_of(th), cancel, 0, 0, c);
    }
    struct cvy_cancel *parent = c->parent;
    c->free_fn(c);
    cvy_cancel_unhold(parent);
    return true;
}

/* A hold unless the last one has gone already. */
static bool try_hold(struct cvy_cancel *c)
{
    uint32_t holds = cvy_load_relaxed(&c->holds);
    while (holds != 0) {
        if (atomic_compare_exchange_weak_explicit(&c->holds, &holds, holds + 1,
                                                  memory_order_relaxed, memory_order_relaxed)) {
            return true;
        }
    }
    return false;
}

static void deadline_passed(struct cvy_timer *timer, struct cvy_wakelist *list)
{
    struct cvy_cancel *c = CVY_CONTAINER_OF(timer, struct cvy_cancel, timer);

    cvy_cancel_fire(c, COVEY_EDEADLINE, 0, list);
    cvy_cancel_unhold(c);
}

static void deadline_dropped(struct cvy_timer *timer)
{
    struct cvy_thread *th = cvy_enter();
    cvy_untimed_add(CVY_CONTAINER_OF(timer, struct cvy_cancel, timer), th);
    cvy_leave(th);
}

/* True: it will not fire, and its hold is the caller's. */
static bool timer_stop(struct cvy_cancel *c)
{
    bool has_own_deadline =
        c->deadline != CVY_NEVER && !(c->above && c->above->deadline == c->deadline);

    if (!has_own_deadline) {
        return false;
    }
    if (cvy_timer_cancel(&c->timer)) {
        return true;
    }
    /* With a home it is being called. Without one it waits for a runtime, if that has not just come
     * and armed it. */
    return !cvy_load_relaxed(&c->timer.home) &&
           (cvy_untimed_remove(c) || cvy_timer_cancel(&c->timer));
}

void cvy_cancel_init(struct cvy_cancel *c)
{
    cvy_store_relaxed(&c->holds, 1);
    cvy_store_relaxed(&c->users, 1);
    cvy_store_relaxed(&c->done, 0);
    c->cause = 0;
    cvy_store_relaxed(&c->settled, 0);
    cvy_lock_init(&c->lock, CVY_RANK_CANCEL);
    cvy_list_init(&c->waiters);
    cvy_list_init(&c->hooks);
    cvy_list_init(&c->children);
    c->sibling = (struct cvy_node){0};
    c->timer = (struct cvy_timer){.call = deadline_passed, .drop = deadline_dropped};
    c->is_untimed = false;
    if (c->parent) {
        cvy_cancel_hold(c->parent);
    }
}

/* Takes the deadline of above if that is the earlier; whether c has one of its own. */
static bool inherit_deadline(struct cvy_cancel *c)
{
    struct cvy_cancel *above = c->above;

    if (above && above->deadline <= c->deadline) {
        c->deadline = above->deadline;
        c->site = above->site;
        c->timeout_ns = above->timeout_ns;
        return false;
    }
    return c->deadline != CVY_NEVER;
}

void cvy_cancel_attach(struct cvy_cancel *c, struct cvy_thread *th)
{
    struct cvy_cancel *above = c->above;
    bool has_own_deadline = inherit_deadline(c);
    int done = 0;
    int cause = 0;

    if (has_own_deadline && c->deadline <= cvy_clock_now()) {
        done = COVEY_EDEADLINE;
    }
    if (above) {
        cvy_lock(&above->lock);
        if (cvy_load_relaxed(&above->done)) {
            done = cvy_load_relaxed(&above->done);
            cause = above->cause;
        } else if (!done) {
            cvy_list_push_tail(&above->children, &c->sibling);
        }
        cvy_unlock(&above->lock);
    }
    if (done) {
        /* Nobody else knows c yet. */
        c->cause = cause ? cause : done;
        cvy_store_relaxed(&c->settled, 1);
        cvy_store_release(&c->done, done);
        return;
    }
    if (has_own_deadline) {
        cvy_cancel_hold(c);
        if (!cvy_timer_add(th, &c->timer, c->deadline)) {
            cvy_untimed_add(c, th);
        } else if (cvy_cancel_is_done(c) && cvy_timer_cancel(&c->timer)) {
            /* above has ended it since it entered the list, before there was a timer to stop. */
            cvy_cancel_unhold(c);
        }
    }
}

/* A list of contexts, linked by next. */
struct chain {
    struct cvy_cancel *head, **tail;
};

/* Whether a wait other than the caller's own may have to be woken. */
static bool has_waiters_locked(struct cvy_cancel *c, struct cvy_task *self)
{
    struct cvy_waiter *first = cvy_waitq_first(&c->waiters);
    return first && (first->task != self || first->node.next != &c->waiters);
}

/* Marks c done and moves its children, held, to the chain. False: it was done. */
static bool mark_done(struct cvy_cancel *c, int err, int cause, struct cvy_task *self,
                      struct chain *children, bool *has_waiters)
{
    cvy_lock(&c->lock);
    if (cvy_load_relaxed(&c->done) != 0) {
        cvy_unlock(&c->lock);
        return false;
    }
    c->cause = cause ? cause : err;
    /* Release: cause, to the acquire of who sees done. */
    cvy_store_release(&c->done, err);
    *has_waiters |= has_waiters_locked(c, self);
    for (struct cvy_node *n; (n = cvy_list_pop_head(&c->children)) != NULL;) {
        struct cvy_cancel *child = CVY_CONTAINER_OF(n, struct cvy_cancel, sibling);
        /* A child on its way out needs no cancelling; it waits for our lock to leave the list. */
        if (try_hold(child)) {
            child->next = NULL;
            *children->tail = child;
            children->tail = &child->next;
        }
    }
    cvy_unlock(&c->lock);
    return true;
}

static void wake_waiters(struct cvy_cancel *c, struct cvy_wakelist *list)
{
    cvy_lock(&c->lock);
    for (struct cvy_node *n; (n = cvy_list_pop_head(&c->waiters)) != NULL;) {
        struct cvy_waiter *w = CVY_CONTAINER_OF(n, struct cvy_waiter, node);
        /* A standing registration counts only for a wait that is under this context. */
        bool claimed =
            w->index == CVY_INDEX_CTX
                ? cvy_claim_from_ctx(w->task, CVY_CLAIM_TAKEN | CVY_INDEX_CTX << CVY_CLAIM_SHIFT)
                : cvy_claim(w->task, w->index);
        if (claimed) {
            cvy_wakelist_add(list, w->task);
        }
    }
    cvy_unlock(&c->lock);
}

static void call_hooks(struct cvy_cancel *c, struct cvy_wakelist *list)
{
    for (;;) {
        cvy_lock(&c->lock);
        struct cvy_node *n = cvy_list_pop_head(&c->hooks);
        cvy_unlock(&c->lock);
        if (!n) {
            return;
        }
        struct cvy_cancel_hook *h = CVY_CONTAINER_OF(n, struct cvy_cancel_hook, node);
        h->fn(h, list);
    }
}

/* The second half for one context, after the membarrier. */
static void finish(struct cvy_cancel *c, struct cvy_wakelist *list)
{
    wake_waiters(c, list);
    call_hooks(c, list);
    cvy_store_release(&c->settled, 1);
    if (timer_stop(c)) {
        cvy_cancel_unhold(c);
    }
}

void cvy_cancel_fire(struct cvy_cancel *c, int err, int cause, struct cvy_wakelist *list)
{
    /* Mark the whole tree, breadth first and in a list, since depth must cost no stack; then one
     * membarrier for all; then wake. Only who marked a context wakes its waiters: anybody else
     * could look at their claims before that membarrier. */
    struct chain below = {.head = NULL, .tail = &below.head};
    struct cvy_cancel *won = NULL;
    struct cvy_task *self = cvy_task_self();
    bool has_waiters = false;

    if (cvy_cancel_is_done(c) || !mark_done(c, err, cause, self, &below, &has_waiters)) {
        return;
    }
    CVY_EMIT(cvy_ring_of(cvy_thread_self()), cancel, cause, 0, c);
    for (struct cvy_cancel *i; (i = below.head) != NULL;) {
        bool is_marked = mark_done(i, err, c->cause, self, &below, &has_waiters);
        below.head = i->next;
        if (!below.head) {
            below.tail = &below.head;
        }
        if (is_marked) {
            i->next = won;
            won = i;
        } else {
            cvy_cancel_unhold(i);
        }
    }
    if (has_waiters) {
        /* Pairs with the light fence in cvy_wait_park(). */
        CVY_WINDOW();
        cvy_membarrier();
    }
    CVY_WINDOW();
    leave_above(c);
    finish(c, list);
    for (struct cvy_cancel *i = won, *next; i; i = next) {
        next = i->next;
        finish(i, list);
        cvy_cancel_unhold(i);
    }
}

void cvy_cancel_expire(struct cvy_cancel *c)
{
    struct cvy_thread *th = cvy_enter();
    struct cvy_wakelist list = {0};

    while (c->above && c->above->deadline == c->deadline) {
        c = c->above;
    }
    cvy_cancel_fire(c, COVEY_EDEADLINE, 0, &list);
    cvy_ready_all(th, &list);
    cvy_leave(th);
}

bool cvy_cancel_hook_add(struct cvy_cancel *c, struct cvy_cancel_hook *h)
{
    cvy_lock(&c->lock);
    bool is_open = !cvy_cancel_is_done(c);
    if (is_open) {
        cvy_list_push_tail(&c->hooks, &h->node);
    }
    cvy_unlock(&c->lock);
    return is_open;
}

bool cvy_cancel_hook_remove(struct cvy_cancel *c, struct cvy_cancel_hook *h)
{
    cvy_lock(&c->lock);
    bool is_in = h->node.next != NULL;
    if (is_in) {
        cvy_list_remove(&h->node);
    }
    cvy_unlock(&c->lock);
    return is_in;
}

void cvy_cancel_unregister_slow(struct cvy_task *t)
{
    struct cvy_cancel *c = t->registered;

    cvy_lock(&c->lock);
    cvy_waitq_remove(&t->ctx_waiter);
    cvy_unlock(&c->lock);
    t->registered = NULL;
    cvy_cancel_unhold(c);
}
