/* SPDX-License-Identifier: MIT
 * sync_test.c - mutex, rwmutex, waitgroup, once, cond, sem. Situations from Go's sync tests and
 * x/sync/semaphore's, and what cancellation adds: a lock, permit or signal is never lost. */
#include "support.h"

/* One blocking call made by a task of its own. */
struct call {
    covey_ctx *ctx;
    covey_mutex *mutex;
    covey_rwmutex *rw;
    covey_waitgroup *wg;
    covey_cond *cond;
    covey_sem *sem;
    int64_t n;
    covey_chan *go_on; /* received from before it releases again, if there is one */
    int result;
    atomic_int ended; /* the call came back */
};

static int came_back(struct call *c, int result)
{
    c->result = result;
    atomic_store(&c->ended, 1);
    if (result == 0 && c->go_on) {
        CHECK_EQ(covey_chan_recv(NULL, c->go_on, NULL), 0);
    }
    return result;
}

static void await_end(struct call *c)
{
    while (!atomic_load(&c->ended)) {
        covey_yield();
    }
}

static void go_on(covey_chan *ch)
{
    CHECK_EQ(covey_chan_send(NULL, ch, NULL), 0);
}

/* Mutex. */

static int lock_task(covey_ctx *ctx, void *arg)
{
    struct call *c = arg;

    (void)ctx;
    if (came_back(c, covey_mutex_lock_ctx(c->ctx, c->mutex)) == 0) {
        covey_mutex_unlock(c->mutex);
    }
    return 0;
}

static covey_mutex global_mutex;

TASK_TEST(a_mutex_is_ready_from_zero_anywhere)
{
    covey_mutex local = {0}, *heap = calloc(1, sizeof(*heap));
    covey_mutex *all[] = {&local, heap, &global_mutex};

    for (int i = 0; i < 3; i++) {
        covey_mutex_lock(all[i]);
        CHECK(!covey_mutex_try_lock(all[i]));
        covey_mutex_unlock(all[i]);
        CHECK(covey_mutex_try_lock(all[i]));
        covey_mutex_unlock(all[i]);
        CHECK_EQ(covey_mutex_lock_ctx(ctx, all[i]), 0);
        covey_mutex_unlock(all[i]);
    }
    free(heap);
}

struct counter {
    covey_mutex mutex;
    covey_rwmutex rw;
    int plain, turns;
};

static int count_locked(covey_ctx *ctx, void *arg)
{
    struct counter *c = arg;

    for (int i = 0; i < c->turns; i++) {
        if (i % 7 == 0) {
            while (!covey_mutex_try_lock(&c->mutex)) {
                covey_yield();
            }
        } else if (i % 3 == 0) {
            CHECK_EQ(covey_mutex_lock_ctx(ctx, &c->mutex), 0);
        } else {
            covey_mutex_lock(&c->mutex);
        }
        c->plain++;
        if (i % 50 == 0) {
            covey_yield(); /* holding it */
        }
        covey_mutex_unlock(&c->mutex);
    }
    return 0;
}

TASK_TEST(a_mutex_excludes)
{
    struct counter c = {.turns = 1000};
    covey_group *g = covey_group_new(ctx);

    for (int i = 0; i < 10; i++) {
        GO(g, count_locked, &c);
    }
    JOIN(g);
    CHECK_EQ(c.plain, 10000);
}

TASK_TEST(lock_waits_until_unlock)
{
    covey_mutex m = {0};
    covey_group *g = covey_group_new(ctx);
    struct call c = {.mutex = &m, .result = 1};

    covey_mutex_lock(&m);
    GO(g, lock_task, &c);
    settle();
    CHECK_EQ(atomic_load(&c.ended), 0);
    covey_mutex_unlock(&m);
    JOIN(g);
    CHECK_EQ(c.result, 0);
}

static int unlock_task(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    covey_mutex_unlock(arg);
    return 0;
}

TASK_TEST(another_task_may_unlock)
{
    covey_mutex m = {0};
    covey_group *g = covey_group_new(ctx);

    covey_mutex_lock(&m);
    GO(g, unlock_task, &m);
    covey_mutex_lock(&m);
    JOIN(g);
    covey_mutex_unlock(&m);
}

TASK_TEST(a_done_context_does_not_lock)
{
    covey_ctx *done = done_ctx(COVEY_ECANCELED), *late = done_ctx(COVEY_EDEADLINE);
    covey_mutex m = {0};

    CHECK_EQ(covey_mutex_lock_ctx(done, &m), COVEY_ECANCELED);
    CHECK_EQ(covey_mutex_lock_ctx(late, &m), COVEY_EDEADLINE);
    CHECK(covey_mutex_try_lock(&m));
    CHECK_EQ(covey_mutex_lock_ctx(done, &m), COVEY_ECANCELED);
    covey_mutex_unlock(&m);
    covey_ctx_unref(done);
    covey_ctx_unref(late);
}

