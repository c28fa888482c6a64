/* SPDX-License-Identifier: MIT
 * ctx_stress_test.c - trees of contexts made, cancelled, timed out, referenced and dropped by many
 * tasks at once; after-funcs against their stop; waiters of all kinds against one cancellation. */
#include "stress.h"

/* A random walk over a pool of contexts that all tasks share. */

enum { POOL = 32, WALKERS = 8 };

struct pool {
    covey_mutex mutex[POOL];
    covey_ctx *ctx[POOL];
};

struct walker {
    struct pool *pool;
    int index;
};

/* A reference of its own to a random entry; NULL where there is none. */
static covey_ctx *borrow(struct pool *p, int i)
{
    covey_ctx *c;

    covey_mutex_lock(&p->mutex[i]);
    c = p->ctx[i] ? covey_ctx_ref(p->ctx[i]) : NULL;
    covey_mutex_unlock(&p->mutex[i]);
    return c;
}

static void replace(struct pool *p, int i, covey_ctx *c)
{
    covey_ctx *old;

    covey_mutex_lock(&p->mutex[i]);
    old = p->ctx[i];
    p->ctx[i] = c;
    covey_mutex_unlock(&p->mutex[i]);
    covey_ctx_unref(old);
}

static covey_ctx *derive(uint64_t *random, covey_ctx *parent)
{
    switch (random_below(random, 6)) {
    case 0:
        return covey_ctx_with_timeout(parent, random_below(random, 3000) * COVEY_US);
    case 1:
        return covey_ctx_with_value(parent, random, random);
    case 2:
        return covey_ctx_for_cleanup(parent, random_below(random, 3000) * COVEY_US);
    case 3:
        return random_below(random, 4) ? covey_ctx_with_cancel(parent)
                                       : covey_ctx_without_cancel(parent);
    default:
        return covey_ctx_with_cancel(parent);
    }
}

static int walk(covey_ctx *ctx, void *arg)
{
    struct walker *w = arg;
    uint64_t random = random_of(w->index);

    (void)ctx;
    for (int i = 0; i < turns(8000); i++) {
        covey_ctx *c = borrow(w->pool, random_below(&random, POOL)), *child;
        int err = covey_ctx_err(c);

        switch (random_below(&random, 6)) {
        case 0:
            covey_ctx_cancel_cause(c, -EIO);
            break;
        case 1:
            (void)covey_sleep(c, random_below(&random, 50) * COVEY_US);
            break;
        case 2:
            (void)covey_select(c, COVEY_DONE(c), COVEY_AFTER(20 * COVEY_US));
            break;
        default:
            if (err && random_below(&random, 2)) { /* or there would be only done ones soon */
                covey_ctx_unref(c);
                c = NULL;
                err = 0;
            }
            child = derive(&random, c);
            if (err) { /* a done parent's child is done, unless it was cut off */
                int64_t at;

                CHECK(covey_ctx_err(child) == err || !covey_ctx_done(child) ||
                      covey_ctx_deadline(child, &at));
            }
            replace(w->pool, random_below(&random, POOL), child);
            break;
        }
        if (err) { /* done stays done, the same way */
            CHECK_EQ(covey_ctx_err(c), err);
            CHECK(covey_ctx_cause(c) < 0);
        } else if (covey_ctx_cause(c)) {
            CHECK(covey_ctx_err(c) < 0);
        }
        covey_ctx_unref(c);
    }
    return 0;
}

STRESS_TASK_TEST(contexts_come_and_go_in_trees)
{
    static struct pool p;
    struct walker w[WALKERS];
    covey_group *g = covey_group_new(NULL);

    p.ctx[0] = covey_ctx_with_cancel(ctx);
    for (int i = 0; i < WALKERS; i++) {
        w[i] = (struct walker){&p, i};
        GO(g, walk, &w[i]);
    }
    JOIN(g);
    for (int i = 0; i < POOL; i++) {
        covey_ctx_unref(p.ctx[i]);
    }
}

/* After-func against stop against cancel. */

static int count_up(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    atomic_fetch_add((atomic_int *)arg, 1);
    return 0;
}

static int cancel_it(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    covey_ctx_cancel(arg);
    covey_ctx_unref(arg);
    return 0;
}

STRESS_TASK_TEST(an_after_func_runs_or_is_stopped)
{
    uint64_t random = random_of(0);
    atomic_int ran = 0;
    int kept = 0, n = turns(100000);

    for (int i = 0; i < n; i++) {
        covey_ctx *p = covey_ctx_with_cancel(ctx);
        covey_ctx *c = random_below(&random, 2) ? covey_ctx_with_cancel(p) : covey_ctx_ref(p);
        covey_stop *s = covey_ctx_after_func(c, count_up, &ran);

        if (random_below(&random, 2)) {
            CHECK_EQ(covey_go(cancel_it, covey_ctx_ref(p)), 0);
        }
        for (int j = random_below(&random, 3); j > 0; j--) {
            covey_yield();
        }
        if (random_below(&random, 2)) {
            covey_ctx_unref(p);
            p = NULL;
        }
        kept += covey_stop_call(s);
        covey_ctx_unref(c);
        covey_ctx_unref(p);
    }
    while (atomic_load(&ran) + kept < n) {
        covey_yield();
    }
    for (int i = 0; i < 100; i++) {
        covey_yield();
    }
    CHECK_EQ(atomic_load(&ran) + kept, n);
}

/* One cancellation against waiters of every kind. */

struct crowd {
    covey_ctx *ctx;
    covey_chan *ch;
    covey_mutex mutex, own;
    covey_rwmutex rw;
    covey_sem *sem;
    covey_cond cond;
    covey_waitgroup wg;
    atomic_int ended;
};

