/* SPDX-License-Identifier: MIT
 * storm_stress_test.c - everything at once: a thousand tasks and some plain threads do whatever the
 * seed says, on shared objects, for COVEY_STRESS_SECONDS (default 2) a test; plain, and with the
 * knobs of COVEY_DEBUG (docs/knobs.md) that move, delay and stop them.
 *
 * Ledgers, not guesses: every value sent is received once or still in its channel; permits are
 * conserved; what a lock guards is whole; a stopped function has not run, any other has, once; each
 * task that was started has ended. For minutes: COVEY_STRESS_SECONDS=600 COVEY_TEST_NOFORK=1. */
#include "stress.h"

#include <pthread.h>

enum { ACTORS = 1000, THREADS = 3, CHANNELS = 8, PERMITS = 5, BOX = 3 };

/* What goes in and what comes out: counts, and sums of a hash that a value doubled or changed would
 * not keep equal. */
struct ledger {
    atomic_ulong in, out, in_sum, out_sum;
};

static struct {
    covey_ctx *ctx; /* ends when time is up; above most waits */
    int64_t until;
    atomic_ulong next_value;

    struct ledger values;
    covey_rwmutex slots_lock; /* guards which channel stands in a slot */
    covey_chan *slots[CHANNELS];

    covey_sem *sem;
    atomic_long held;

    covey_mutex mutex; /* guards counter */
    unsigned long counter;
    atomic_ulong counted;

    covey_rwmutex rwmutex; /* guards the pair, which is equal */
    unsigned long pair[2];

    covey_mutex box_mutex; /* guards the box */
    covey_cond box_filled, box_emptied;
    uint64_t box[BOX];
    int box_len;
    struct ledger boxed;

    atomic_ulong started, ended;        /* children of groups */
    atomic_ulong armed, stopped, fired; /* after-funcs of timers and contexts */
    atomic_ulong detached_started, detached_ended;
} storm;

static uint64_t hash_of(uint64_t value)
{
    return random_next(&value);
}

static void ledger_in(struct ledger *l, uint64_t value)
{
    atomic_fetch_add(&l->in, 1);
    atomic_fetch_add(&l->in_sum, hash_of(value));
}

static void ledger_out(struct ledger *l, uint64_t value)
{
    CHECK(value != 0);
    atomic_fetch_add(&l->out, 1);
    atomic_fetch_add(&l->out_sum, hash_of(value));
}

static void ledger_check(struct ledger *l)
{
    CHECK_EQ(atomic_load(&l->in), atomic_load(&l->out));
    CHECK_EQ(atomic_load(&l->in_sum), atomic_load(&l->out_sum));
}

static bool is_over(void)
{
    return covey_now() >= storm.until;
}

static void check_code(int code)
{
    CHECK(code == 0 || code == COVEY_ECANCELED || code == COVEY_EDEADLINE || code == COVEY_ECLOSED);
}

/* ---- channels ---- */

/* The channel in a slot, with a reference. */
static covey_chan *slot_ref(int i)
{
    covey_rwmutex_rlock(&storm.slots_lock);
    covey_chan *ch = covey_chan_ref(storm.slots[i]);
    covey_rwmutex_runlock(&storm.slots_lock);
    return ch;
}

static covey_chan *slot_any(uint64_t *random)
{
    return slot_ref(random_below(random, CHANNELS));
}

static covey_chan *chan_new(uint64_t *random)
{
    covey_chan *ch = covey_chan_new(sizeof(uint64_t), (size_t)random_below(random, 4));

    CHECK(ch);
    return ch;
}

static void drain(covey_chan *ch)
{
    uint64_t value;

    while (covey_chan_try_recv(ch, &value) == 0) {
        ledger_out(&storm.values, value);
    }
}