TASK_TEST(cancelling_ends_the_wait_for_a_mutex_and_harms_no_other_waiter)
{
    covey_ctx *c = covey_ctx_with_cancel(ctx);
    covey_mutex m = {0};
    covey_group *g = covey_group_new(NULL);
    struct call a = {.mutex = &m, .ctx = c}, b = {.mutex = &m}, d = {.mutex = &m, .ctx = c};

    covey_mutex_lock(&m);
    go_waiting(g, "first", lock_task, &a);
    go_waiting(g, "second", lock_task, &b);
    go_waiting(g, "third", lock_task, &d);
    covey_ctx_cancel(c);
    await_end(&a);
    await_end(&d);
    CHECK_EQ(a.result, COVEY_ECANCELED);
    CHECK_EQ(d.result, COVEY_ECANCELED);
    settle();
    CHECK_EQ(atomic_load(&b.ended), 0);
    CHECK(!covey_mutex_try_lock(&m));
    covey_mutex_unlock(&m);
    JOIN(g);
    CHECK_EQ(b.result, 0);
    CHECK(covey_mutex_try_lock(&m));
    covey_mutex_unlock(&m);
    covey_ctx_unref(c);
}

TASK_TEST(a_deadline_ends_the_wait_for_a_mutex)
{
    covey_ctx *c = covey_ctx_with_timeout(ctx, COVEY_MS);
    covey_mutex m = {0};

    covey_mutex_lock(&m);
    CHECK_EQ(covey_mutex_lock_ctx(c, &m), COVEY_EDEADLINE);
    covey_mutex_unlock(&m);
    covey_mutex_lock(&m);
    covey_mutex_unlock(&m);
    covey_ctx_unref(c);
}

struct hog {
    covey_mutex mutex;
    atomic_int stop;
};

static int hog_lock(covey_ctx *ctx, void *arg)
{
    struct hog *h = arg;

    (void)ctx;
    while (!atomic_load(&h->stop)) {
        covey_mutex_lock(&h->mutex);
        CHECK_EQ(covey_sleep(NULL, 100 * COVEY_US), 0);
        covey_mutex_unlock(&h->mutex);
    }
    return 0;
}

/* Go's TestMutexFairness: a handed-over lock comes through though another takes it at once again.
 */
TASK_TEST(a_waiter_is_not_starved_by_a_hog)
{
    struct hog h = {.stop = 0};
    covey_group *g = covey_group_new(ctx);

    GO(g, hog_lock, &h);
    for (int i = 0; i < 20; i++) {
        CHECK_EQ(covey_sleep(NULL, 100 * COVEY_US), 0);
        covey_mutex_lock(&h.mutex);
        covey_mutex_unlock(&h.mutex);
    }
    atomic_store(&h.stop, 1);
    JOIN(g);
}

TASK_TEST(many_mutexes_at_once)
{
    enum { N = 500 };
    static covey_mutex m[N];
    static struct call c[N];
    covey_group *g = covey_group_new(ctx);

    for (int i = 0; i < N; i++) {
        covey_mutex_lock(&m[i]);
        c[i] = (struct call){.mutex = &m[i]};
        GO(g, lock_task, &c[i]);
    }
    settle();
    for (int i = N - 1; i >= 0; i--) {
        CHECK_EQ(atomic_load(&c[i].ended), 0);
        covey_mutex_unlock(&m[i]);
    }
    JOIN(g);
}

/* Read-write mutex. */

static int rlock_task(covey_ctx *ctx, void *arg)
{
    struct call *c = arg;

    (void)ctx;
    if (came_back(c, covey_rwmutex_rlock_ctx(c->ctx, c->rw)) == 0) {
        covey_rwmutex_runlock(c->rw);
    }
    return 0;
}

static int wlock_task(covey_ctx *ctx, void *arg)
{
    struct call *c = arg;

    (void)ctx;
    if (came_back(c, covey_rwmutex_lock_ctx(c->ctx, c->rw)) == 0) {
        covey_rwmutex_unlock(c->rw);
    }
    return 0;
}

TASK_TEST(many_readers_or_one_writer)
{
    covey_rwmutex rw = {0};

    covey_rwmutex_rlock(&rw);
    CHECK(covey_rwmutex_try_rlock(&rw));
    CHECK_EQ(covey_rwmutex_rlock_ctx(ctx, &rw), 0);
    CHECK(!covey_rwmutex_try_lock(&rw));
    covey_rwmutex_runlock(&rw);
    covey_rwmutex_runlock(&rw);
    CHECK(!covey_rwmutex_try_lock(&rw));
    covey_rwmutex_runlock(&rw);
    CHECK(covey_rwmutex_try_lock(&rw));
    CHECK(!covey_rwmutex_try_lock(&rw));
    CHECK(!covey_rwmutex_try_rlock(&rw));
    covey_rwmutex_unlock(&rw);
    covey_rwmutex_lock(&rw);
    CHECK(!covey_rwmutex_try_rlock(&rw));
    covey_rwmutex_unlock(&rw);
    CHECK_EQ(covey_rwmutex_lock_ctx(ctx, &rw), 0);
    covey_rwmutex_unlock(&rw);
}

TASK_TEST(readers_are_inside_together)
{
    enum { N = 10 };
    covey_rwmutex rw = {0};
    covey_group *g = covey_group_new(ctx);
    struct call c[N];
    covey_chan *go = covey_chan_new(0, 0);

    for (int i = 0; i < N; i++) {
        c[i] = (struct call){.rw = &rw, .go_on = go};
        GO(g, rlock_task, &c[i]);
    }
    for (int i = 0; i < N; i++) {
        await_end(&c[i]); /* all of them hold it */
    }
    CHECK(!covey_rwmutex_try_lock(&rw));
    for (int i = 0; i < N; i++) {
        go_on(go);
    }
    JOIN(g);
    CHECK(covey_rwmutex_try_lock(&rw));
    covey_rwmutex_unlock(&rw);
    covey_chan_unref(go);
}

