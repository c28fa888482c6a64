/* SPDX-License-Identifier: MIT
 * select.c - waits for the first of several operations (covey/select.h).
 *
 * Each case is tried alone first, in random order. If none is ready, all locks are taken, by rank
 * and address; with them held the cases are tried again and the queues entered, so that no two
 * selects can miss each other, and nobody can claim a select half entered. COVEY_DEFAULT needs the
 * locks too: cases seen one after the other may each be ready while another is looked at. */
#include "base/alloc.h"
#include "chan/named.h"
#include "os/delay.h"
#include "sched/cancel.h"
#include "sched/recording.h"
#include "sched/view.h"
#include "sched/waitable.h"

#include <covey/time.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CASES_MAX 1024
#define CASES_ON_STACK 4

/* These two are no objects: select itself knows them. */
const struct covey_waitable covey_waitable_after = {.name = "after"};
const struct covey_waitable covey_waitable_default = {.name = "default"};

struct entry {
    struct cvy_lock *lock; /* NULL: the case can never run */
    struct entry *next;    /* whose lock comes next */
    struct cvy_waiter waiter;
};

struct select {
    const covey_case *cases;
    size_t n;
    struct entry *entries;
    uint16_t *shuffled;
    struct entry *first, *last; /* of those with a lock, in the order of the locks */
    size_t objects;             /* cases that are neither AFTER nor DEFAULT */
    int after;                  /* the shortest COVEY_AFTER, or -1 */
    int fallback;               /* COVEY_DEFAULT, or -1 */
    struct cvy_wakelist list;
};

/* "readable fd 9 to tcp://10.0.0.7:5432" */
static int describe_fd(const covey_case *c, const char *comma, char *out, size_t size)
{
    int fd = (int)c->number;
    char text[80] = "";

    if (cvy_fd_describe) {
        cvy_fd_describe(&fd, text, sizeof(text));
    }
    return text[0] ? snprintf(out, size, "%s%s %s", comma, c->kind->name, text)
                   : snprintf(out, size, "%s%s %d", comma, c->kind->name, fd);
}

#define MORE_SIZE sizeof(", and 1024 more")

static int describe_case(const covey_case *c, const char *comma, char *out, size_t size)
{
    const char *name = c->kind->name;

    if (c->kind == &covey_waitable_after) {
        return snprintf(out, size, "%s%s %.6g s", comma, name,
                        (double)c->number / (double)COVEY_SEC);
    }
    if (c->kind->rank == CVY_RANK_FD) {
        return describe_fd(c, comma, out, size);
    }
    if (!c->object) {
        return snprintf(out, size, "%s%s NULL", comma, name);
    }
    char text[CVY_CHAN_NAME_TEXT] = "";
    if (c->kind == &covey_waitable_recv || c->kind == &covey_waitable_send) {
        (void)cvy_chan_named_print(c->object, text, sizeof(text));
    }
    return snprintf(out, size, text[0] ? "%s%s %p %s" : "%s%s %p%s", comma, name, c->object, text);
}

void cvy_select_describe(const void *object, char *out, size_t size)
{
    const struct select *s = object;
    size_t at = 0;

    (void)snprintf(out, size, "no case");
    for (size_t i = 0; i < s->n; i++) {
        char text[160];
        size_t n = (size_t)describe_case(&s->cases[i], i > 0 ? ", " : "", text, sizeof(text));
        bool is_last = i + 1 == s->n;
        /* None is cut in half: half an address is another one. */
        if (at + n + (is_last ? 1 : MORE_SIZE) > size) {
            (void)snprintf(out + at, size - at, ", and %zu more", s->n - i);
            return;
        }
        memcpy(out + at, text, n + 1);
        at += n;
    }
}

static bool is_object(const covey_case *c)
{
    return c->kind->try_now != NULL;
}

