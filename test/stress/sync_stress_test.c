/* SPDX-License-Identifier: MIT
 * sync_stress_test.c - locks, permits and signals under random cancellation: whoever was told that
 * it has one has it, whoever was told that it has not has not, and in the end all are free. */
#include "stress.h"

enum { TASKS = 12 };

struct shared {
    covey_mutex mutex;
    covey_rwmutex rw;
    covey_cond cond;
    covey_sem *sem;
    int64_t permits;
    atomic_llong permits_out;
    int plain; /* guarded by mutex, or by rw held for writing */
    atomic_int writers, readers, successes;
};

struct member {
    struct shared *s;
    int index;
};

static void run_tasks(covey_ctx *ctx, struct shared *s, covey_fn *fn)
{
    struct member m[TASKS];
    covey_group *g = covey_group_new(ctx);

    for (int i = 0; i < TASKS; i++) {
        m[i] = (struct member){s, i};
        CHECK_EQ(covey_group_go(g, fn, &m[i]), 0);
    }
    JOIN(g);
}

static int lock_somehow(struct shared *s, uint64_t *random)
{
    covey_ctx *c;
    int rc;

    switch (random_below(random, 4)) {
    case 0:
        return covey_mutex_try_lock(&s->mutex) ? 0 : COVEY_EAGAIN;
    case 1:
        covey_mutex_lock(&s->mutex);
        return 0;
    default:
        c = random_ctx(random, NULL);
        rc = covey_mutex_lock_ctx(c, &s->mutex);
        CHECK(rc == 0 || rc == COVEY_ECANCELED || rc == COVEY_EDEADLINE);
        covey_ctx_unref(c);
        return rc;
    }
}

static int mutex_task(covey_ctx *ctx, void *arg)
{
    struct member *m = arg;
    uint64_t random = random_of(m->index);

    (void)ctx;
    for (int i = 0; i < turns(1500); i++) {
        if (lock_somehow(m->s, &random) == 0) {
            m->s->plain++;
            atomic_fetch_add(&m->s->successes, 1);
            random_pause(&random);
            covey_mutex_unlock(&m->s->mutex);
        }
    }
    return 0;
}

STRESS_TASK_TEST(a_mutex_is_never_lost_under_cancellation)
{
    struct shared s = {.plain = 0};

    run_tasks(ctx, &s, mutex_task);
    CHECK_EQ(s.plain, atomic_load(&s.successes));
    CHECK(covey_mutex_try_lock(&s.mutex));
    covey_mutex_unlock(&s.mutex);
}

static int rwmutex_task(covey_ctx *ctx, void *arg)
{
    struct member *m = arg;
    struct shared *s = m->s;
    uint64_t random = random_of(m->index);

    (void)ctx;
    for (int i = 0; i < turns(1500); i++) {
        bool writes = random_below(&random, 4) == 0, has;
        covey_ctx *c = random_ctx(&random, NULL);

        if (random_below(&random, 4) == 0) {
            has = writes ? covey_rwmutex_try_lock(&s->rw) : covey_rwmutex_try_rlock(&s->rw);
        } else {
            has = (writes ? covey_rwmutex_lock_ctx(c, &s->rw)
                          : covey_rwmutex_rlock_ctx(c, &s->rw)) == 0;
        }
        covey_ctx_unref(c);
        if (!has) {
            continue;
        }
        if (writes) {
            CHECK_EQ(atomic_fetch_add(&s->writers, 1), 0);
            CHECK_EQ(atomic_load(&s->readers), 0);
            s->plain++;
            atomic_fetch_add(&s->successes, 1);
            random_pause(&random);
            atomic_fetch_sub(&s->writers, 1);
            covey_rwmutex_unlock(&s->rw);
        } else {
            int seen = s->plain;

            atomic_fetch_add(&s->readers, 1);
            CHECK_EQ(atomic_load(&s->writers), 0);
            random_pause(&random);
            CHECK_EQ(s->plain, seen);
            atomic_fetch_sub(&s->readers, 1);
            covey_rwmutex_runlock(&s->rw);
        }
    }
    return 0;
}

STRESS_TASK_TEST(a_rwmutex_is_never_lost_under_cancellation)
{
    struct shared s = {.plain = 0};

    run_tasks(ctx, &s, rwmutex_task);
    CHECK_EQ(s.plain, atomic_load(&s.successes));
    CHECK(covey_rwmutex_try_lock(&s.rw));
    covey_rwmutex_unlock(&s.rw);
}