static int read_or_write(covey_ctx *ctx, void *arg)
{
    struct counter *c = arg;

    (void)ctx;
    for (int i = 0; i < c->turns; i++) {
        if (i % 5 == 0) {
            covey_rwmutex_lock(&c->rw);
            c->plain += 2;
            if (i % 50 == 0) {
                covey_yield();
            }
            covey_rwmutex_unlock(&c->rw);
        } else {
            int seen;

            covey_rwmutex_rlock(&c->rw);
            seen = c->plain;
            if (i % 50 == 1) {
                covey_yield();
            }
            CHECK_EQ(c->plain, seen);
            covey_rwmutex_runlock(&c->rw);
        }
    }
    return 0;
}

TASK_TEST(readers_never_see_a_writer_at_work)
{
    struct counter c = {.turns = 500};
    covey_group *g = covey_group_new(ctx);

    for (int i = 0; i < 10; i++) {
        GO(g, read_or_write, &c);
    }
    JOIN(g);
    CHECK_EQ(c.plain, 10 * 100 * 2);
}

TASK_TEST(a_waiting_writer_stops_new_readers)
{
    covey_rwmutex rw = {0};
    covey_group *g = covey_group_new(ctx);
    struct call w = {.rw = &rw}, r = {.rw = &rw};

    covey_rwmutex_rlock(&rw);
    go_waiting(g, "writer", wlock_task, &w);
    CHECK(!covey_rwmutex_try_rlock(&rw));
    go_waiting(g, "reader", rlock_task, &r);
    covey_rwmutex_runlock(&rw);
    JOIN(g);
    CHECK(covey_rwmutex_try_lock(&rw));
    covey_rwmutex_unlock(&rw);
}

static int serve_in_turn(covey_ctx *ctx, void *arg)
{
    covey_rwmutex rw = {0};
    covey_group *g = covey_group_new(ctx);
    covey_chan *go = covey_chan_new(0, 0);
    struct call w1 = {.rw = &rw, .go_on = go}, r2 = w1, r3 = w1, w4 = w1, r5 = w1;

    (void)arg;
    covey_rwmutex_lock(&rw);
    go_waiting(g, "writer-1", wlock_task, &w1);
    go_waiting(g, "reader-2", rlock_task, &r2);
    go_waiting(g, "reader-3", rlock_task, &r3);
    go_waiting(g, "writer-4", wlock_task, &w4);
    go_waiting(g, "reader-5", rlock_task, &r5);
    covey_rwmutex_unlock(&rw);
    await_end(&w1);
    settle();
    CHECK_EQ(atomic_load(&r2.ended) + atomic_load(&r3.ended) + atomic_load(&w4.ended), 0);
    go_on(go);
    await_end(&r2); /* the two that stand together come in together */
    await_end(&r3);
    settle();
    CHECK_EQ(atomic_load(&w4.ended) + atomic_load(&r5.ended), 0);
    go_on(go);
    settle();
    CHECK_EQ(atomic_load(&w4.ended), 0);
    go_on(go);
    await_end(&w4);
    settle();
    CHECK_EQ(atomic_load(&r5.ended), 0);
    go_on(go);
    go_on(go);
    JOIN(g);
    covey_chan_unref(go);
    return 0;
}

TASK_TEST(readers_and_writers_are_served_first_come_first_served)
{
    CHECK_EQ(serve_in_turn(ctx, NULL), 0);
}

/* In virtual time nobody waits for so long that the lock is handed over: each is woken to compete.
 */
TEST(woken_readers_and_writers_come_in_first_come_first_served)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        CHECK_EQ(covey_test_run(seed, serve_in_turn, NULL), 0);
    }
}

struct rw_hog {
    covey_rwmutex rw;
    atomic_int stop;
};

static int hog_write(covey_ctx *ctx, void *arg)
{
    struct rw_hog *h = arg;

    (void)ctx;
    while (!atomic_load(&h->stop)) {
        covey_rwmutex_lock(&h->rw);
        CHECK_EQ(covey_sleep(NULL, 100 * COVEY_US), 0);
        covey_rwmutex_unlock(&h->rw);
    }
    return 0;
}

static int hog_read(covey_ctx *ctx, void *arg)
{
    struct rw_hog *h = arg;

    (void)ctx;
    while (!atomic_load(&h->stop)) {
        covey_rwmutex_rlock(&h->rw);
        CHECK_EQ(covey_sleep(NULL, 100 * COVEY_US), 0);
        covey_rwmutex_runlock(&h->rw);
    }
    return 0;
}

static void lock_beside(covey_ctx *ctx, covey_fn *hog, int hogs)
{
    struct rw_hog h = {.stop = 0};
    covey_group *g = covey_group_new(ctx);

    for (int i = 0; i < hogs; i++) {
        GO(g, hog, &h);
    }
    for (int i = 0; i < 10; i++) {
        CHECK_EQ(covey_sleep(NULL, 100 * COVEY_US), 0);
        covey_rwmutex_lock(&h.rw);
        covey_rwmutex_unlock(&h.rw);
        covey_rwmutex_rlock(&h.rw);
        covey_rwmutex_runlock(&h.rw);
    }
    atomic_store(&h.stop, 1);
    JOIN(g);
}