/* A case on no object never runs. */
const void *cvy_select_joins(const void *object)
{
    const struct select *s = object;
    const void *group = NULL;

    for (size_t i = 0; i < s->n; i++) {
        const covey_case *c = &s->cases[i];
        if (c->kind->rank == CVY_RANK_GROUP && (!group || group == c->object)) {
            group = c->object;
        } else if (s->entries[i].lock || !is_object(c)) {
            return NULL;
        }
    }
    return group;
}

/* A case that is no object. */
static void note_special(struct select *s, uint16_t index)
{
    const covey_case *c = &s->cases[index];

    s->objects--;
    if (c->kind == &covey_waitable_default) {
        s->fallback = s->fallback < 0 || index < s->fallback ? index : s->fallback;
    } else if (s->after < 0 || c->number < s->cases[s->after].number) {
        s->after = index;
    }
}

/* Tries each case alone, in random order, shuffling as it goes: a uniform choice among the ready.
 * If none is, all have been seen, those too that are no objects. */
static int try_each(struct select *s, struct cvy_thread *th, int *result)
{
    uint64_t seed = th->worker ? 0 : cvy_rand_seed((uint64_t)cvy_clock_now());
    uint64_t *rand = th->worker ? &th->worker->rand : &seed;
    uint16_t *shuffled = s->shuffled;
    uint64_t draw = 0;

    for (size_t i = 0, n = s->n; i < n; i++) {
        if (i % 4 == 0) {
            draw = cvy_rand_next(rand);
        }
        size_t pick = i + cvy_rand_share(&draw, (uint32_t)(n - i));
        uint16_t index = shuffled[pick];
        shuffled[pick] = shuffled[i];
        shuffled[i] = index;
        const covey_case *c = &s->cases[index];
        if (!is_object(c)) {
            note_special(s, index);
            continue;
        }
        if (c->kind->try_now(c, &s->list, result)) {
            return index;
        }
        CVY_WINDOW_NAMED(CVY_WINDOW_SELECT);
    }
    return -1;
}

/* With all locks held: the order drawn before is as good as another. */
static int try_all_locked(struct select *s, int *result)
{
    for (size_t i = 0; i < s->n; i++) {
        uint16_t index = s->shuffled[i];
        const covey_case *c = &s->cases[index];
        if (s->entries[index].lock && c->kind->try_locked(c, &s->list, result)) {
            return index;
        }
    }
    return -1;
}

static bool locks_before(const struct select *s, const struct entry *a, const struct entry *b)
{
    enum cvy_rank ra = s->cases[a->waiter.index].kind->rank;
    enum cvy_rank rb = s->cases[b->waiter.index].kind->rank;
    return ra != rb ? ra < rb : a->lock < b->lock;
}

/* Puts e in the order of the locks. Mostly they come in it, or the other way round. */
static void put_in_order(struct select *s, struct entry *e)
{
    struct entry **at = &s->first;

    if (s->last && !locks_before(s, e, s->last)) {
        at = &s->last->next;
    }
    while (*at && !locks_before(s, e, *at)) {
        at = &(*at)->next;
    }
    e->next = *at;
    *at = e;
    if (!e->next) {
        s->last = e;
    }
}

/* Finds the locks and their order. */
static int prepare(struct select *s)
{
    int code = 0;

    s->first = s->last = NULL;
    for (size_t i = 0, n = s->n; i < n; i++) {
        const covey_case *c = &s->cases[i];
        struct entry *e = &s->entries[i];
        e->lock = is_object(c) ? c->kind->lock(c, &code) : NULL;
        if (code < 0) {
            return code;
        }
        if (e->lock) {
            e->waiter.node = (struct cvy_node){0};
            e->waiter.index = (int32_t)i;
            put_in_order(s, e);
        }
    }
    return 0;
}

static void lock_all(struct select *s)
{
    struct cvy_lock *last = NULL;

    for (struct entry *e = s->first; e; e = e->next) {
        struct cvy_lock *lock = e->lock;
        if (lock != last) {
            cvy_lock(lock);
        }
        last = lock;
    }
}

