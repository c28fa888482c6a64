/* SPDX-License-Identifier: MIT
 * select.c - waits for the first of several operations (covey/select.h).
 *
 * Each case is tried alone first, in random order. If none is ready, all locks are taken, by rank
 * and address; with them held the cases are tried again and the queues entered, so that no two
 * selects can miss each other, and nobody can claim a select half entered. COVEY_DEFAULT needs the
 * locks too: cases seen one after the other may each be ready while another is looked at. */
#include "base/alloc.h"
#include "os/delay.h"
#include "sched/view.h"
#include "sched/waitable.h"

#include <covey/time.h>

#include <stdio.h>
#include <stdlib.h>

#define CASES_MAX 1024
#define CASES_ON_STACK 4

/* These two are no objects: select itself knows them. */
const struct covey_waitable covey_waitable_after = {.name = "after"};
const struct covey_waitable covey_waitable_default = {.name = "default"};

struct entry {
    struct cvy_lock *lock; /* NULL: the case can never run */
    uint16_t order;        /* entries[order] is the next to lock */
    struct cvy_waiter waiter;
};

struct select {
    const covey_case *cases;
    size_t n;
    struct entry *entries;
    uint16_t *shuffled;
    size_t objects;  /* cases that are neither AFTER nor DEFAULT */
    size_t lockable; /* entries with a lock */
    int after;       /* the shortest COVEY_AFTER, or -1 */
    int fallback;    /* COVEY_DEFAULT, or -1 */
    struct cvy_wakelist list;
};

/* "readable fd 9 to tcp://10.0.0.7:5432": a case without an object is for a descriptor. */
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

void cvy_select_describe(const void *object, char *out, size_t size)
{
    const struct select *s = object;
    size_t at = 0;

    for (size_t i = 0; i < s->n && at < size; i++) {
        const covey_case *c = &s->cases[i];
        const char *comma = i > 0 ? ", " : "";
        const char *name = c->kind->name;
        int n = c->kind == &covey_waitable_after
                    ? snprintf(out + at, size - at, "%s%s %.6g s", comma, name,
                               (double)c->number / (double)COVEY_SEC)
                : c->object ? snprintf(out + at, size - at, "%s%s %p", comma, name, c->object)
                            : describe_fd(c, comma, out + at, size - at);
        at += n > 0 ? (size_t)n : 0;
    }
}

static bool is_object(const covey_case *c)
{
    return c->kind != &covey_waitable_after && c->kind != &covey_waitable_default;
}

static void find_special(struct select *s)
{
    s->after = s->fallback = -1;
    s->objects = 0;
    for (size_t i = 0; i < s->n; i++) {
        const covey_case *c = &s->cases[i];
        if (c->kind == &covey_waitable_after &&
            (s->after < 0 || c->number < s->cases[s->after].number)) {
            s->after = (int)i;
        } else if (c->kind == &covey_waitable_default && s->fallback < 0) {
            s->fallback = (int)i;
        }
        s->objects += is_object(c);
    }
    if (s->fallback >= 0) {
        s->after = -1; /* no time passes */
    }
}

/* Tries each case alone, in random order, shuffling as it goes: a uniform choice among the ready.
 */
static int try_each(struct select *s, struct cvy_thread *th, int *result)
{
    uint64_t seed = th->worker ? 0 : cvy_rand_seed((uint64_t)cvy_clock_now());
    uint64_t *rand = th->worker ? &th->worker->rand : &seed;

    for (size_t i = 0; i < s->n; i++) {
        size_t pick = i + cvy_rand_below(rand, (uint32_t)(s->n - i));
        uint16_t index = s->shuffled[pick];
        s->shuffled[pick] = s->shuffled[i];
        s->shuffled[i] = index;
        const covey_case *c = &s->cases[index];
        if (!is_object(c)) {
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

static bool locks_before(const struct select *s, uint16_t a, uint16_t b)
{
    enum cvy_rank ra = s->cases[a].kind->rank;
    enum cvy_rank rb = s->cases[b].kind->rank;
    return ra != rb ? ra < rb : s->entries[a].lock < s->entries[b].lock;
}

/* Finds the locks and their order; insertion sort, since n is small. */
static int prepare(struct select *s)
{
    int code = 0;

    s->lockable = 0;
    for (size_t i = 0; i < s->n; i++) {
        s->entries[i].waiter.node = (struct cvy_node){0};
        s->entries[i].lock = NULL;
        if (is_object(&s->cases[i])) {
            s->entries[i].lock = s->cases[i].kind->lock(&s->cases[i], &code);
        }
        if (code < 0) {
            return code;
        }
        if (!s->entries[i].lock) {
            continue;
        }
        size_t at = s->lockable++;
        for (; at > 0 && locks_before(s, (uint16_t)i, s->entries[at - 1].order); at--) {
            s->entries[at].order = s->entries[at - 1].order;
        }
        s->entries[at].order = (uint16_t)i;
    }
    return 0;
}

static void lock_all(struct select *s)
{
    struct cvy_lock *last = NULL;

    for (size_t i = 0; i < s->lockable; i++) {
        struct cvy_lock *lock = s->entries[s->entries[i].order].lock;
        if (lock != last) {
            cvy_lock(lock);
        }
        last = lock;
    }
}

static void unlock_all(struct select *s)
{
    struct cvy_lock *last = NULL;

    for (size_t i = 0; i < s->lockable; i++) {
        struct cvy_lock *lock = s->entries[s->entries[i].order].lock;
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
    for (size_t i = 0; i < s->n; i++) {
        struct entry *e = &s->entries[i];
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
    for (size_t i = 0; i < s->n; i++) {
        struct entry *e = &s->entries[i];
        if (!e->lock) {
            continue;
        }
        e->waiter.task = t;
        e->waiter.index = (int32_t)i;
        e->waiter.elem = s->cases[i].elem;
        e->waiter.result = 0;
        int code = s->cases[i].kind->enqueue_locked(&s->cases[i], &e->waiter);
        if (code < 0) {
            return code;
        }
    }
    return 0;
}

/* All locks are held and nothing is ready. Gives the index that woke it, or a code. */
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
    if (s->after >= 0) {
        int64_t at = cvy_time_after(s->cases[s->after].number);
        index = cvy_wait_park_until(thp, ctx, CVY_WAIT_SELECT, s, at, s->after);
    } else {
        index = cvy_wait_park(thp, ctx, CVY_WAIT_SELECT, s);
    }
    leave_all(s, index);
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

    find_special(s);
    int index = try_each(s, *thp, &result);
    if (index >= 0) {
        return finish(*thp, index, result);
    }
    if (s->fallback >= 0 && s->objects <= 1) {
        return s->fallback;
    }
    if (s->after >= 0 && s->cases[s->after].number <= 0) {
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
    return run(s, thp, ctx);
}

int covey_select_n(covey_ctx *ctx, const covey_case *cases, size_t n)
{
    struct cvy_thread *th = cvy_enter();
    struct select s = {.cases = cases, .n = n};

    int index = cvy_ctx_check(th->task, ctx);
    if (index == 0) {
        if (n > CASES_MAX) {
            index = cvy_fail(th->task, -EINVAL);
        } else if (n <= CASES_ON_STACK) {
            index = run_small(&s, &th, ctx);
        } else {
            index = run_large(&s, &th, ctx);
        }
        cvy_ready_all(th, &s.list);
    }
    cvy_leave(th);
    return index;
}