/* Few turns and many rounds: nobody comes later who would wake by chance whom a lost wake has left
 * behind. Short sections are met by spinning, long ones by waiting; who spins may reserve the lock,
 * and give up just as the last reader leaves. The last holder frees it. */

enum { RACERS = 5 };

struct race {
    covey_rwmutex rw;
    int to_come; /* guarded by rw, held for writing */
};

struct racer {
    struct race *race;
    uint64_t random;
};

static void stay(uint64_t *random)
{
    int n = random_below(random, 16);

    if (n == 0) {
        covey_yield();
    } else if (n < 6) {
        for (volatile int i = random_below(random, 3000); i > 0; i--) {
        }
    }
}

static void race(void *arg)
{
    struct racer *r = arg;
    struct race *race = r->race;

    for (int i = random_below(&r->random, 4); i > 0; i--) {
        covey_ctx *c = random_below(&r->random, 8) ? NULL : random_ctx(&r->random, NULL);

        if (random_below(&r->random, 3) == 0) {
            if (covey_rwmutex_lock_ctx(c, &race->rw) == 0) {
                stay(&r->random);
                covey_rwmutex_unlock(&race->rw);
            }
        } else if (covey_rwmutex_rlock_ctx(c, &race->rw) == 0) {
            CHECK(race->to_come > 0);
            stay(&r->random);
            covey_rwmutex_runlock(&race->rw);
        }
        covey_ctx_unref(c);
    }
    covey_rwmutex_lock(&race->rw);
    bool is_last = --race->to_come == 0;
    covey_rwmutex_unlock(&race->rw);
    if (is_last) {
        free(race);
    }
}

static void race_often(covey_ctx *ctx, int threads, int rounds)
{
    uint64_t random = random_of(0);

    for (int i = 0; i < rounds; i++) {
        struct race *together = calloc(1, sizeof(*together));
        struct racer r[RACERS];

        CHECK(together);
        together->to_come = RACERS;
        for (int k = 0; k < RACERS; k++) {
            r[k] = (struct racer){together, random_next(&random)};
        }
        fight_all(ctx, race, r, sizeof(r[0]), threads, RACERS - threads);
    }
}

STRESS_TASK_TEST(no_wake_of_a_rwmutex_is_lost_and_the_last_holder_may_free_it)
{
    race_often(ctx, 0, turns(10000));
}

STRESS_TASK_TEST(no_wake_of_a_rwmutex_is_lost_between_threads_and_tasks)
{
    race_often(ctx, 2, turns(500));
}

static int sem_task(covey_ctx *ctx, void *arg)
{
    struct member *m = arg;
    struct shared *s = m->s;
    uint64_t random = random_of(m->index);

    (void)ctx;
    for (int i = 0; i < turns(1500); i++) {
        int64_t n = random_below(&random, 5) ? 1 + random_below(&random, 3)
                                             : 1 + random_below(&random, (int)s->permits);
        covey_ctx *c = random_ctx(&random, NULL);
        bool has = random_below(&random, 4) == 0 ? covey_sem_try_acquire(s->sem, n)
                                                 : covey_sem_acquire(c, s->sem, n) == 0;

        covey_ctx_unref(c);
        if (has) {
            CHECK(atomic_fetch_add(&s->permits_out, n) + n <= s->permits);
            random_pause(&random);
            atomic_fetch_sub(&s->permits_out, n);
            covey_sem_release(s->sem, n);
        }
    }
    return 0;
}

STRESS_TASK_TEST(a_permit_is_never_lost_under_cancellation)
{
    struct shared s = {.permits = 8, .sem = covey_sem_new(8)};

    run_tasks(ctx, &s, sem_task);
    CHECK(covey_sem_try_acquire(s.sem, s.permits)); /* all of them */
    covey_sem_release(s.sem, s.permits);
    covey_sem_free(s.sem);
}

/* Tokens under a condition: each signal stands for one token, and cancelled waiters eat none. */

struct tokens {
    covey_mutex mutex;
    covey_cond cond;
    int there, put, taken, takers;
};

static int token_put(covey_ctx *ctx, void *arg)
{
    struct tokens *t = arg;

    (void)ctx;
    for (int i = 0; i < turns(50000); i++) {
        covey_mutex_lock(&t->mutex);
        t->there++;
        t->put++;
        covey_cond_signal(&t->cond);
        covey_mutex_unlock(&t->mutex);
        if (i % 3 == 0) {
            covey_yield();
        }
    }
    covey_mutex_lock(&t->mutex);
    t->takers = -1; /* no more will come */
    covey_cond_broadcast(&t->cond);
    covey_mutex_unlock(&t->mutex);
    return 0;
}