static void unlock_all(struct select *s)
{
    struct cvy_lock *last = NULL;

    for (struct entry *e = s->first; e; e = e->next) {
        struct cvy_lock *lock = e->lock;
        if (lock != last) {
            cvy_unlock(lock);
        }
        last = lock;
    }
}

/* Leaves every queue that was entered, taking each lock in turn. That of the case that woke it (-1:
 * none did) mostly was left by who woke it, before the claim; nobody else looks at that waiter. */
static void leave_all(struct select *s, int32_t woken)
{
    for (size_t i = 0, n = s->n; i < n; i++) {
        struct entry *e = &s->entries[i];
        /* NOLINTNEXTLINE(clang-analyzer-core.uninitialized.Assign): who woke it was in its queue */
        bool has_left =
            (int32_t)i == woken && !s->cases[i].kind->keeps_woken && !e->waiter.node.next;
        if (e->lock && !has_left) {
            cvy_lock(e->lock);
            s->cases[i].kind->dequeue_locked(&s->cases[i], &e->waiter);
            cvy_unlock(e->lock);
        }
    }
}

static int enter_all(struct select *s, struct cvy_task *t)
{
    for (size_t i = 0, n = s->n; i < n; i++) {
        const covey_case *c = &s->cases[i];
        struct entry *e = &s->entries[i];
        if (!e->lock) {
            continue;
        }
        e->waiter.task = t;
        e->waiter.elem = c->elem;
        e->waiter.result = 0;
        int code = c->kind->enqueue_locked(c, &e->waiter);
        if (code < 0) {
            return code;
        }
    }
    return 0;
}

/* All locks are held and nothing is ready. Gives the index that woke it, or a code. */
static struct cvy_cancel *end_of(const covey_case *c)
{
    return c->kind == &covey_waitable_done ? cvy_ctx_cancel_of(c->object) : NULL;
}

/* The case that time makes ready first, and when; -1: none. A plain thread keeps the time of the
 * contexts it waits for by itself: the runtime may end meanwhile, and its timers with it. */
static int find_timed(const struct select *s, const struct cvy_thread *th, int64_t *at_ns)
{
    bool keeps_time = th->task->is_foreign && !th->is_pool;
    int timed = s->after;

    *at_ns = timed >= 0 ? cvy_time_after(s->cases[timed].number) : CVY_NEVER;
    for (size_t i = 0; keeps_time && i < s->n; i++) {
        struct cvy_cancel *end = end_of(&s->cases[i]);
        if (end && end->deadline < *at_ns) {
            *at_ns = end->deadline;
            timed = (int)i;
        }
    }
    return timed;
}

static int wait_locked(struct select *s, struct cvy_thread **thp, covey_ctx *ctx)
{
    struct cvy_thread *th = *thp;
    struct cvy_task *t = th->task;
    int32_t index;

    int code = cvy_wait_open(t, ctx);
    if (code < 0) {
        unlock_all(s);
        return code;
    }
    code = enter_all(s, t);
    unlock_all(s);
    if (code < 0 && cvy_claim(t, 0)) {
        /* A descriptor that cannot be watched, and nobody has woken us meanwhile. */
        cvy_store_relaxed(&t->claim, CVY_CLAIM_CLOSED);
        leave_all(s, -1);
        return cvy_fail(t, code);
    }
    int64_t at;
    int timed = find_timed(s, th, &at);
    if (timed >= 0) {
        index = cvy_wait_park_until(thp, ctx, CVY_WAIT_SELECT, s, at, timed);
    } else {
        index = cvy_wait_park(thp, ctx, CVY_WAIT_SELECT, s);
    }
    struct cvy_cancel *late = index >= 0 && index == timed ? end_of(&s->cases[index]) : NULL;
    /* Without its lock a queue that nobody took us out of must not be looked at. */
    leave_all(s, late ? -1 : index);
    if (late && !cvy_cancel_is_done(late)) { /* it was the time, and we are its clock */
        cvy_leave(*thp);
        cvy_cancel_expire(late);
        *thp = cvy_enter();
    }
    code = cvy_wait_error(t, ctx, index);
    return code < 0 ? code : index;
}

