/* SPDX-License-Identifier: MIT
 * diagnosis_test.c - cycles of tasks that wait for each other, through mutexes, read-write mutexes,
 * semaphores, leases, shares of a pool, joins and limits of groups, while the rest of the program
 * goes on; and waits that are none. */
#include "harness.h"

#include <covey.h>

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define REPORT_ROOM 65536u

static covey_mutex mutexes[8];
static covey_rwmutex rwmutexes[8];
static _Atomic int ready[15];
static covey_redlock *redlock;

/* Both of a pair hold what they hold. */
static void meet(covey_ctx *ctx, int pair)
{
    ready[pair]++;
    while (ready[pair] < 2) {
        (void)covey_sleep(ctx, COVEY_MS);
    }
}

static int writer_then_mutex(covey_ctx *ctx, void *arg)
{
    (void)arg;
    covey_rwmutex_lock(&rwmutexes[0]);
    meet(ctx, 0);
    covey_mutex_lock(&mutexes[0]);
    return 0;
}

static int mutex_then_read(covey_ctx *ctx, void *arg)
{
    (void)arg;
    covey_mutex_lock(&mutexes[0]);
    meet(ctx, 0);
    covey_rwmutex_rlock(&rwmutexes[0]);
    return 0;
}

static int reader_then_mutex(covey_ctx *ctx, void *arg)
{
    (void)arg;
    covey_rwmutex_rlock(&rwmutexes[1]);
    meet(ctx, 1);
    covey_mutex_lock(&mutexes[1]);
    return 0;
}

static int mutex_then_write(covey_ctx *ctx, void *arg)
{
    (void)arg;
    covey_mutex_lock(&mutexes[1]);
    meet(ctx, 1);
    covey_rwmutex_lock(&rwmutexes[1]);
    return 0;
}

static int read_twice(covey_ctx *ctx, void *arg)
{
    (void)arg;
    covey_rwmutex_rlock(&rwmutexes[2]);
    meet(ctx, 2);
    /* Behind the one that wants to write. */
    while (covey_rwmutex_try_rlock(&rwmutexes[2])) {
        covey_rwmutex_runlock(&rwmutexes[2]);
        (void)covey_sleep(ctx, COVEY_MS);
    }
    covey_rwmutex_rlock(&rwmutexes[2]);
    return 0;
}

static int write_between(covey_ctx *ctx, void *arg)
{
    (void)arg;
    meet(ctx, 2);
    covey_rwmutex_lock(&rwmutexes[2]);
    return 0;
}

static int needs_mutex(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    covey_mutex_lock(&mutexes[3]);
    return 0;
}

static int join_under_mutex(covey_ctx *ctx, void *arg)
{
    (void)arg;
    covey_mutex_lock(&mutexes[3]);
    covey_group *g = covey_group_new(ctx);
    (void)covey_group_go(g, needs_mutex, NULL);
    return covey_group_wait(g);
}

static covey_lease *acquire(const char *name)
{
    covey_lease *lease = NULL;

    CHECK(covey_redlock_acquire(NULL, redlock, name, &lease) == 0);
    return lease;
}

static int mutex_then_lease(covey_ctx *ctx, void *arg)
{
    (void)arg;
    covey_mutex_lock(&mutexes[5]);
    meet(ctx, 5);
    (void)acquire("till");
    return 0;
}

static int lease_then_mutex(covey_ctx *ctx, void *arg)
{
    (void)arg;
    (void)acquire("till");
    meet(ctx, 5);
    covey_mutex_lock(&mutexes[5]);
    return 0;
}

static int red_then_blue(covey_ctx *ctx, void *arg)
{
    (void)arg;
    (void)acquire("red");
    meet(ctx, 6);
    (void)acquire("blue");
    return 0;
}

static int blue_then_red(covey_ctx *ctx, void *arg)
{
    (void)arg;
    (void)acquire("blue");
    meet(ctx, 6);
    (void)acquire("red");
    return 0;
}

/* A lease that is waited for, and one that was given back: no cycle. */
static int lease_for_long(covey_ctx *ctx, void *arg)
{
    (void)arg;
    (void)covey_lease_release(acquire("done"));
    (void)acquire("long");
    meet(ctx, 7);
    (void)covey_sleep(ctx, 60 * COVEY_SEC);
    return 0;
}

static int lease_after_long(covey_ctx *ctx, void *arg)
{
    (void)arg;
    meet(ctx, 7);
    (void)acquire("done");
    (void)acquire("long");
    return 0;
}

/* Long waits, in pairs, without a cycle: readers who were there have gone. */
static int hold_for_long(covey_ctx *ctx, void *arg)
{
    (void)arg;
    covey_rwmutex_rlock(&rwmutexes[4]);
    covey_rwmutex_runlock(&rwmutexes[4]);
    covey_rwmutex_lock(&rwmutexes[4]);
    covey_rwmutex_unlock(&rwmutexes[4]);
    covey_rwmutex_rlock(&rwmutexes[5]);
    meet(ctx, 4);
    (void)covey_sleep(ctx, 60 * COVEY_SEC);
    return 0;
}