TASK_TEST(readers_and_writers_are_not_starved_by_a_writer)
{
    lock_beside(ctx, hog_write, 1);
}

TASK_TEST(a_writer_is_not_starved_by_readers)
{
    lock_beside(ctx, hog_read, 4);
}

TASK_TEST(a_cancelled_writer_lets_the_readers_behind_it_in)
{
    covey_ctx *c = covey_ctx_with_cancel(ctx);
    covey_rwmutex rw = {0};
    covey_group *g = covey_group_new(NULL);
    struct call w = {.rw = &rw, .ctx = c}, r1 = {.rw = &rw}, r2 = {.rw = &rw};

    covey_rwmutex_rlock(&rw);
    go_waiting(g, "writer", wlock_task, &w);
    go_waiting(g, "reader-1", rlock_task, &r1);
    go_waiting(g, "reader-2", rlock_task, &r2);
    covey_ctx_cancel(c);
    await_end(&w);
    CHECK_EQ(w.result, COVEY_ECANCELED);
    await_end(&r1); /* while the first reader still holds it */
    await_end(&r2);
    CHECK(covey_rwmutex_try_rlock(&rw));
    covey_rwmutex_runlock(&rw);
    covey_rwmutex_runlock(&rw);
    JOIN(g);
    CHECK(covey_rwmutex_try_lock(&rw));
    covey_rwmutex_unlock(&rw);
    covey_ctx_unref(c);
}

TASK_TEST(a_cancelled_reader_leaves_the_writer_its_turn)
{
    covey_ctx *c = covey_ctx_with_cancel(ctx);
    covey_rwmutex rw = {0};
    covey_group *g = covey_group_new(NULL);
    struct call r = {.rw = &rw, .ctx = c}, w = {.rw = &rw};

    covey_rwmutex_lock(&rw);
    go_waiting(g, "reader", rlock_task, &r);
    go_waiting(g, "writer", wlock_task, &w);
    covey_ctx_cancel(c);
    await_end(&r);
    CHECK_EQ(r.result, COVEY_ECANCELED);
    covey_rwmutex_unlock(&rw);
    JOIN(g);
    CHECK_EQ(w.result, 0);
    CHECK(covey_rwmutex_try_lock(&rw));
    covey_rwmutex_unlock(&rw);
    covey_ctx_unref(c);
}

TASK_TEST(a_done_context_does_not_lock_a_rwmutex)
{
    covey_ctx *done = done_ctx(COVEY_ECANCELED);
    covey_rwmutex rw = {0};

    CHECK_EQ(covey_rwmutex_rlock_ctx(done, &rw), COVEY_ECANCELED);
    CHECK_EQ(covey_rwmutex_lock_ctx(done, &rw), COVEY_ECANCELED);
    CHECK(covey_rwmutex_try_lock(&rw));
    covey_rwmutex_unlock(&rw);
    covey_ctx_unref(done);
}

TASK_TEST(deadlines_end_the_wait_for_a_rwmutex)
{
    covey_rwmutex rw = {0};

    for (int i = 0; i < 5; i++) {
        covey_ctx *c = covey_ctx_with_timeout(ctx, COVEY_MS);

        covey_rwmutex_lock(&rw);
        CHECK_EQ(i % 2 ? covey_rwmutex_lock_ctx(c, &rw) : covey_rwmutex_rlock_ctx(c, &rw),
                 COVEY_EDEADLINE);
        covey_rwmutex_unlock(&rw);
        covey_ctx_unref(c);
    }
    CHECK(covey_rwmutex_try_lock(&rw));
    covey_rwmutex_unlock(&rw);
}

/* Wait group. */

static int wg_wait_task(covey_ctx *ctx, void *arg)
{
    struct call *c = arg;

    (void)ctx;
    came_back(c, covey_waitgroup_wait(c->ctx, c->wg));
    return 0;
}

TASK_TEST(waiting_for_nobody_returns_at_once)
{
    covey_waitgroup wg = {0};

    CHECK_EQ(covey_waitgroup_wait(ctx, &wg), 0);
    covey_waitgroup_add(&wg, 3);
    covey_waitgroup_add(&wg, -2);
    covey_waitgroup_done(&wg);
    CHECK_EQ(covey_waitgroup_wait(NULL, &wg), 0);
}

TASK_TEST(every_waiter_waits_for_the_last_done)
{
    enum { N = 5 };
    covey_waitgroup wg = {0};
    covey_group *g = covey_group_new(ctx);
    struct call c[N];

    covey_waitgroup_add(&wg, 2);
    for (int i = 0; i < N; i++) {
        c[i] = (struct call){.wg = &wg, .result = 1};
        GO(g, wg_wait_task, &c[i]);
    }
    settle();
    covey_waitgroup_done(&wg);
    settle();
    for (int i = 0; i < N; i++) {
        CHECK_EQ(atomic_load(&c[i].ended), 0);
    }
    covey_waitgroup_done(&wg);
    JOIN(g);
    for (int i = 0; i < N; i++) {
        CHECK_EQ(c[i].result, 0);
    }
}