/* Waits without a context: hangs if a signal was lost on a cancelled one. */
static int token_take(covey_ctx *ctx, void *arg)
{
    struct tokens *t = arg;

    (void)ctx;
    covey_mutex_lock(&t->mutex);
    while (t->there > 0 || t->takers >= 0) {
        if (t->there > 0) {
            t->there--;
            t->taken++;
        } else {
            CHECK_EQ(covey_cond_wait(NULL, &t->cond, &t->mutex), 0);
        }
    }
    covey_mutex_unlock(&t->mutex);
    return 0;
}

/* Waits under contexts that end all the time; what it is woken for, it takes. */
static int token_give_up(covey_ctx *ctx, void *arg)
{
    struct tokens *t = arg;
    uint64_t random = random_of((int)covey_task_id());

    (void)ctx;
    covey_mutex_lock(&t->mutex);
    while (t->takers >= 0) {
        covey_ctx *c = random_ctx(&random, NULL);
        int rc = covey_cond_wait(c, &t->cond, &t->mutex);

        CHECK(rc == 0 || rc == COVEY_ECANCELED || rc == COVEY_EDEADLINE);
        if (rc == 0 && t->there > 0) {
            t->there--;
            t->taken++;
        }
        covey_ctx_unref(c);
        covey_mutex_unlock(&t->mutex);
        covey_yield();
        covey_mutex_lock(&t->mutex);
    }
    covey_mutex_unlock(&t->mutex);
    return 0;
}

STRESS_TASK_TEST(a_signal_is_never_lost_on_a_cancelled_waiter)
{
    struct tokens t = {.takers = 0};
    covey_group *g = covey_group_new(ctx);

    for (int i = 0; i < 3; i++) {
        GO(g, token_take, &t);
        GO(g, token_give_up, &t);
    }
    GO(g, token_put, &t);
    JOIN(g);
    CHECK_EQ(t.taken, t.put);
    CHECK_EQ(t.there, 0);
}

/* The sharpest form: one who stays, one who is cancelled, one signal. */

struct single {
    covey_mutex mutex;
    covey_cond cond;
    covey_ctx *ctx;
    int waiting, stays, leaves;
};

static int single_stay(covey_ctx *ctx, void *arg)
{
    struct single *s = arg;

    (void)ctx;
    covey_mutex_lock(&s->mutex);
    s->waiting++;
    s->stays = covey_cond_wait(NULL, &s->cond, &s->mutex);
    covey_mutex_unlock(&s->mutex);
    return 0;
}

static int single_leave(covey_ctx *ctx, void *arg)
{
    struct single *s = arg;

    (void)ctx;
    covey_mutex_lock(&s->mutex);
    s->waiting++;
    s->leaves = covey_cond_wait(s->ctx, &s->cond, &s->mutex);
    covey_mutex_unlock(&s->mutex);
    return 0;
}

static int single_cancel(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    covey_ctx_cancel(((struct single *)arg)->ctx);
    return 0;
}

STRESS_TASK_TEST(one_signal_against_one_cancellation_wakes_one_of_two)
{
    uint64_t random = random_of(0);

    for (int i = 0; i < turns(30000); i++) {
        struct single s = {.ctx = covey_ctx_with_cancel(NULL), .stays = 1, .leaves = 1};
        covey_group *stayer = covey_group_new(NULL), *g = covey_group_new(NULL);

        GO(g, single_leave, &s);
        GO(stayer, single_stay, &s);
        covey_mutex_lock(&s.mutex);
        while (s.waiting < 2) {
            covey_mutex_unlock(&s.mutex);
            covey_yield();
            covey_mutex_lock(&s.mutex);
        }
        covey_mutex_unlock(&s.mutex);
        GO(g, single_cancel, &s);
        for (int j = random_below(&random, 3); j > 0; j--) {
            covey_yield();
        }
        covey_cond_signal(&s.cond);
        JOIN(g);
        CHECK(s.leaves == 0 || s.leaves == COVEY_ECANCELED);
        if (s.leaves == 0) {
            covey_cond_signal(&s.cond); /* it took the first */
        }
        JOIN(stayer);
        CHECK_EQ(s.stays, 0);
        covey_ctx_unref(s.ctx);
    }
}

/* Wait groups: the last done against many waits and their cancellation. */

struct count {
    covey_waitgroup wg;
    covey_ctx *ctx;
    atomic_int waited, cancelled;
    int plain[8];
};

static int count_done(covey_ctx *ctx, void *arg)
{
    struct count *c = arg;

    (void)ctx;
    covey_yield();
    covey_waitgroup_done(&c->wg);
    return 0;
}