static int wait_for_long(covey_ctx *ctx, void *arg)
{
    (void)arg;
    meet(ctx, 4);
    covey_rwmutex_rlock(&rwmutexes[4]);
    covey_rwmutex_lock(&rwmutexes[5]);
    return 0;
}

/* A pool of two, as libcovey-sql's: full[0] is had by tasks who wait for more of it, full[1] by one
 * such and one that may let go. */
static char full[2];
static covey_chan *never;

static int wants_share(covey_ctx *ctx, void *arg)
{
    covey_wait_note note = {.what = "share", .object = arg, .shares = 2};

    covey_wait_note_begin(&note);
    int code = covey_chan_recv(ctx, never, NULL);
    covey_wait_note_end(&note);
    return code;
}

static int wants_share_in_vain(covey_ctx *ctx, void *arg)
{
    return wants_share(ctx, arg);
}

static int share_then_share(covey_ctx *ctx, void *arg)
{
    (void)arg;
    (void)covey_hold_begin(&full[0]);
    meet(ctx, 8);
    return wants_share(ctx, &full[0]);
}

static int share_then_join(covey_ctx *ctx, void *arg)
{
    (void)arg;
    (void)covey_hold_begin(&full[0]);
    meet(ctx, 8);
    covey_group *g = covey_group_new(ctx);
    (void)covey_group_go(g, wants_share_in_vain, &full[0]);
    return covey_group_wait(g);
}

static int share_for_long(covey_ctx *ctx, void *arg)
{
    (void)arg;
    (void)covey_hold_begin(&full[1]);
    meet(ctx, 9);
    (void)covey_sleep(ctx, 60 * COVEY_SEC);
    return 0;
}

static int second_share_for_long(covey_ctx *ctx, void *arg)
{
    (void)arg;
    (void)covey_hold_begin(&full[1]);
    meet(ctx, 9);
    return wants_share(ctx, &full[1]);
}

/* Who waits for each other, but not for long: no two looks find the same wait. */
static char renewed[2];

static int renews(covey_ctx *ctx, void *arg)
{
    int own = arg != NULL;

    (void)covey_hold_begin(&renewed[own]);
    while (covey_ctx_err(ctx) == 0) {
        covey_wait_note note = {.what = "renewed", .object = &renewed[!own]};
        covey_ctx *soon = covey_ctx_with_timeout(ctx, 20 * COVEY_MS);
        covey_wait_note_begin(&note);
        (void)covey_chan_recv(soon, never, NULL);
        covey_wait_note_end(&note);
        covey_ctx_unref(soon);
    }
    return 0;
}

/* Two things that are made once, and each needs the other. */
static covey_once_flag made[2];

static void make_first(void *ctx);

static void make_second(void *ctx)
{
    meet(ctx, 10);
    covey_once(&made[0], make_first, ctx);
}

static void make_first(void *ctx)
{
    meet(ctx, 10);
    covey_once(&made[1], make_second, ctx);
}

static int needs_first(covey_ctx *ctx, void *arg)
{
    (void)arg;
    covey_once(&made[0], make_first, ctx);
    return 0;
}

static int needs_second(covey_ctx *ctx, void *arg)
{
    (void)arg;
    covey_once(&made[1], make_second, ctx);
    return 0;
}

/* What is asked for once for all asks for itself. */
static covey_singleflight *flights;

static int ask_again(covey_ctx *ctx, void *arg, void **result)
{
    return covey_singleflight_do(ctx, flights, "price/7", ask_again, arg, result, NULL);
}

static int ask_first(covey_ctx *ctx, void *arg)
{
    void *result;

    return covey_singleflight_do(ctx, flights, "price/7", ask_again, arg, &result, NULL);
}

/* Semaphores whose permits have come back from who had acquired them; but for one. */
static covey_sem *sems[3], *signalled;
static _Atomic bool has_three;

static covey_sem *used_sem(int64_t permits)
{
    covey_sem *s = covey_sem_new(permits);

    CHECK(s && covey_sem_acquire(NULL, s, permits) == 0);
    covey_sem_release(s, 1);
    covey_sem_release(s, permits - 1);
    return s;
}

static int permit_then_mutex(covey_ctx *ctx, void *arg)
{
    (void)arg;
    (void)covey_sem_acquire(ctx, sems[0], 1);
    meet(ctx, 11);
    covey_mutex_lock(&mutexes[6]);
    return 0;
}

static int mutex_then_permit(covey_ctx *ctx, void *arg)
{
    (void)arg;
    covey_mutex_lock(&mutexes[6]);
    meet(ctx, 11);
    return covey_sem_acquire(ctx, sems[0], 1);
}