static void act_send(uint64_t *random)
{
    uint64_t value = atomic_fetch_add(&storm.next_value, 1) + 1;
    covey_chan *ch = slot_any(random);
    covey_ctx *c = random_ctx(random, storm.ctx);
    bool ok = false;
    int code;

    switch (random_below(random, 3)) {
    case 0:
        code = covey_chan_send(c, ch, &value);
        check_code(code);
        ok = code == 0;
        break;
    case 1:
        ok = covey_chan_try_send(ch, &value) == 0;
        break;
    default:
        code = covey_select(c, COVEY_SEND_OK(ch, &value, &ok),
                            COVEY_AFTER(random_below(random, 500) * COVEY_US));
        CHECK(code >= 0 || code == COVEY_ECANCELED || code == COVEY_EDEADLINE);
        CHECK(code == 0 || !ok);
        break;
    }
    if (ok) {
        ledger_in(&storm.values, value);
    }
    covey_ctx_unref(c);
    covey_chan_unref(ch);
}

static void act_recv(uint64_t *random)
{
    covey_chan *ch = slot_any(random);
    covey_ctx *c = random_ctx(random, storm.ctx);
    uint64_t value = 0;
    int code;

    if (random_below(random, 3) == 0) {
        code = covey_chan_try_recv(ch, &value);
    } else {
        code = covey_chan_recv(c, ch, &value);
        check_code(code);
    }
    CHECK_EQ(code == 0, value != 0);
    if (value) {
        ledger_out(&storm.values, value);
    }
    covey_ctx_unref(c);
    covey_chan_unref(ch);
}

/* Over all slots, and a send beside it. */
static void act_select(uint64_t *random)
{
    covey_chan *ch[CHANNELS];
    covey_case cases[CHANNELS + 2];
    uint64_t got[CHANNELS] = {0};
    uint64_t value = atomic_fetch_add(&storm.next_value, 1) + 1;
    covey_ctx *c = random_ctx(random, storm.ctx);
    bool ok = false;
    int first = random_below(random, CHANNELS);

    for (int i = 0; i < CHANNELS; i++) {
        ch[i] = slot_ref((first + i) % CHANNELS);
        cases[i] = COVEY_RECV(ch[i], &got[i]);
    }
    cases[CHANNELS - 1] = COVEY_SEND_OK(ch[CHANNELS - 1], &value, &ok);
    cases[CHANNELS] = COVEY_DONE(storm.ctx);
    cases[CHANNELS + 1] = random_below(random, 4) == 0
                              ? COVEY_DEFAULT
                              : COVEY_AFTER(random_below(random, 500) * COVEY_US);
    int index = covey_select_n(c, cases, CHANNELS + 2);
    CHECK(index >= 0 || index == COVEY_ECANCELED || index == COVEY_EDEADLINE);
    for (int i = 0; i < CHANNELS; i++) {
        CHECK(got[i] == 0 || i == index);
        if (got[i]) {
            ledger_out(&storm.values, got[i]);
        }
        covey_chan_unref(ch[i]);
    }
    if (index == CHANNELS - 1 && ok) {
        ledger_in(&storm.values, value);
    }
    covey_ctx_unref(c);
}

/* Puts a new channel in a slot and closes the old one under those who use it. */
static void act_close(uint64_t *random)
{
    int i = random_below(random, CHANNELS);
    covey_chan *fresh = chan_new(random);

    covey_rwmutex_lock(&storm.slots_lock);
    covey_chan *old = storm.slots[i];
    storm.slots[i] = fresh;
    covey_rwmutex_unlock(&storm.slots_lock);
    CHECK_EQ(covey_chan_close(old), 0);
    drain(old);
    covey_chan_unref(old);
}

/* ---- locks, permits, conditions ---- */

static void act_sem(uint64_t *random)
{
    int n = 1 + random_below(random, PERMITS);
    covey_ctx *c = random_ctx(random, storm.ctx);
    int code = 0;

    if (random_below(random, 4) == 0) {
        code = covey_sem_try_acquire(storm.sem, n) ? 0 : COVEY_ECANCELED;
    } else {
        code = covey_sem_acquire(c, storm.sem, n);
        check_code(code);
    }
    if (code == 0) {
        CHECK(atomic_fetch_add(&storm.held, n) + n <= PERMITS);
        random_pause(random);
        atomic_fetch_sub(&storm.held, n);
        covey_sem_release(storm.sem, n);
    }
    covey_ctx_unref(c);
}