struct work {
    covey_waitgroup wg;
    int plain[100];
    atomic_int next;
};

static int work_task(covey_ctx *ctx, void *arg)
{
    struct work *w = arg;

    CHECK_EQ(covey_ctx_err(ctx), 0);
    covey_yield();
    w->plain[atomic_fetch_add(&w->next, 1)] = 1; /* before wait's return */
    return 0;
}

TASK_TEST(a_waitgroup_can_be_used_again_and_again)
{
    static struct work w;

    for (int round = 0; round < 50; round++) {
        memset(w.plain, 0, sizeof(w.plain));
        atomic_store(&w.next, 0);
        for (int i = 0; i < 100; i++) {
            CHECK_EQ(covey_waitgroup_go(&w.wg, work_task, &w), 0);
        }
        CHECK_EQ(covey_waitgroup_wait(ctx, &w.wg), 0);
        for (int i = 0; i < 100; i++) {
            CHECK_EQ(w.plain[i], 1);
        }
    }
}

static int fail_task(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    return -EIO;
}

TASK_TEST(a_failing_task_is_counted_done_too)
{
    covey_waitgroup wg = {0};

    for (int i = 0; i < 10; i++) {
        CHECK_EQ(covey_waitgroup_go(&wg, fail_task, NULL), 0);
    }
    CHECK_EQ(covey_waitgroup_wait(ctx, &wg), 0);
}

TEST(waitgroup_go_without_a_runtime_adds_nothing)
{
    covey_waitgroup wg = {0};

    CHECK_EQ(covey_waitgroup_go(&wg, fail_task, NULL), COVEY_ECLOSED);
    CHECK_EQ(covey_waitgroup_wait(NULL, &wg), 0);
}

TASK_TEST(cancelling_ends_the_wait_for_a_waitgroup_and_nothing_else)
{
    covey_ctx *c = covey_ctx_with_cancel(ctx), *late = covey_ctx_with_timeout(ctx, COVEY_MS);
    covey_waitgroup wg = {0};
    covey_group *g = covey_group_new(NULL);
    struct call a = {.wg = &wg, .ctx = c}, b = {.wg = &wg, .result = 1};

    covey_waitgroup_add(&wg, 1);
    CHECK_EQ(covey_waitgroup_wait(late, &wg), COVEY_EDEADLINE);
    go_waiting(g, "first", wg_wait_task, &a);
    go_waiting(g, "second", wg_wait_task, &b);
    covey_ctx_cancel(c);
    await_end(&a);
    CHECK_EQ(a.result, COVEY_ECANCELED);
    settle();
    CHECK_EQ(atomic_load(&b.ended), 0);
    covey_waitgroup_done(&wg);
    JOIN(g);
    CHECK_EQ(b.result, 0);
    CHECK_EQ(covey_waitgroup_wait(c, &wg), COVEY_ECANCELED); /* done first */
    CHECK_EQ(covey_waitgroup_wait(NULL, &wg), 0);
    covey_ctx_unref(c);
    covey_ctx_unref(late);
}

/* Once. */

struct once {
    covey_once_flag flag;
    covey_chan *go_on;
    atomic_int runs;
    int plain;
};

static void once_fn(void *arg)
{
    struct once *o = arg;

    atomic_fetch_add(&o->runs, 1);
    if (o->go_on) {
        CHECK_EQ(covey_chan_recv(NULL, o->go_on, NULL), 0);
    }
    o->plain = 5;
}

static int once_task(covey_ctx *ctx, void *arg)
{
    struct once *o = arg;

    (void)ctx;
    covey_once(&o->flag, once_fn, o);
    CHECK_EQ(o->plain, 5); /* its end happens before anyone's return */
    return 0;
}

TASK_TEST(once_runs_once_and_all_wait_for_its_end)
{
    struct once o = {.go_on = covey_chan_new(0, 0)};
    covey_group *g = covey_group_new(ctx);

    for (int i = 0; i < 20; i++) {
        GO(g, once_task, &o);
    }
    settle();
    go_on(o.go_on);
    JOIN(g);
    CHECK_EQ(atomic_load(&o.runs), 1);
    for (int i = 0; i < 10; i++) {
        covey_once(&o.flag, once_fn, &o);
    }
    CHECK_EQ(atomic_load(&o.runs), 1);
    covey_chan_unref(o.go_on);
}

static void outer_once(void *arg)
{
    struct once *both = arg;

    covey_once(&both[1].flag, once_fn, &both[1]);
    once_fn(&both[0]);
}

TASK_TEST(once_may_run_inside_another_once)
{
    struct once both[2];

    memset(both, 0, sizeof(both));
    covey_once(&both[0].flag, outer_once, both);
    covey_once(&both[0].flag, outer_once, both);
    CHECK_EQ(atomic_load(&both[0].runs), 1);
    CHECK_EQ(atomic_load(&both[1].runs), 1);
}

TASK_TEST(once_at_once_many_times)
{
    for (int round = 0; round < 200; round++) {
        struct once o = {.go_on = NULL};
        covey_group *g = covey_group_new(ctx);

        for (int i = 0; i < 6; i++) {
            GO(g, once_task, &o);
        }
        JOIN(g);
        CHECK_EQ(atomic_load(&o.runs), 1);
    }
}