/* Of four permits one has one left, another two, and the last is too few for what they want. */
static int three_permits_then_all(covey_ctx *ctx, void *arg)
{
    (void)arg;
    (void)covey_sem_acquire(ctx, sems[1], 3);
    has_three = true;
    covey_sem_release(sems[1], 2);
    meet(ctx, 12);
    return covey_sem_acquire(ctx, sems[1], 3);
}

static int two_permits_then_two(covey_ctx *ctx, void *arg)
{
    (void)arg;
    while (!has_three) {
        (void)covey_sleep(ctx, COVEY_MS);
    }
    (void)covey_sem_acquire(ctx, sems[1], 2);
    meet(ctx, 12);
    return covey_sem_acquire(ctx, sems[1], 2);
}

/* One has the other permit that may let go. */
static int permit_for_long(covey_ctx *ctx, void *arg)
{
    (void)arg;
    (void)covey_sem_acquire(ctx, sems[2], 1);
    meet(ctx, 13);
    return covey_sleep(ctx, 60 * COVEY_SEC);
}

static int second_permit_for_long(covey_ctx *ctx, void *arg)
{
    (void)arg;
    (void)covey_sem_acquire(ctx, sems[2], 1);
    meet(ctx, 13);
    return covey_sem_acquire(ctx, sems[2], 1);
}

/* Who waits for what another will release is no task that waits for itself: not all has come back
 * from who had it, or nothing has yet. */
static int signal_for_long(covey_ctx *ctx, void *arg)
{
    covey_sem *s = arg;

    (void)covey_sem_acquire(ctx, s, 1);
    return covey_sem_acquire(ctx, s, 1);
}

static int gives_signal(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    covey_sem_release(signalled, 1);
    return 0;
}

static void sems_start(covey_ctx *ctx, covey_group *g)
{
    covey_group *once = covey_group_new(ctx);

    sems[0] = used_sem(1);
    sems[1] = used_sem(4);
    sems[2] = used_sem(2);
    signalled = used_sem(1);
    (void)covey_sem_acquire(ctx, signalled, 1);
    (void)covey_group_go(once, gives_signal, NULL);
    (void)covey_group_wait(once);
    (void)covey_sem_acquire(ctx, signalled, 1);
    covey_sem_release(signalled, 1);
    (void)covey_group_go(g, permit_then_mutex, NULL);
    (void)covey_group_go(g, mutex_then_permit, NULL);
    (void)covey_group_go(g, three_permits_then_all, NULL);
    (void)covey_group_go(g, two_permits_then_two, NULL);
    (void)covey_group_go(g, permit_for_long, NULL);
    (void)covey_group_go(g, second_permit_for_long, NULL);
    (void)covey_group_go(g, signal_for_long, signalled);
    (void)covey_group_go(g, signal_for_long, covey_sem_new(1));
}

/* A full group that none leaves, for its tasks want to start another one there; and one that one
 * may leave, or whose limit somebody changes. */
static int stays_for_long(covey_ctx *ctx, void *arg)
{
    (void)arg;
    return covey_sleep(ctx, 60 * COVEY_SEC);
}

static int starts_in_own(covey_ctx *ctx, void *arg)
{
    meet(ctx, 14);
    return covey_group_go(arg, stays_for_long, NULL);
}

static int starts_for_long(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    return covey_group_go(arg, stays_for_long, NULL);
}

static int opens_full(covey_ctx *ctx, void *arg)
{
    covey_group *g = covey_group_new(ctx);

    (void)arg;
    covey_group_set_limit(g, 2);
    (void)covey_group_go(g, starts_in_own, g);
    (void)covey_group_go(g, starts_in_own, g);
    return covey_group_wait(g);
}

static int opens_for_long(covey_ctx *ctx, void *arg)
{
    covey_group *g = covey_group_new(ctx);
    bool is_tuned = arg != NULL;

    covey_group_set_limit(g, is_tuned ? 1 : 2);
    if (!is_tuned) {
        (void)covey_group_go(g, stays_for_long, NULL);
    }
    (void)covey_group_go(g, starts_for_long, g);
    if (is_tuned) {
        covey_group_set_limit(g, 1);
    }
    return covey_group_wait(g);
}

/* Who holds a lock starts a task in a full group whose only one needs that lock. */
static int wants_lock(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    covey_mutex_lock(arg);
    return 0;
}

static int starts_under_mutex(covey_ctx *ctx, void *arg)
{
    covey_group *g = covey_group_new_with(ctx, &(covey_group_options){.limit = 1});

    (void)arg;
    covey_mutex_lock(&mutexes[7]);
    (void)covey_group_go(g, wants_lock, &mutexes[7]);
    (void)covey_group_go(g, stays_for_long, NULL);
    return covey_group_wait(g);
}

/* A select that only the end of a group ends, or something else too. */
static char ways[4];

