/* SPDX-License-Identifier: MIT
 * diagnosis_test.c - cycles of tasks that wait for each other, through mutexes, read-write mutexes,
 * leases, shares of a pool and joins of groups, while the rest of the program goes on; and waits
 * that are none. */
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
static _Atomic int ready[10];
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

/* What a child says on standard error until it says so a number of times, and two looks more. */
static char *report_of_child(const char *until, int times)
{
    char *text = calloc(1, REPORT_ROOM);
    size_t len = 0;
    int ends[2];
    int wait_ms = 20000;

    CHECK(text && pipe(ends) == 0);
    pid_t child = fork();
    if (child == 0) {
        covey_options o = {.diagnose = true};
        (void)dup2(ends[1], 2);
        (void)alarm(60);
        _exit(covey_run_with(&o, all_of_them, NULL));
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
    char *report = report_of_child("covey: deadlock:", 8);

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
    char *in_row_only = cycle_with(report, "in_row");
    CHECK(strncmp(in_row_only, "covey: deadlock: 4 tasks wait for each other:", 45) == 0);
    free(in_row_only);
    CHECK_EQ(count_of(report, "covey: deadlock:"), 8);
    CHECK(!strstr(report, "renews"));
    CHECK(!strstr(report, "share_for_long"));
    CHECK(!strstr(report, "lease_for_long") && !strstr(report, "lease_after_long"));
    CHECK(!strstr(report, "hold_for_long") && !strstr(report, "wait_for_long"));
    free(report);
}