static int count_wait(covey_ctx *ctx, void *arg)
{
    struct count *c = arg;
    int rc = covey_waitgroup_wait(c->ctx, &c->wg);

    (void)ctx;
    CHECK(rc == 0 || rc == COVEY_ECANCELED);
    atomic_fetch_add(rc == 0 ? &c->waited : &c->cancelled, 1);
    return 0;
}

static int count_cancel(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    covey_ctx_cancel(((struct count *)arg)->ctx);
    return 0;
}

STRESS_TASK_TEST(the_last_done_against_waits_and_cancellation)
{
    uint64_t random = random_of(0);

    for (int i = 0; i < turns(20000); i++) {
        struct count c = {.ctx = covey_ctx_with_cancel(NULL)};
        covey_group *g = covey_group_new(NULL);
        int n = 1 + random_below(&random, 4);

        covey_waitgroup_add(&c.wg, n);
        for (int j = 0; j < 3; j++) {
            GO(g, count_wait, &c);
        }
        for (int j = 0; j < n; j++) {
            GO(g, count_done, &c);
        }
        if (random_below(&random, 2)) {
            GO(g, count_cancel, &c);
        }
        CHECK_EQ(covey_waitgroup_wait(NULL, &c.wg), 0);
        JOIN(g);
        CHECK_EQ(atomic_load(&c.waited) + atomic_load(&c.cancelled), 3);
        covey_ctx_unref(c.ctx);
    }
}

/* A read-write mutex may go with whoever had it last, though the one before is still on its way out
 * of the unlock, in which it meant to let in a writer who has given up since. */

struct passing {
    covey_rwmutex rw;
    covey_ctx *ctx; /* the writer's */
    atomic_int has_given_up;
};

static int write_unless_ended(covey_ctx *ctx, void *arg)
{
    struct passing *p = arg;

    (void)ctx;
    if (covey_rwmutex_lock_ctx(p->ctx, &p->rw) == 0) {
        covey_rwmutex_unlock(&p->rw);
    }
    atomic_store(&p->has_given_up, 1);
    return 0;
}

/* The one before: unlocks what it is given. */
struct unlocker {
    struct passing *_Atomic given;
    atomic_int stop;
};

static void *unlock_for_ever(void *arg)
{
    struct unlocker *u = arg;

    while (!atomic_load(&u->stop)) {
        struct passing *p = atomic_load(&u->given);
        if (p) {
            covey_rwmutex_runlock(&p->rw);
            atomic_store(&u->given, NULL);
        } else {
            (void)sched_yield(); /* who gives may want this CPU */
        }
    }
    return NULL;
}

static void pass_and_free(covey_ctx *ctx, struct unlocker *u)
{
    struct passing *p = calloc(1, sizeof(*p));
    covey_group *g = covey_group_new(ctx);

    p->ctx = covey_ctx_with_cancel(ctx);
    covey_rwmutex_rlock(&p->rw);
    GO(g, write_unless_ended, p);
    while (covey_rwmutex_try_rlock(&p->rw)) { /* until the writer waits */
        covey_rwmutex_runlock(&p->rw);
        covey_yield();
    }
    covey_ctx_cancel(p->ctx);
    atomic_store(&u->given, p);
    while (!atomic_load(&p->has_given_up)) {
        covey_yield();
    }
    covey_rwmutex_lock(&p->rw);
    covey_rwmutex_unlock(&p->rw);
    covey_ctx_unref(p->ctx);
    free(p);
    JOIN(g);
    while (atomic_load(&u->given)) {
        covey_yield();
    }
}

static int pass_for_a_while(covey_ctx *ctx, void *arg)
{
    struct unlocker u = {NULL, 0};
    pthread_t t;

    (void)arg;
    CHECK_EQ(pthread_create(&t, NULL, unlock_for_ever, &u), 0);
    /* Each turn's delays are sleeps, which a busy machine makes long. */
    int64_t end = covey_now() + 20 * COVEY_SEC;
    for (int turn = turns(5000); turn > 0 && covey_now() < end; turn--) {
        pass_and_free(ctx, &u);
    }
    atomic_store(&u.stop, 1);
    CHECK_EQ(covey_blocking(NULL, join_thread, &t), 0);
    return 0;
}

STRESS_TEST(a_rwmutex_may_go_with_whoever_had_it_last)
{
    CHECK_EQ(setenv("COVEY_DEBUG", "delay", 0), 0);
    CHECK_EQ(covey_run(pass_for_a_while, NULL), 0);
}