static int selects_under_mutex(covey_ctx *ctx, void *arg)
{
    static covey_mutex m;
    covey_group *g = covey_group_new(ctx);

    (void)arg;
    covey_mutex_lock(&m);
    (void)covey_group_go(g, wants_lock, &m);
    (void)covey_select(ctx, COVEY_RECV(NULL, NULL), COVEY_JOINED(g), COVEY_DONE(NULL));
    return covey_group_wait(g);
}

static int selects_own_group(covey_ctx *ctx, void *arg)
{
    return covey_select(ctx, COVEY_JOINED(arg), COVEY_JOINED(arg));
}

static int opens_selected(covey_ctx *ctx, void *arg)
{
    covey_group *g = covey_group_new(ctx);

    (void)arg;
    (void)covey_group_go(g, selects_own_group, g);
    return covey_group_wait(g);
}

static int selects_for_long(covey_ctx *ctx, void *arg)
{
    static covey_mutex locks[4];
    covey_group *g = covey_group_new(ctx), *other = covey_group_new(ctx);
    int way = (int)((char *)arg - ways);

    covey_mutex_lock(&locks[way]);
    (void)covey_group_go(g, wants_lock, &locks[way]);
    (void)covey_group_go(other, stays_for_long, NULL);
    const covey_case others[] = {COVEY_JOINED(other), COVEY_RECV(never, NULL), COVEY_DONE(ctx),
                                 COVEY_AFTER(60 * COVEY_SEC)};
    (void)covey_select(ctx, COVEY_JOINED(g), others[way]);
    (void)covey_group_wait(other);
    return covey_group_wait(g);
}

static void groups_start(covey_group *g)
{
    (void)covey_group_go(g, opens_full, NULL);
    (void)covey_group_go(g, opens_for_long, NULL);
    (void)covey_group_go(g, opens_for_long, g);
    (void)covey_group_go(g, starts_under_mutex, NULL);
    (void)covey_group_go(g, selects_under_mutex, NULL);
    (void)covey_group_go(g, opens_selected, NULL);
    for (int i = 0; i < 4; i++) {
        (void)covey_group_go(g, selects_for_long, &ways[i]);
    }
}

/* A long row, each of whom waits for the next; the last four for each other. */
enum { ROW = 1002, ROW_CYCLE = 4 };
static covey_mutex row[ROW];
static _Atomic int row_held;
static covey_chan *row_is_held;

static int in_row(covey_ctx *ctx, void *arg)
{
    int i = (int)((covey_mutex *)arg - row);

    covey_mutex_lock(&row[i]);
    row_held++;
    (void)covey_chan_recv(ctx, row_is_held, NULL);
    covey_mutex_lock(&row[i + 1 < ROW ? i + 1 : ROW - ROW_CYCLE]);
    return 0;
}

static void row_start(covey_ctx *ctx, covey_group *g)
{
    row_is_held = covey_chan_new(0, 0);
    for (int i = 0; i < ROW; i++) {
        (void)covey_group_go(g, in_row, &row[i]);
    }
    while (row_held < ROW) {
        (void)covey_sleep(ctx, COVEY_MS);
    }
    (void)covey_chan_close(row_is_held);
}

/* A crowd that takes things in their order, and gives each back, many of them at a time and for
 * up to seconds: it never deadlocks. */
enum { CROWD = 60, THINGS = 12 };
static struct thing {
    covey_mutex mutex;
    covey_rwmutex rwmutex;
    covey_sem *sem;
} things[THINGS];

static uint32_t random_below(uint64_t *random, uint32_t n)
{
    *random = *random * UINT64_C(6364136223846793005) + 1442695040888963407;
    return (uint32_t)(*random >> 33) % n;
}

struct errand {
    uint64_t random;
    int from; /* the first of the things it may take */
    int depth;
};

static int take_in_order(covey_ctx *ctx, void *arg);

static void pause_a_while(covey_ctx *ctx, uint64_t *random)
{
    int64_t most = random_below(random, 16) == 0 ? 1500 * COVEY_MS : 3 * COVEY_MS;

    (void)covey_sleep(ctx, random_below(random, (uint32_t)(most / COVEY_US)) * COVEY_US);
}

/* Others do the rest in a group that is often full. */
static void send_others(covey_ctx *ctx, struct errand *e)
{
    covey_group_options o = {.limit = 1 + (int)random_below(&e->random, 2)};
    covey_group *g = covey_group_new_with(ctx, &o);

    for (int i = 0; i < 3; i++) {
        struct errand other = {random_below(&e->random, UINT32_MAX), e->from, e->depth + 1};
        (void)covey_group_go_copy(g, take_in_order, &other, sizeof(other));
    }
    if (random_below(&e->random, 2)) {
        (void)covey_select(ctx, COVEY_JOINED(g));
    }
    (void)covey_group_wait(g);
}