/* Cond. */

static int cond_task(covey_ctx *ctx, void *arg)
{
    struct call *c = arg;
    int rc;

    (void)ctx;
    covey_mutex_lock(c->mutex);
    rc = covey_cond_wait(c->ctx, c->cond, c->mutex);
    CHECK(!covey_mutex_try_lock(c->mutex)); /* it has it again, whatever the result */
    covey_mutex_unlock(c->mutex);
    came_back(c, rc);
    return 0;
}

TASK_TEST(signal_wakes_waiters_first_come_first_served)
{
    enum { N = 5 };
    covey_mutex m = {0};
    covey_cond cond = {0};
    covey_group *g = covey_group_new(ctx);
    struct call c[N];

    for (int i = 0; i < N; i++) {
        c[i] = (struct call){.mutex = &m, .cond = &cond, .result = 1};
        go_waiting_nth(g, "waiter", i, cond_task, &c[i]);
    }
    CHECK(covey_mutex_try_lock(&m)); /* waiting let it go */
    covey_mutex_unlock(&m);
    for (int i = 0; i < N; i++) {
        covey_cond_signal(&cond);
        await_end(&c[i]);
        settle();
        for (int j = i + 1; j < N; j++) {
            CHECK_EQ(atomic_load(&c[j].ended), 0);
        }
    }
    JOIN(g);
    for (int i = 0; i < N; i++) {
        CHECK_EQ(c[i].result, 0);
    }
}

TASK_TEST(broadcast_wakes_all_who_wait)
{
    enum { N = 10 };
    covey_mutex m = {0};
    covey_cond cond = {0};
    covey_group *g = covey_group_new(ctx);
    struct call c[N];

    for (int i = 0; i < N; i++) {
        c[i] = (struct call){.mutex = &m, .cond = &cond, .result = 1};
        go_waiting_nth(g, "waiter", i, cond_task, &c[i]);
    }
    covey_cond_broadcast(&cond);
    JOIN(g);
    for (int i = 0; i < N; i++) {
        CHECK_EQ(c[i].result, 0);
    }
}

TASK_TEST(a_signal_that_nobody_waits_for_is_lost)
{
    covey_mutex m = {0};
    covey_cond cond = {0};
    covey_group *g = covey_group_new(ctx);
    struct call c = {.mutex = &m, .cond = &cond, .result = 1};

    covey_cond_signal(&cond);
    covey_cond_broadcast(&cond);
    go_waiting(g, "waiter", cond_task, &c);
    settle();
    CHECK_EQ(atomic_load(&c.ended), 0);
    covey_cond_signal(&cond);
    JOIN(g);
}

TASK_TEST(a_woken_waiter_waits_for_the_mutex_too)
{
    covey_mutex m = {0};
    covey_cond cond = {0};
    covey_group *g = covey_group_new(ctx);
    struct call c = {.mutex = &m, .cond = &cond, .result = 1};

    go_waiting(g, "waiter", cond_task, &c);
    covey_mutex_lock(&m);
    covey_cond_signal(&cond);
    settle();
    CHECK_EQ(atomic_load(&c.ended), 0);
    covey_mutex_unlock(&m);
    JOIN(g);
    CHECK_EQ(c.result, 0);
}

TASK_TEST(cancelling_ends_the_wait_for_a_condition_and_consumes_no_signal)
{
    covey_ctx *cx = covey_ctx_with_cancel(ctx);
    covey_mutex m = {0};
    covey_cond cond = {0};
    covey_group *g = covey_group_new(NULL);
    struct call a = {.mutex = &m, .cond = &cond, .ctx = cx}, b = {.mutex = &m, .cond = &cond};

    go_waiting(g, "first", cond_task, &a);
    go_waiting(g, "second", cond_task, &b);
    covey_mutex_lock(&m);
    covey_ctx_cancel(cx);
    settle();
    CHECK_EQ(atomic_load(&a.ended), 0); /* it locks m again first */
    covey_cond_signal(&cond);
    covey_mutex_unlock(&m);
    JOIN(g);
    CHECK_EQ(a.result, COVEY_ECANCELED);
    CHECK_EQ(b.result, 0);
    covey_ctx_unref(cx);
}

TASK_TEST(a_done_context_comes_before_waiting_for_a_condition)
{
    covey_ctx *done = done_ctx(COVEY_ECANCELED), *late = covey_ctx_with_timeout(ctx, COVEY_MS);
    covey_mutex m = {0};
    covey_cond cond = {0};

    covey_mutex_lock(&m);
    CHECK_EQ(covey_cond_wait(done, &cond, &m), COVEY_ECANCELED);
    CHECK(!covey_mutex_try_lock(&m));
    CHECK_EQ(covey_cond_wait(late, &cond, &m), COVEY_EDEADLINE);
    CHECK(!covey_mutex_try_lock(&m));
    covey_mutex_unlock(&m);
    covey_ctx_unref(done);
    covey_ctx_unref(late);
}

struct queue {
    covey_mutex mutex;
    covey_cond not_empty, not_full;
    int items[4], len, put, taken;
    long sum;
};

enum { QUEUE_CAP = 4, QUEUE_TURNS = 500 };