static void act_mutex(uint64_t *random)
{
    covey_ctx *c = random_ctx(random, storm.ctx);
    bool is_locked = true;

    switch (random_below(random, 3)) {
    case 0:
        covey_mutex_lock(&storm.mutex);
        break;
    case 1:
        is_locked = covey_mutex_try_lock(&storm.mutex);
        break;
    default:
        is_locked = covey_mutex_lock_ctx(c, &storm.mutex) == 0;
        break;
    }
    if (is_locked) {
        unsigned long n = storm.counter;
        if (random_below(random, 8) == 0) {
            covey_yield();
        }
        storm.counter = n + 1;
        covey_mutex_unlock(&storm.mutex);
        atomic_fetch_add(&storm.counted, 1);
    }
    covey_ctx_unref(c);
}

static void act_rwmutex(uint64_t *random)
{
    covey_ctx *c = random_ctx(random, storm.ctx);

    if (random_below(random, 4) == 0) {
        if (covey_rwmutex_lock_ctx(c, &storm.rwmutex) == 0) {
            storm.pair[0]++;
            covey_yield();
            storm.pair[1]++;
            covey_rwmutex_unlock(&storm.rwmutex);
        }
    } else if (covey_rwmutex_rlock_ctx(c, &storm.rwmutex) == 0) {
        unsigned long first = storm.pair[0];
        random_pause(random);
        CHECK_EQ(storm.pair[1], first);
        covey_rwmutex_runlock(&storm.rwmutex);
    }
    covey_ctx_unref(c);
}

/* A bounded box, filled and emptied with two conditions. */
static void act_box(uint64_t *random)
{
    covey_ctx *c = random_ctx(random, storm.ctx);
    bool fills = random_below(random, 2);
    int code = 0;

    covey_mutex_lock(&storm.box_mutex);
    while (code == 0 && storm.box_len == (fills ? BOX : 0)) {
        code = covey_cond_wait(c, fills ? &storm.box_emptied : &storm.box_filled, &storm.box_mutex);
        check_code(code);
    }
    if (code == 0 && fills) {
        uint64_t value = atomic_fetch_add(&storm.next_value, 1) + 1;
        storm.box[storm.box_len++] = value;
        ledger_in(&storm.boxed, value);
        covey_cond_signal(&storm.box_filled);
    } else if (code == 0) {
        ledger_out(&storm.boxed, storm.box[--storm.box_len]);
        covey_cond_broadcast(&storm.box_emptied);
    }
    covey_mutex_unlock(&storm.box_mutex);
    covey_ctx_unref(c);
}

/* ---- tasks ---- */

struct child {
    uint64_t random;
    int code;
};

static int child_main(covey_ctx *ctx, void *arg)
{
    struct child c = *(struct child *)arg;

    for (int i = random_below(&c.random, 3); i > 0 && covey_ctx_err(ctx) == 0; i--) {
        random_pause(&c.random);
        (void)covey_sleep(ctx, random_below(&c.random, 300) * COVEY_US);
    }
    atomic_fetch_add(&storm.ended, 1);
    return c.code;
}