static void take_rest(covey_ctx *ctx, struct errand *e)
{
    struct thing *t = &things[e->from++];

    if (e->from >= THINGS) {
        pause_a_while(ctx, &e->random);
    } else if (e->depth < 2 && random_below(&e->random, 12) == 0) {
        send_others(ctx, e);
    } else if (random_below(&e->random, 2)) {
        take_rest(ctx, e);
    } else if (random_below(&e->random, 4) == 0) {
        covey_mutex_lock(&t->mutex);
        take_rest(ctx, e);
        covey_mutex_unlock(&t->mutex);
    } else if (random_below(&e->random, 3) == 0) {
        covey_rwmutex_rlock(&t->rwmutex);
        take_rest(ctx, e);
        covey_rwmutex_runlock(&t->rwmutex);
    } else if (random_below(&e->random, 2)) {
        covey_rwmutex_lock(&t->rwmutex);
        take_rest(ctx, e);
        covey_rwmutex_unlock(&t->rwmutex);
    } else {
        int64_t n = 1 + random_below(&e->random, 3);
        (void)covey_sem_acquire(NULL, t->sem, n);
        take_rest(ctx, e);
        covey_sem_release(t->sem, n);
    }
}

static int take_in_order(covey_ctx *ctx, void *arg)
{
    struct errand *e = arg;

    take_rest(ctx, e);
    return 0;
}

static int in_crowd(covey_ctx *ctx, void *arg)
{
    struct errand e = *(struct errand *)arg;

    while (covey_ctx_err(ctx) == 0) {
        e.from = 0;
        take_rest(ctx, &e);
    }
    return 0;
}

static void crowd_start(covey_group *g)
{
    for (int i = 0; i < THINGS; i++) {
        things[i].sem = used_sem(4);
    }
    for (int i = 0; i < CROWD; i++) {
        struct errand e = {.random = (uint64_t)i + 1};
        (void)covey_group_go_copy(g, in_crowd, &e, sizeof(e));
    }
}

static int all_of_them(covey_ctx *ctx, void *arg)
{
    covey_group *g = covey_group_new(ctx);

    (void)arg;
    never = covey_chan_new(0, 0);
    (void)covey_group_go(g, share_then_share, NULL);
    (void)covey_group_go(g, share_then_join, NULL);
    (void)covey_group_go(g, share_for_long, NULL);
    (void)covey_group_go(g, second_share_for_long, NULL);
    redlock = covey_redlock_new(NULL, 0, NULL);
    (void)covey_group_go(g, mutex_then_lease, NULL);
    (void)covey_group_go(g, lease_then_mutex, NULL);
    (void)covey_group_go(g, red_then_blue, NULL);
    (void)covey_group_go(g, blue_then_red, NULL);
    (void)covey_group_go(g, lease_for_long, NULL);
    (void)covey_group_go(g, lease_after_long, NULL);
    (void)covey_group_go(g, writer_then_mutex, NULL);
    (void)covey_group_go(g, mutex_then_read, NULL);
    (void)covey_group_go(g, reader_then_mutex, NULL);
    (void)covey_group_go(g, mutex_then_write, NULL);
    (void)covey_group_go(g, read_twice, NULL);
    (void)covey_group_go(g, write_between, NULL);
    (void)covey_group_go(g, join_under_mutex, NULL);
    (void)covey_group_go(g, hold_for_long, NULL);
    (void)covey_group_go(g, wait_for_long, NULL);
    (void)covey_group_go(g, renews, NULL);
    (void)covey_group_go(g, renews, renewed);
    (void)covey_group_go(g, needs_first, NULL);
    (void)covey_group_go(g, needs_second, NULL);
    flights = covey_singleflight_new();
    (void)covey_group_go(g, ask_first, NULL);
    sems_start(ctx, g);
    groups_start(g);
    crowd_start(g);
    row_start(ctx, g);
    return covey_group_wait(g);
}

static int count_of(const char *text, const char *words)
{
    int n = 0;

    for (const char *at = text; (at = strstr(at, words)) != NULL; at++) {
        n++;
    }
    return n;
}

/* Less than the harness allows, so that what was said is shown. */
static unsigned patience_s(void)
{
    const char *factor = getenv("COVEY_TEST_TIMEOUT");
    return 110 * (factor ? (unsigned)atoi(factor) : 1);
}

/* What a child says on standard error until it says so a number of times, and two looks more. */
static char *report_of_child(const covey_options *o, covey_fn *fn, const char *until, int times)
{
    char *text = calloc(1, REPORT_ROOM);
    size_t len = 0;
    int ends[2];
    int wait_ms = -1;

    CHECK(text && pipe(ends) == 0);
    pid_t child = fork();
    if (child == 0) {
        (void)dup2(ends[1], 2);
        (void)alarm(patience_s());
        _exit(covey_run_with(o, fn, NULL));
    }
    (void)close(ends[1]);
    struct pollfd p = {.fd = ends[0], .events = POLLIN};
    while (len < REPORT_ROOM - 1 && poll(&p, 1, wait_ms) > 0) {
        ssize_t n = read(ends[0], text + len, REPORT_ROOM - 1 - len);
        if (n <= 0) {
            break;
        }
        len += (size_t)n;
        wait_ms = count_of(text, until) >= times ? 2500 : wait_ms;
    }
    (void)close(ends[0]);
    (void)kill(child, SIGKILL);
    (void)waitpid(child, NULL, 0);
    return text;
}