static int put_items(covey_ctx *ctx, void *arg)
{
    struct queue *q = arg;

    for (int i = 1; i <= QUEUE_TURNS; i++) {
        covey_mutex_lock(&q->mutex);
        while (q->len == QUEUE_CAP) {
            CHECK_EQ(covey_cond_wait(ctx, &q->not_full, &q->mutex), 0);
        }
        q->items[q->len++] = i;
        covey_cond_signal(&q->not_empty);
        covey_mutex_unlock(&q->mutex);
    }
    return 0;
}

static int take_items(covey_ctx *ctx, void *arg)
{
    struct queue *q = arg;

    for (int i = 1; i <= QUEUE_TURNS; i++) {
        covey_mutex_lock(&q->mutex);
        while (q->len == 0) {
            CHECK_EQ(covey_cond_wait(ctx, &q->not_empty, &q->mutex), 0);
        }
        q->sum += q->items[--q->len];
        covey_mutex_unlock(&q->mutex);
        covey_cond_signal(&q->not_full); /* also without the lock */
    }
    return 0;
}

TASK_TEST(a_queue_of_conditions_loses_nothing)
{
    struct queue q = {.len = 0};
    covey_group *g = covey_group_new(ctx);

    for (int i = 0; i < 4; i++) {
        GO(g, put_items, &q);
        GO(g, take_items, &q);
    }
    JOIN(g);
    CHECK_EQ(q.len, 0);
    CHECK_EQ(q.sum, 4L * QUEUE_TURNS * (QUEUE_TURNS + 1) / 2);
}

/* Semaphore. */

static int sem_task(covey_ctx *ctx, void *arg)
{
    struct call *c = arg;

    (void)ctx;
    if (came_back(c, covey_sem_acquire(c->ctx, c->sem, c->n)) == 0) {
        covey_sem_release(c->sem, c->n);
    }
    return 0;
}

TASK_TEST(permits_are_taken_and_given_back)
{
    covey_sem *s = covey_sem_new(3);

    CHECK_EQ(covey_sem_acquire(ctx, s, 2), 0);
    CHECK(!covey_sem_try_acquire(s, 2));
    CHECK(covey_sem_try_acquire(s, 1));
    CHECK(!covey_sem_try_acquire(s, 1));
    covey_sem_release(s, 2);
    CHECK_EQ(covey_sem_acquire(NULL, s, 1), 0);
    covey_sem_release(s, 1);
    covey_sem_release(s, 1);
    CHECK(covey_sem_try_acquire(s, 3));
    covey_sem_release(s, 3);
    covey_sem_free(s);
    covey_sem_free(NULL);
}

TASK_TEST(asking_for_none_is_always_granted)
{
    covey_sem *s = covey_sem_new(1), *none = covey_sem_new(0);

    CHECK_EQ(covey_sem_acquire(ctx, s, 0), 0);
    covey_sem_release(s, 0);
    CHECK_EQ(covey_sem_acquire(ctx, s, 1), 0);
    CHECK_EQ(covey_sem_acquire(ctx, s, 0), 0);
    CHECK(covey_sem_try_acquire(s, 0));
    covey_sem_release(s, 1);
    CHECK_EQ(covey_sem_acquire(ctx, none, 0), 0);
    covey_sem_free(s);
    covey_sem_free(none);
}

TASK_TEST(more_than_there_are_in_all_is_einval_at_once)
{
    covey_sem *s = covey_sem_new(2), *none = covey_sem_new(0);

    CHECK_EQ(covey_sem_acquire(NULL, s, 3), -EINVAL);
    CHECK_EQ(covey_sem_acquire(NULL, s, INT64_MAX), -EINVAL);
    CHECK_EQ(covey_sem_acquire(NULL, s, -1), -EINVAL);
    CHECK_EQ(covey_sem_acquire(NULL, s, INT64_MIN), -EINVAL);
    CHECK_EQ(covey_sem_acquire(NULL, none, 1), -EINVAL);
    CHECK(!covey_sem_try_acquire(s, 3));
    CHECK(!covey_sem_try_acquire(s, -1));
    CHECK(covey_sem_try_acquire(s, 2));
    covey_sem_release(s, 2);
    CHECK(covey_sem_new(-1) == NULL);
    covey_sem_free(s);
    covey_sem_free(none);
}

TASK_TEST(very_many_permits_do_not_overflow)
{
    covey_sem *s = covey_sem_new(INT64_MAX);

    CHECK_EQ(covey_sem_acquire(ctx, s, INT64_MAX), 0);
    CHECK(!covey_sem_try_acquire(s, 1));
    covey_sem_release(s, INT64_MAX - 1);
    CHECK(covey_sem_try_acquire(s, INT64_MAX - 1));
    covey_sem_release(s, INT64_MAX);
    covey_sem_free(s);
}

TASK_TEST(acquire_waits_until_enough_is_released)
{
    covey_sem *s = covey_sem_new(3);
    covey_group *g = covey_group_new(ctx);
    struct call c = {.sem = s, .n = 2, .result = 1};

    CHECK_EQ(covey_sem_acquire(ctx, s, 3), 0);
    GO(g, sem_task, &c);
    settle();
    covey_sem_release(s, 1);
    settle();
    CHECK_EQ(atomic_load(&c.ended), 0);
    covey_sem_release(s, 1);
    JOIN(g);
    CHECK_EQ(c.result, 0);
    covey_sem_release(s, 1);
    covey_sem_free(s);
}