struct member {
    struct crowd *crowd;
    int kind;
};

static int wait_somehow(covey_ctx *ctx, void *arg)
{
    struct member *m = arg;
    struct crowd *c = m->crowd;
    int v = 0, rc;

    (void)ctx;
    switch (m->kind) {
    case 0:
        rc = covey_chan_recv(c->ctx, c->ch, &v);
        break;
    case 1:
        rc = covey_mutex_lock_ctx(c->ctx, &c->mutex);
        break;
    case 2:
        rc = covey_rwmutex_rlock_ctx(c->ctx, &c->rw);
        break;
    case 3:
        rc = covey_rwmutex_lock_ctx(c->ctx, &c->rw);
        break;
    case 4:
        rc = covey_sem_acquire(c->ctx, c->sem, 1);
        break;
    case 5:
        covey_mutex_lock(&c->own);
        rc = covey_cond_wait(c->ctx, &c->cond, &c->own);
        covey_mutex_unlock(&c->own);
        break;
    case 6:
        rc = covey_waitgroup_wait(c->ctx, &c->wg);
        break;
    case 7:
        rc = covey_sleep(c->ctx, 3600 * COVEY_SEC);
        break;
    case 8:
        rc = covey_select(c->ctx, COVEY_RECV(c->ch, &v), COVEY_AFTER(3600 * COVEY_SEC));
        break;
    default:
        rc = covey_select(NULL, COVEY_DONE(c->ctx)) == 0 ? COVEY_ECANCELED : 0;
        break;
    }
    CHECK_EQ(rc, COVEY_ECANCELED);
    atomic_fetch_add(&c->ended, 1);
    return 0;
}

STRESS_TASK_TEST(one_cancellation_wakes_waiters_of_every_kind)
{
    uint64_t random = random_of(0);

    for (int round = 0; round < turns(3000); round++) {
        enum { KINDS = 10, MEMBERS = 40 };
        struct crowd c = {.ctx = covey_ctx_with_cancel(ctx),
                          .ch = covey_chan_new(sizeof(int), 0),
                          .sem = covey_sem_new(1)};
        struct member m[MEMBERS];
        covey_group *g = covey_group_new(NULL);

        covey_mutex_lock(&c.mutex);
        covey_rwmutex_lock(&c.rw);
        CHECK(covey_sem_try_acquire(c.sem, 1));
        covey_waitgroup_add(&c.wg, 1);
        for (int i = 0; i < MEMBERS; i++) {
            m[i] = (struct member){&c, random_below(&random, KINDS)};
            GO(g, wait_somehow, &m[i]);
        }
        for (int i = random_below(&random, 10); i > 0; i--) {
            covey_yield();
        }
        covey_ctx_cancel(c.ctx);
        JOIN(g);
        CHECK_EQ(atomic_load(&c.ended), MEMBERS);
        covey_mutex_unlock(&c.mutex);
        covey_rwmutex_unlock(&c.rw);
        covey_sem_release(c.sem, 1);
        covey_waitgroup_done(&c.wg);
        CHECK(covey_mutex_try_lock(&c.mutex));
        covey_mutex_unlock(&c.mutex);
        CHECK(covey_rwmutex_try_lock(&c.rw));
        covey_rwmutex_unlock(&c.rw);
        CHECK(covey_sem_try_acquire(c.sem, 1));
        covey_sem_release(c.sem, 1);
        covey_sem_free(c.sem);
        covey_chan_unref(c.ch);
        covey_ctx_unref(c.ctx);
    }
}

/* One task that waits under a different context each time. */

STRESS_TASK_TEST(a_task_changes_contexts_at_every_wait)
{
    uint64_t random = random_of(0);
    covey_chan *ch = covey_chan_new(sizeof(int), 0);
    covey_ctx *kept[8] = {0}, *parent;

    for (int i = 0; i < turns(20000); i++) {
        int k = random_below(&random, 8), rc;

        if (!kept[k] || covey_ctx_err(kept[k])) {
            covey_ctx_unref(kept[k]);
            parent = kept[(k + 1) % 8];
            kept[k] = covey_ctx_with_timeout(covey_ctx_err(parent) ? NULL : parent,
                                             random_below(&random, 500) * COVEY_US);
        }
        rc = covey_select(kept[k], COVEY_RECV(ch, NULL),
                          COVEY_AFTER(random_below(&random, 30) * COVEY_US));
        CHECK(rc == 1 || rc == COVEY_EDEADLINE || rc == COVEY_ECANCELED);
    }
    for (int k = 0; k < 8; k++) {
        covey_ctx_unref(kept[k]);
    }
    covey_chan_unref(ch);
}

/* Who asks for the done channel of a context that has ended gets a closed one, also from another
 * who asks at the same time. */

static int look_at_done(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    while (covey_ctx_err(arg) == 0) {
        covey_yield();
    }
    CHECK_EQ(covey_chan_try_recv(covey_ctx_done(arg), NULL), COVEY_ECLOSED);
    return 0;
}

static int ask_for_done_channels(covey_ctx *ctx, void *arg)
{
    (void)arg;
    for (int turn = turns(2000); turn > 0; turn--) {
        covey_ctx *c = covey_ctx_with_cancel(NULL);
        covey_group *g = covey_group_new(ctx);

        for (int i = 0; i < 3; i++) {
            GO(g, look_at_done, c);
        }
        GO(g, cancel_it, covey_ctx_ref(c));
        JOIN(g);
        covey_ctx_unref(c);
    }
    return 0;
}

STRESS_TEST(the_done_channel_of_an_ended_context_is_closed)
{
    CHECK_EQ(setenv("COVEY_DEBUG", "delay", 0), 0);
    CHECK_EQ(covey_run(ask_for_done_channels, NULL), 0);
}