/* The report of the cycle in which this task is, from its head to the next's. */
static char *cycle_with(const char *report, const char *task)
{
    char quoted[64];

    (void)snprintf(quoted, sizeof(quoted), "\"%s\"", task);
    const char *at = strstr(report, quoted);
    CHECK(at);
    while (at > report && strncmp(at, "covey: deadlock:", 16) != 0) {
        at--;
    }
    const char *end = strstr(at + 1, "covey: deadlock:");
    return strndup(at, end ? (size_t)(end - at) : strlen(at));
}

static void check_cycle(const char *report, const char *first, const char *second, const char *wait)
{
    char *cycle = cycle_with(report, first);

    CHECK(strncmp(cycle, "covey: deadlock: 2 tasks wait for each other:", 45) == 0);
    CHECK(strstr(cycle, second));
    CHECK(strstr(cycle, wait));
    CHECK(strstr(cycle, "diagnosis_test.c:"));
    free(cycle);
}

TEST(cycles_through_locks_and_joins_are_told_and_nothing_else)
{
    covey_options o = {.diagnose = true};
    char *report = report_of_child(&o, all_of_them, "covey: deadlock:", 16);

    printf("%s", report);
    check_cycle(report, "writer_then_mutex", "mutex_then_read", "waiting in rwmutex read");
    check_cycle(report, "writer_then_mutex", "mutex_then_read", "(held by task ");
    check_cycle(report, "reader_then_mutex", "mutex_then_write", "(read by task ");
    check_cycle(report, "read_twice", "write_between", "waiting in rwmutex write");
    check_cycle(report, "join_under_mutex", "needs_mutex", "waiting in group wait");
    check_cycle(report, "mutex_then_lease", "lease_then_mutex",
                "awaiting lease \"till\" (held by task ");
    check_cycle(report, "mutex_then_lease", "lease_then_mutex", "waiting in mutex 0x");
    check_cycle(report, "red_then_blue", "blue_then_red", "awaiting lease \"red\" (held by task ");
    check_cycle(report, "red_then_blue", "blue_then_red", "awaiting lease \"blue\" (held by task ");
    char *shares = cycle_with(report, "share_then_share");
    CHECK(strstr(shares, "awaiting share (held by task "));
    CHECK(strstr(shares, "share_then_join"));
    free(shares);
    check_cycle(report, "needs_first", "needs_second",
                "awaiting the end of its call (held by task ");
    char *own = cycle_with(report, "ask_again");
    CHECK(strncmp(own, "covey: deadlock: a task waits for itself:", 41) == 0);
    CHECK(strstr(own, "awaiting call \"price/7\" (held by task "));
    free(own);
    char *in_row_only = cycle_with(report, "in_row");
    CHECK(strncmp(in_row_only, "covey: deadlock: 4 tasks wait for each other:", 45) == 0);
    free(in_row_only);
    check_cycle(report, "permit_then_mutex", "mutex_then_permit", " (0 of 1 free, held by task ");
    check_cycle(report, "three_permits_then_all", "two_permits_then_two", " (1 of 4 free, held by");
    char *full_group = cycle_with(report, "starts_in_own");
    CHECK(strncmp(full_group, "covey: deadlock: 2 tasks wait for each other:", 45) == 0);
    CHECK_EQ(count_of(full_group, "waiting in group limit"), 2);
    free(full_group);
    check_cycle(report, "starts_under_mutex", "wants_lock", "waiting in group limit");
    check_cycle(report, "selects_under_mutex", "wants_lock", ", joined 0x");
    char *selected = cycle_with(report, "selects_own_group");
    CHECK(strncmp(selected, "covey: deadlock: a task waits for itself:", 41) == 0);
    free(selected);
    CHECK_EQ(count_of(report, "covey: deadlock:"), 16);
    CHECK(!strstr(report, "renews"));
    CHECK(!strstr(report, "_for_long") && !strstr(report, "lease_after_long"));
    CHECK(!strstr(report, "in_crowd") && !strstr(report, "take_in_order"));
    free(report);
}

/* ---- more than are kept in mind ---- */

enum { MANY = 80, KEPT = 64 };

static int waits_for_itself(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    covey_mutex_lock(arg);
    covey_mutex_lock(arg);
    return 0;
}

static int many_deadlocks(covey_ctx *ctx, void *arg)
{
    static covey_mutex locked[MANY];
    covey_group *g = covey_group_new(ctx);

    (void)arg;
    for (int i = 0; i < MANY; i++) {
        (void)covey_group_go(g, waits_for_itself, &locked[i]);
    }
    return covey_sleep(ctx, 3600 * COVEY_SEC);
}