static void act_group(uint64_t *random)
{
    covey_group_options opts = {.policy = (covey_group_policy)random_below(random, 3),
                                .limit = random_below(random, 4)};
    covey_group *g = covey_group_new_with(storm.ctx, &opts);
    int started = 0, failing = 0;

    CHECK(g);
    for (int i = random_below(random, 6); i > 0; i--) {
        struct child c = {.random = random_next(random),
                          .code = random_below(random, 3) == 0 ? -EBADF : 0};
        int code = random_below(random, 2) ? covey_group_go_copy(g, child_main, &c, sizeof(c))
                                           : covey_group_try_go_copy(g, child_main, &c, sizeof(c));
        CHECK(code == 0 || code == COVEY_EAGAIN);
        started += code == 0;
        failing += code == 0 && c.code < 0;
    }
    atomic_fetch_add(&storm.started, (unsigned long)started);
    if (random_below(random, 4) == 0) {
        covey_group_cancel(g, -ESTALE);
    } else if (random_below(random, 4) == 0) {
        int index = covey_select(NULL, COVEY_JOINED(g), COVEY_AFTER(COVEY_MS));
        CHECK(index == 0 || index == 1);
    }
    int code = covey_group_wait(g);
    if (opts.policy == COVEY_FIRST_SUCCESS) {
        CHECK_EQ(code, started > 0 && failing == started ? -EBADF : 0);
    } else {
        CHECK_EQ(code, failing > 0 ? -EBADF : 0);
    }
}

static int detached_main(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    covey_yield();
    atomic_fetch_add(&storm.detached_ended, 1);
    return 0;
}

static int blocking_main(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)sched_yield();
    return *(int *)arg;
}

static void act_task(uint64_t *random)
{
    covey_task_options opts = {.compact = random_below(random, 2),
                               .pinned = !random_below(random, 4)};
    int code = -EBADF;

    switch (random_below(random, 4)) {
    case 0:
        CHECK_EQ(covey_blocking(NULL, blocking_main, &code), -EBADF);
        CHECK_EQ(covey_errcode(), -EBADF);
        break;
    case 1:
        covey_pin();
        covey_yield();
        covey_unpin();
        break;
    default:
        CHECK_EQ(covey_go_with(&opts, detached_main, NULL), 0);
        atomic_fetch_add(&storm.detached_started, 1);
        break;
    }
}

/* ---- functions that run later, or are stopped ---- */

static int fired_main(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    atomic_fetch_add(&storm.fired, 1);
    return 0;
}

static void act_after(uint64_t *random)
{
    bool is_stopped;

    if (random_below(random, 2)) {
        covey_timer *t = covey_after_func(random_below(random, 300) * COVEY_US, fired_main, NULL);
        CHECK(t);
        random_pause(random);
        is_stopped = covey_timer_stop(t);
        covey_timer_free(t);
    } else {
        covey_ctx *c = random_ctx(random, storm.ctx);
        covey_stop *s = covey_ctx_after_func(c, fired_main, NULL);
        CHECK(s);
        random_pause(random);
        if (random_below(random, 2)) {
            covey_ctx_cancel(c);
        }
        is_stopped = covey_stop_call(s);
        covey_ctx_unref(c);
    }
    atomic_fetch_add(is_stopped ? &storm.stopped : &storm.armed, 1);
}

static void act_ticker(uint64_t *random)
{
    covey_timer *t = covey_timer_new(random_below(random, 500) * COVEY_US);
    covey_ctx *c = random_ctx(random, storm.ctx);
    int64_t at = 0;

    if (random_below(random, 2)) {
        (void)covey_timer_reset(t, random_below(random, 200) * COVEY_US);
    }
    int code = covey_chan_recv(c, covey_timer_chan(t), &at);
    check_code(code);
    CHECK_EQ(code == 0, at != 0);
    if (covey_timer_stop(t)) {
        CHECK(code != 0);
    }
    CHECK_EQ(covey_chan_try_recv(covey_timer_chan(t), &at), COVEY_EAGAIN);
    covey_timer_free(t);
    covey_ctx_unref(c);
}

/* ---- the storm ---- */

static void (*const acts[])(uint64_t *random) = {
    act_send,   act_send,  act_send, act_recv,  act_recv,    act_recv,
    act_select, act_close, act_sem,  act_mutex, act_rwmutex, act_box,
    act_box,    act_group, act_task, act_after, act_ticker,
};

static void act_until_over(int index)
{
    uint64_t random = random_of(index);

    while (!is_over()) {
        acts[random_below(&random, sizeof(acts) / sizeof(acts[0]))](&random);
        random_pause(&random);
    }
}