static int finish(struct cvy_thread *th, int index, int result)
{
    return result < 0 ? cvy_fail(th->task, result) : index;
}

static int run(struct select *s, struct cvy_thread **thp, covey_ctx *ctx)
{
    int result = 0;

    int index = try_each(s, *thp, &result);
    if (index >= 0) {
        return finish(*thp, index, result);
    }
    if (s->fallback >= 0 && s->objects <= 1) {
        return s->fallback;
    }
    /* No time passes before a COVEY_DEFAULT. */
    if (s->fallback < 0 && s->after >= 0 && s->cases[s->after].number <= 0) {
        return s->after;
    }
    int code = prepare(s);
    if (code < 0) {
        return cvy_fail((*thp)->task, code);
    }
    /* With the locks held the standing registration could not be changed. */
    code = s->fallback < 0 ? cvy_wait_register((*thp)->task, ctx) : 0;
    if (code < 0) {
        return code;
    }
    lock_all(s);
    index = try_all_locked(s, &result);
    if (index < 0) {
        index = s->fallback;
    }
    if (index >= 0) {
        unlock_all(s);
        return finish(*thp, index, result);
    }
    index = wait_locked(s, thp, ctx);
    if (index >= 0 && is_object(&s->cases[index])) {
        result = s->cases[index].kind->woken(&s->cases[index], &s->entries[index].waiter);
    }
    return finish(*thp, index, result);
}

__attribute__((noinline)) static int run_large(struct select *s, struct cvy_thread **thp,
                                               covey_ctx *ctx)
{
    s->entries = cvy_alloc(s->n * (sizeof(*s->entries) + sizeof(*s->shuffled)));
    if (!s->entries) {
        return cvy_fail((*thp)->task, -ENOMEM);
    }
    s->shuffled = (uint16_t *)(s->entries + s->n);
    for (size_t i = 0; i < s->n; i++) {
        s->shuffled[i] = (uint16_t)i;
    }
    int index = run(s, thp, ctx);
    free(s->entries);
    return index;
}

__attribute__((noinline)) static int run_small(struct select *s, struct cvy_thread **thp,
                                               covey_ctx *ctx)
{
    struct entry entries[CASES_ON_STACK];
    uint16_t shuffled[CASES_ON_STACK] = {0, 1, 2, 3};

    s->entries = entries;
    s->shuffled = shuffled;
    /* NOLINTNEXTLINE(clang-analyzer-core.StackAddressEscape): that was their last use */
    return run(s, thp, ctx);
}

/* What was sent or received is recorded as of a call. */
__attribute__((noinline)) static void emit_chosen(const struct cvy_thread *th, const covey_case *c)
{
    if (c->kind == &covey_waitable_recv) {
        CVY_EMIT(cvy_ring_of(th), chan_recv, th->task->id, 0, c->object);
    } else if (c->kind == &covey_waitable_send) {
        CVY_EMIT(cvy_ring_of(th), chan_send, th->task->id, 0, c->object);
    }
}

int covey_select_n(covey_ctx *ctx, const covey_case *cases, size_t n)
{
    struct cvy_thread *th = cvy_enter();
    struct select s = {.cases = cases, .n = n, .objects = n, .after = -1, .fallback = -1};

    int index = cvy_ctx_check(th->task, ctx);
    if (index == 0) {
        if (n > CASES_MAX) {
            index = cvy_fail(th->task, -EINVAL);
        } else if (n <= CASES_ON_STACK) {
            index = run_small(&s, &th, ctx);
        } else {
            index = run_large(&s, &th, ctx);
        }
        if (CVY_TRACES(chan_recv) && index >= 0) {
            emit_chosen(th, &cases[index]);
        }
        cvy_ready_all(th, &s.list);
    }
    cvy_leave(th);
    return index;
}