TEST(each_of_many_deadlocks_is_told_once)
{
    const char *head = "covey: deadlock: a task waits for itself:";
    covey_options o = {.diagnose = true};
    char *report = report_of_child(&o, many_deadlocks, head, KEPT);

    CHECK_EQ(count_of(report, head), KEPT);
    CHECK_EQ(count_of(report, "covey: deadlock: there are more than 64; the others are not told"),
             1);
    for (const char *at = report; (at = strstr(at, "  task ")) != NULL; at += 7) {
        char task[32];
        (void)snprintf(task, sizeof(task), "%.*s ", (int)strcspn(at + 7, " ") + 7, at);
        CHECK_EQ(count_of(report, task), 1);
    }
    free(report);
}

/* ---- who holds a mutex, in a dump ---- */

static int lock_and_end(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    covey_mutex_lock(arg);
    return 0;
}

static int lock_and_stay(covey_ctx *ctx, void *arg)
{
    covey_mutex_lock(arg);
    (void)covey_chan_recv(ctx, never, NULL);
    covey_mutex_unlock(arg);
    return 0;
}

static int lock_in_vain(covey_ctx *ctx, void *arg)
{
    if (covey_mutex_lock_ctx(ctx, arg) == 0) {
        covey_mutex_unlock(arg);
    }
    return 0;
}

/* The dump, once it says that this task waits. */
static char *dump_with(const char *waiting)
{
    char *text = NULL;

    do {
        size_t len = 0;
        free(text);
        covey_yield();
        FILE *out = open_memstream(&text, &len);
        CHECK(out);
        covey_dump(out);
        CHECK(fclose(out) == 0);
    } while (!strstr(text, waiting));
    return text;
}

static int three_holders(covey_ctx *ctx, void *thread_has)
{
    static covey_mutex left, kept;
    covey_group *g = covey_group_new(ctx), *waiting = covey_group_new(ctx);
    covey_mutex *wanted[] = {&left, &kept, thread_has};
    const char *names[] = {"one", "two", "three"};
    const char *said[] = {", which has ended)", "(held by task ", "(held by a plain thread)"};

    never = covey_chan_new(0, 0);
    (void)covey_group_go(g, lock_and_end, &left);
    CHECK(covey_group_wait(g) == 0);
    (void)covey_group_go(waiting, lock_and_stay, &kept);
    free(dump_with("\"lock_and_stay\" waiting in"));
    for (int i = 0; i < 3; i++) {
        covey_task_options o = {.name = names[i]};
        char quoted[64];
        (void)covey_group_go_with(waiting, &o, lock_in_vain, wanted[i]);
        (void)snprintf(quoted, sizeof(quoted), "\"%s\" waiting in mutex", names[i]);
        char *text = dump_with(quoted), *line = strstr(text, quoted);
        line[strcspn(line, "\n")] = '\0';
        printf("%s\n", line);
        CHECK(strstr(line, said[i]));
        CHECK((strstr(line, "which has ended") != NULL) == (i == 0));
        free(text);
    }
    covey_group_cancel(waiting, 0);
    CHECK(covey_group_wait(waiting) == 0);
    covey_mutex_unlock(&left);
    covey_chan_unref(never);
    return 0;
}

TEST(a_dump_says_if_who_locked_a_mutex_has_ended_or_is_no_task)
{
    covey_options o = {.diagnose = true};
    covey_mutex has = {0};

    covey_mutex_lock(&has);
    CHECK(covey_run_with(&o, three_holders, &has) == 0);
}

/* ---- numbers that do not fit a mutex's word ---- */

enum { WORKERS = 200, WORD = 1 << 28 };

static int ends(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    return 0;
}

struct holdings {
    covey_mutex mutex;
    covey_rwmutex rwmutex;
    covey_sem *sem;
    uint64_t holder;
    _Atomic int tries;
};

/* Takes all of them, and stays, if its number is great. */
static int take_all(covey_ctx *ctx, void *arg)
{
    struct holdings *h = arg;

    h->holder = covey_task_id();
    h->tries++;
    if (h->holder < WORD) {
        return 0;
    }
    covey_mutex_lock(&h->mutex);
    covey_rwmutex_rlock(&h->rwmutex);
    CHECK(covey_sem_acquire(ctx, h->sem, 1) == 0);
    (void)covey_chan_recv(ctx, never, NULL);
    covey_sem_release(h->sem, 1);
    covey_rwmutex_runlock(&h->rwmutex);
    covey_mutex_unlock(&h->mutex);
    return 0;
}

static int want_mutex(covey_ctx *ctx, void *arg)
{
    return lock_in_vain(ctx, &((struct holdings *)arg)->mutex);
}

static int want_to_write(covey_ctx *ctx, void *arg)
{
    return covey_rwmutex_lock_ctx(ctx, &((struct holdings *)arg)->rwmutex);
}

static int want_permit(covey_ctx *ctx, void *arg)
{
    return covey_sem_acquire(ctx, ((struct holdings *)arg)->sem, 1);
}