/* x/sync's TestLargeAcquireDoesntStarve. */
TASK_TEST(a_large_request_at_the_head_is_not_overtaken)
{
    covey_sem *s = covey_sem_new(5);
    covey_group *g = covey_group_new(ctx);
    struct call large = {.sem = s, .n = 5}, small = {.sem = s, .n = 1};

    CHECK_EQ(covey_sem_acquire(ctx, s, 3), 0);
    go_waiting(g, "large", sem_task, &large);
    CHECK(!covey_sem_try_acquire(s, 1)); /* though two are free */
    go_waiting(g, "small", sem_task, &small);
    covey_sem_release(s, 1);
    settle();
    CHECK_EQ(atomic_load(&large.ended) + atomic_load(&small.ended), 0);
    covey_sem_release(s, 2);
    JOIN(g);
    CHECK(covey_sem_try_acquire(s, 5));
    covey_sem_release(s, 5);
    covey_sem_free(s);
}

TASK_TEST(one_release_lets_all_in_who_fit_in_turn)
{
    covey_sem *s = covey_sem_new(10);
    covey_group *g = covey_group_new(ctx);
    covey_chan *go = covey_chan_new(0, 0);
    struct call a = {.sem = s, .n = 4, .go_on = go}, b = {.sem = s, .n = 3, .go_on = go};
    struct call c = {.sem = s, .n = 4, .go_on = go}, d = {.sem = s, .n = 1, .go_on = go};

    CHECK_EQ(covey_sem_acquire(ctx, s, 10), 0);
    go_waiting(g, "first", sem_task, &a);
    go_waiting(g, "second", sem_task, &b);
    go_waiting(g, "third", sem_task, &c);
    go_waiting(g, "fourth", sem_task, &d);
    covey_sem_release(s, 10);
    await_end(&a);
    await_end(&b);
    settle();
    CHECK_EQ(atomic_load(&c.ended) + atomic_load(&d.ended), 0); /* c needs 4 of 3, d is behind */
    for (int i = 0; i < 4; i++) {
        go_on(go);
    }
    JOIN(g);
    covey_chan_unref(go);
    covey_sem_free(s);
}

/* x/sync's TestAllocCancelDoesntStarve. */
TASK_TEST(a_cancelled_request_at_the_head_lets_those_behind_it_in)
{
    covey_ctx *cx = covey_ctx_with_cancel(ctx);
    covey_sem *s = covey_sem_new(10);
    covey_group *g = covey_group_new(NULL);
    struct call large = {.sem = s, .n = 10, .ctx = cx}, small = {.sem = s, .n = 1};

    CHECK_EQ(covey_sem_acquire(ctx, s, 1), 0);
    go_waiting(g, "large", sem_task, &large);
    go_waiting(g, "small", sem_task, &small);
    covey_ctx_cancel(cx);
    JOIN(g);
    CHECK_EQ(large.result, COVEY_ECANCELED);
    CHECK_EQ(small.result, 0);
    covey_sem_release(s, 1);
    CHECK(covey_sem_try_acquire(s, 10));
    covey_sem_release(s, 10);
    covey_ctx_unref(cx);
    covey_sem_free(s);
}

TASK_TEST(a_cancelled_request_takes_nothing)
{
    covey_ctx *done = done_ctx(COVEY_ECANCELED), *late = covey_ctx_with_timeout(ctx, COVEY_MS);
    covey_sem *s = covey_sem_new(2);

    CHECK_EQ(covey_sem_acquire(done, s, 1), COVEY_ECANCELED);
    CHECK_EQ(covey_sem_acquire(done, s, 0), COVEY_ECANCELED);
    CHECK(covey_sem_try_acquire(s, 2));
    CHECK_EQ(covey_sem_acquire(late, s, 1), COVEY_EDEADLINE);
    covey_sem_release(s, 2);
    CHECK(covey_sem_try_acquire(s, 2));
    covey_sem_release(s, 2);
    covey_sem_free(s);
    covey_ctx_unref(done);
    covey_ctx_unref(late);
}

struct pool {
    covey_sem *sem;
    int64_t permits;
    atomic_llong used;
};

static int use_pool(covey_ctx *ctx, void *arg)
{
    struct pool *p = arg;

    for (int i = 0; i < 200; i++) {
        int64_t n = 1 + (i * 7 + (int64_t)covey_task_id()) % p->permits;

        CHECK_EQ(covey_sem_acquire(ctx, p->sem, n), 0);
        CHECK(atomic_fetch_add(&p->used, n) + n <= p->permits);
        covey_yield();
        atomic_fetch_sub(&p->used, n);
        covey_sem_release(p->sem, n);
    }
    return 0;
}

TASK_TEST(never_more_are_out_than_there_are)
{
    struct pool p = {covey_sem_new(7), 7, 0};
    covey_group *g = covey_group_new(ctx);

    for (int i = 0; i < 10; i++) {
        GO(g, use_pool, &p);
    }
    JOIN(g);
    CHECK(covey_sem_try_acquire(p.sem, 7));
    covey_sem_release(p.sem, 7);
    covey_sem_free(p.sem);
}