static int actor(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    act_until_over(*(int *)arg);
    return 0;
}

static void *thread_main(void *arg)
{
    act_until_over(*(int *)arg);
    return NULL;
}

static void storm_check(void)
{
    for (int i = 0; i < CHANNELS; i++) {
        CHECK(covey_chan_len(storm.slots[i]) <= covey_chan_cap(storm.slots[i]));
        drain(storm.slots[i]);
        covey_chan_unref(storm.slots[i]);
    }
    ledger_check(&storm.values);
    while (storm.box_len > 0) {
        ledger_out(&storm.boxed, storm.box[--storm.box_len]);
    }
    ledger_check(&storm.boxed);
    CHECK_EQ(atomic_load(&storm.held), 0);
    CHECK(covey_sem_try_acquire(storm.sem, PERMITS));
    covey_sem_free(storm.sem);
    CHECK_EQ(storm.counter, atomic_load(&storm.counted));
    CHECK_EQ(storm.pair[0], storm.pair[1]);
    CHECK_EQ(atomic_load(&storm.started), atomic_load(&storm.ended));
}

static int storm_main(covey_ctx *ctx, void *arg)
{
    pthread_t threads[THREADS];
    int index[ACTORS + THREADS];
    uint64_t random = random_of(-1);
    const char *seconds = getenv("COVEY_STRESS_SECONDS");
    covey_group *g = covey_group_new(NULL);
    int actors = *(int *)arg;

    storm.until = covey_now() + (int64_t)((seconds && *seconds ? atof(seconds) : 2) * COVEY_SEC);
    storm.ctx = covey_ctx_with_deadline(ctx, storm.until);
    storm.sem = covey_sem_new(PERMITS);
    for (int i = 0; i < CHANNELS; i++) {
        storm.slots[i] = chan_new(&random);
    }
    for (int i = 0; i < actors + THREADS; i++) {
        index[i] = i;
        if (i < actors) {
            GO(g, actor, &index[i]);
        } else {
            CHECK_EQ(pthread_create(&threads[i - actors], NULL, thread_main, &index[i]), 0);
        }
    }
    JOIN(g);
    for (int i = 0; i < THREADS; i++) {
        CHECK_EQ(covey_blocking(NULL, join_thread, &threads[i]), 0);
    }
    storm_check();
    covey_ctx_unref(storm.ctx);
    return 0;
}

/* In a child of its own, whose first call into covey reads the knobs. */
static void storm_run(const char *knobs, int actors)
{
    char seed[32];

    (void)snprintf(seed, sizeof(seed), "%llu", (unsigned long long)(stress_seed >> 8));
    if (knobs) {
        CHECK_EQ(setenv("COVEY_DEBUG", knobs, 1), 0);
        CHECK_EQ(setenv("COVEY_DEBUG_SEED", seed, 0), 0);
    }
    CHECK_EQ(covey_run(storm_main, &actors), 0);
    /* What was not stopped has run once, and what was started has ended. */
    CHECK_EQ(atomic_load(&storm.fired), atomic_load(&storm.armed));
    CHECK_EQ(atomic_load(&storm.detached_started), atomic_load(&storm.detached_ended));
    fprintf(stderr, "# %lu values, %lu children, %lu detached, %lu after-funcs\n",
            atomic_load(&storm.values.in), atomic_load(&storm.started),
            atomic_load(&storm.detached_started), atomic_load(&storm.fired));
}

STRESS_TEST(storm)
{
    storm_run(NULL, ACTORS);
}

STRESS_TEST(storm_of_few)
{
    storm_run(NULL, 20);
}

STRESS_TEST(storm_with_migration)
{
    storm_run("migrate", ACTORS);
}

STRESS_TEST(storm_with_delays)
{
    storm_run("delay,pause", ACTORS);
}

STRESS_TEST(storm_of_few_with_delays)
{
    storm_run("delay,pause", 20);
}

STRESS_TEST(storm_with_migration_and_delays)
{
    storm_run("migrate,delay,pause", ACTORS);
}