static int after_millions(covey_ctx *ctx, void *arg)
{
    struct holdings h = {.sem = covey_sem_new(1)};
    covey_fn *wants[] = {want_mutex, want_to_write, want_permit};
    char words[3][80], *text;

    (void)arg;
    never = covey_chan_new(0, 0);
    covey_group *g = covey_group_new(ctx);
    /* Each worker's numbers grow by how many workers there are. */
    for (int n = 1; h.holder < WORD; n++) {
        covey_group *many = covey_group_new(ctx);
        for (int i = 0; i < 1000; i++) {
            CHECK(covey_group_go(many, ends, NULL) == 0);
        }
        CHECK(covey_group_wait(many) == 0);
        CHECK(covey_group_go(g, take_all, &h) == 0);
        while (h.tries < n) {
            covey_yield();
        }
    }
    free(dump_with("\"take_all\" waiting in"));
    for (int i = 0; i < 3; i++) {
        CHECK(covey_group_go(g, wants[i], &h) == 0);
    }
    free(dump_with("\"wants[i]\" waiting in mutex"));
    free(dump_with("\"wants[i]\" waiting in rwmutex write"));
    text = dump_with("\"wants[i]\" waiting in semaphore");
    (void)snprintf(words[0], 80, "(held by task %llu) for", (unsigned long long)h.holder);
    (void)snprintf(words[1], 80, "(read by task %llu) for", (unsigned long long)h.holder);
    (void)snprintf(words[2], 80, "(0 of 1 free, held by task %llu) for",
                   (unsigned long long)h.holder);
    for (int i = 0; i < 3; i++) {
        printf("%s\n", words[i]);
        CHECK(strstr(text, words[i]));
    }
    free(text);
    covey_group_cancel(g, 0);
    CHECK(covey_group_wait(g) == COVEY_ECANCELED);
    covey_chan_unref(never);
    covey_sem_free(h.sem);
    return 0;
}

TEST(a_holder_is_named_by_its_whole_number)
{
    covey_options o = {.diagnose = true, .workers = WORKERS};
    const char *sanitizer = getenv("COVEY_SANITIZER");

    if (sanitizer && *sanitizer) {
        SKIP("so many tasks would take minutes");
    }
    CHECK(covey_run_with(&o, after_millions, NULL) == 0);
}

static int takes_permit(covey_ctx *ctx, void *arg)
{
    return covey_sem_acquire(ctx, arg, 1);
}

static int wants_permit(covey_ctx *ctx, void *arg)
{
    covey_group *g = covey_group_new(ctx);
    (void)covey_group_go(g, takes_permit, arg);
    char *text = dump_with("\"takes_permit\" waiting in semaphore");

    CHECK(strstr(text, " (0 of 1 free) for "));
    free(text);
    covey_group_cancel(g, 0);
    (void)covey_group_wait(g);
    return 0;
}

TEST(a_run_does_not_know_who_held_what_in_the_run_before)
{
    covey_options o = {.diagnose = true};
    covey_sem *s = covey_sem_new(1);

    CHECK(covey_run_with(&o, takes_permit, s) == 0);
    CHECK(covey_run_with(&o, wants_permit, s) == 0);
    covey_sem_free(s);
}

/* ---- tasks that go on after their context's end ---- */

static int compute_on(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    for (volatile int i = 0;; i = !i) {
    }
    return arg != NULL;
}

/* Its sleep fails at once, every time: it is in and out of covey, and never parked. */
static int try_on(covey_ctx *ctx, void *arg)
{
    for (;;) {
        if (covey_sleep(ctx, COVEY_MS) < 0) {
            covey_yield();
        }
        for (volatile int i = 0; i < 5000; i++) {
        }
    }
    return arg != NULL;
}

static int sleep_on(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    return covey_sleep(NULL, 60 * COVEY_SEC);
}

static int cancelled_order(covey_ctx *ctx, void *arg)
{
    covey_group *g = covey_group_new(ctx);

    (void)arg;
    (void)covey_group_go(g, compute_on, NULL);
    (void)covey_group_go(g, try_on, NULL);
    (void)covey_group_go(g, sleep_on, NULL);
    covey_group_cancel(g, 0);
    return covey_group_wait(g);
}

TEST(each_task_that_ignores_its_contexts_end_is_told_of_once)
{
    covey_options o = {.ignored_end_ns = 50 * COVEY_MS, .workers = 2};
    char *report = report_of_child(&o, cancelled_order, "covey: ignored:", 3);
    const char *names[] = {"\"compute_on\"", "\"try_on\"", "\"sleep_on\""};

    printf("%s", report);
    for (int i = 0; i < 3; i++) {
        const char *at = strstr(report, names[i]);
        CHECK(at);
        CHECK(!strstr(at + 1, names[i]));
    }
    CHECK(!strstr(report, "\"cancelled_order\""));
    free(report);
}
