/* SPDX-License-Identifier: MIT
 * mode_test.c - what covey/test.h promises of a test run. */
#include <covey.h>

#include "harness.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const covey_explore_options quiet = {.quiet = true};

/* Some of everything: tasks, channels, a select, timers, a mutex, choices. */
static int mixture_part(covey_ctx *ctx, void *arg)
{
    covey_chan *ch = arg;
    int64_t value = covey_test_choose(1000);

    for (int i = 0; i < 5; i++) {
        int code = covey_select(ctx, COVEY_SEND(ch, &value), COVEY_RECV(ch, &value),
                                COVEY_AFTER(covey_test_choose(3) * COVEY_MS));
        if (code < 0) {
            return code;
        }
    }
    return 0;
}

static int mixture(covey_ctx *ctx, void *arg)
{
    covey_ctx *limit = covey_ctx_with_timeout(ctx, 7 * COVEY_MS);
    covey_group *g = covey_group_new(limit);
    covey_chan *ch = covey_chan_new(sizeof(int64_t), 1);

    (void)arg;
    for (int i = 0; i < 6; i++) {
        (void)covey_group_go(g, mixture_part, ch);
    }
    (void)covey_group_wait(g);
    covey_chan_unref(ch);
    covey_ctx_unref(limit);
    return 0;
}

static uint64_t fingerprint_of(uint64_t seed)
{
    covey_test_result result;
    covey_explore_options options = {.result = &result};

    CHECK_EQ(covey_test_run_with(&options, seed, mixture, NULL), 0);
    CHECK_EQ(result.seed, seed);
    return result.fingerprint;
}

TEST(the_same_seed_gives_the_same_schedule)
{
    for (uint64_t seed = 0; seed < 50; seed++) {
        CHECK(fingerprint_of(seed) == fingerprint_of(seed));
    }
}

TEST(different_seeds_give_different_schedules)
{
    uint64_t seen[50];

    for (uint64_t seed = 0; seed < 50; seed++) {
        seen[seed] = fingerprint_of(seed);
        for (uint64_t other = 0; other < seed; other++) {
            CHECK(seen[seed] != seen[other]);
        }
    }
}

/* Run by the next test, in a process of its own. */
TEST(print_a_fingerprint_for_another_process)
{
    if (!getenv("COVEY_PRINT_FINGERPRINT")) {
        SKIP("the next test's other half");
    }
    for (uint64_t seed = 0; seed < 20; seed++) {
        printf("fingerprint %llu\n", (unsigned long long)fingerprint_of(seed));
    }
}

static void read_fingerprints(char *out, size_t size)
{
    char path[500];
    char command[700];
    char line[200];
    ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);

    CHECK(n > 0);
    path[n] = '\0';
    (void)snprintf(command, sizeof(command), "COVEY_PRINT_FINGERPRINT=1 '%s' print_a_fingerprint",
                   path);
    FILE *f = popen(command, "r");
    CHECK(f != NULL);
    out[0] = '\0';
    while (fgets(line, sizeof(line), f)) {
        if (strncmp(line, "fingerprint", 11) == 0) {
            CHECK(strlen(out) + strlen(line) < size);
            strcat(out, line);
        }
    }
    CHECK_EQ(pclose(f), 0);
}

TEST(the_same_seed_gives_the_same_schedule_in_another_process)
{
    char first[2000];
    char second[2000];

    read_fingerprints(first, sizeof(first));
    read_fingerprints(second, sizeof(second));
    CHECK(strlen(first) > 200);
    CHECK_STR(first, second);
}

static int sleep_a_month(covey_ctx *ctx, void *arg)
{
    int64_t start = covey_now();

    (void)arg;
    COVEY_TEST_CHECK(covey_sleep(ctx, 30 * 24 * 3600 * COVEY_SEC + 1) == 0);
    COVEY_TEST_CHECK(covey_now() - start == 30 * 24 * 3600 * COVEY_SEC + 1);
    covey_ticker *ticker = covey_ticker_new(7 * COVEY_MS);
    for (int i = 1; i <= 100; i++) {
        int64_t at;
        COVEY_TEST_CHECK(covey_chan_recv(ctx, covey_ticker_chan(ticker), &at) == 0);
        COVEY_TEST_CHECK(at - start == 30 * 24 * 3600 * COVEY_SEC + 1 + i * 7 * COVEY_MS);
        COVEY_TEST_CHECK(covey_now() == at);
    }
    covey_ticker_free(ticker);
    covey_ctx *limit = covey_ctx_with_timeout(ctx, 3);
    start = covey_now();
    COVEY_TEST_CHECK(covey_sleep(limit, COVEY_SEC) == COVEY_EDEADLINE);
    COVEY_TEST_CHECK(covey_now() - start == 3);
    covey_ctx_unref(limit);
    return 0;
}

TEST(virtual_time_jumps_and_is_exact)
{
    covey_test_result result;
    covey_explore_options options = {.result = &result};

    CHECK_EQ(covey_test_run_with(&options, 1, sleep_a_month, NULL), 0);
    CHECK_EQ(result.elapsed_ns, 30 * 24 * 3600 * COVEY_SEC + 1 + 700 * COVEY_MS + 3);
}

static int send_after_5ms(covey_ctx *ctx, void *arg)
{
    (void)covey_sleep(ctx, 5 * COVEY_MS);
    return covey_chan_try_send(arg, NULL) == COVEY_EAGAIN ? 0 : 1;
}

/* Which case of a select wins when both come in the same instant. */
static int which_of_the_same_instant(covey_ctx *ctx, void *arg)
{
    int *seen = arg;
    covey_chan *ch = covey_chan_new(0, 1);
    covey_group *g = covey_group_new(ctx);

    (void)covey_group_go(g, send_after_5ms, ch);
    int which = covey_select(ctx, COVEY_RECV(ch, NULL), COVEY_AFTER(5 * COVEY_MS));
    (void)covey_group_wait(g);
    covey_chan_unref(ch);
    seen[which]++;
    return 0;
}

TEST(what_happens_in_the_same_instant_happens_in_any_order)
{
    for (covey_test_strategy s = COVEY_TEST_RANDOM; s <= COVEY_TEST_PCT; s++) {
        int seen[2] = {0};
        covey_explore_options options = {.seeds = 200, .strategy = s, .in_process = true};
        CHECK_EQ(covey_explore(&options, which_of_the_same_instant, seen), 0);
        CHECK(seen[0] > 10);
        CHECK(seen[1] > 10);
    }
}

static int choose_all(covey_ctx *ctx, void *arg)
{
    int *seen = arg;

    (void)ctx;
    seen[covey_test_choose(5)]++;
    return 0;
}

TEST(choices_are_even_over_the_seeds)
{
    int seen[5] = {0};
    covey_explore_options options = {.seeds = 1000, .in_process = true};

    CHECK_EQ(covey_explore(&options, choose_all, seen), 0);
    for (int i = 0; i < 5; i++) {
        CHECK(seen[i] > 120);
    }
}

static int nap(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    (void)nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL); /* sleeps: is what blocks */
    return 7;
}

static int send_from_a_pool_thread(covey_ctx *ctx, void *arg)
{
    (void)nap(ctx, NULL);
    return covey_chan_send(ctx, arg, NULL);
}

static int receive_one(covey_ctx *ctx, void *arg)
{
    return covey_chan_recv(ctx, arg, NULL);
}

static int block(covey_ctx *ctx, void *arg)
{
    int64_t start = covey_now();
    covey_chan *ch = covey_chan_new(0, 0);
    covey_group *g = covey_group_new(ctx);

    (void)arg;
    COVEY_TEST_CHECK(covey_blocking(ctx, nap, NULL) == 7);
    (void)covey_group_go(g, receive_one, ch);
    COVEY_TEST_CHECK(covey_blocking(ctx, send_from_a_pool_thread, ch) == 0);
    (void)covey_group_wait(g);
    covey_chan_unref(ch);
    COVEY_TEST_CHECK(covey_now() == start);
    return 0;
}

TEST(the_clock_stands_still_for_a_blocking_call)
{
    covey_test_result first;
    covey_test_result second;

    for (uint64_t seed = 0; seed < 20; seed++) {
        covey_explore_options options = {.result = &first};
        CHECK_EQ(covey_test_run_with(&options, seed, block, NULL), 0);
        options.result = &second;
        CHECK_EQ(covey_test_run_with(&options, seed, block, NULL), 0);
        CHECK(first.fingerprint == second.fingerprint);
    }
}

static int write_later(covey_ctx *ctx, void *arg)
{
    int *fds = arg;

    (void)covey_sleep(ctx, 3600 * COVEY_SEC);
    return write(fds[1], "x", 1) == 1 ? 0 : -EIO;
}

static int read_a_pipe(covey_ctx *ctx, void *arg)
{
    int fds[2];
    char byte;

    (void)arg;
    COVEY_TEST_CHECK(pipe(fds) == 0);
    covey_group *g = covey_group_new(ctx);
    (void)covey_group_go(g, write_later, fds);
    COVEY_TEST_CHECK(covey_wait_fd(ctx, fds[0], COVEY_FD_READ) >= 0);
    COVEY_TEST_CHECK(read(fds[0], &byte, 1) == 1);
    (void)covey_group_wait(g);
    (void)close(fds[0]);
    (void)close(fds[1]);
    return 0;
}

TEST(time_can_jump_over_descriptors_that_are_not_ready)
{
    covey_explore_options options = {.seeds = 50, .jumps_over_io = true};
    CHECK_EQ(covey_explore(&options, read_a_pipe, NULL), 0);
}

static int fail_with_words(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    return covey_errorf(-EIO, "the disk is gone");
}

static int check_in_a_child(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    COVEY_TEST_CHECK(1 + 1 == 3);
    return 0;
}

static int start_a_failing_check(covey_ctx *ctx, void *arg)
{
    (void)arg;
    (void)covey_go(check_in_a_child, NULL);
    return covey_sleep(ctx, COVEY_SEC);
}

static int wait_for_nobody(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    return covey_chan_recv(NULL, covey_chan_new(0, 0), NULL);
}

static int leave_one(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    return covey_go(wait_for_nobody, NULL);
}

static int unlock_too_often(covey_ctx *ctx, void *arg)
{
    covey_mutex m = {0};

    (void)ctx;
    (void)arg;
    covey_mutex_unlock(&m);
    return 0;
}

static int never_end(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    while (covey_test_choose(2) < 2) {
        covey_yield();
    }
    return 0;
}

static int abort_at_once(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    abort();
}

static int succeed(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    return 5;
}

static void expect(covey_fn *fn, covey_test_verdict verdict, int code, const char *words)
{
    covey_test_result result;
    covey_explore_options options = {
        .quiet = true, .seeds = 3, .first_seed = 10, .max_steps = 10000, .result = &result};

    CHECK_EQ(covey_explore(&options, fn, NULL), code);
    CHECK_EQ(result.verdict, verdict);
    CHECK_EQ(result.code, code);
    CHECK_EQ(result.runs, 1);
    CHECK_EQ(result.seed, 10);
    CHECK(strstr(result.message, words) != NULL);
    CHECK_STR(covey_errmsg(), result.message);
    if (verdict != COVEY_TEST_CRASHED) {
        CHECK_EQ(covey_test_run_with(&options, 10, fn, NULL), code);
        CHECK_EQ(result.verdict, verdict);
    }
    /* Neither leaves a runtime behind. */
    CHECK_EQ(covey_run(succeed, NULL), 5);
}

TEST(a_failing_fn_fails_the_run)
{
    expect(fail_with_words, COVEY_TEST_FAILED, -EIO, "seed 10 (random): the disk is gone");
}

TEST(a_check_in_any_task_fails_the_run)
{
    expect(start_a_failing_check, COVEY_TEST_FAILED, COVEY_ETEST, "1 + 1 == 3");
}

TEST(a_deadlock_fails_the_run)
{
    expect(wait_for_nobody, COVEY_TEST_DEADLOCK, -EDEADLK, "deadlock: fn in chan receive");
}

TEST(a_leak_fails_the_run)
{
    expect(leave_one, COVEY_TEST_LEAK, COVEY_ETEST, "leak: wait_for_nobody in chan receive");
}

TEST(a_fatal_error_fails_the_run)
{
    expect(unlock_too_often, COVEY_TEST_FATAL, COVEY_ETEST, "unlock of an unlocked mutex");
}

TEST(a_run_without_end_fails)
{
    expect(never_end, COVEY_TEST_ENDLESS, COVEY_ETEST, "no end in sight");
}

TEST(a_crash_is_told_with_its_seed)
{
    expect(abort_at_once, COVEY_TEST_CRASHED, COVEY_ETEST, "seed 10: killed by signal 6");
}

TEST(success_is_fns_code_in_a_run_and_0_in_a_series)
{
    CHECK_EQ(covey_test_run(1, succeed, NULL), 5);
    CHECK_EQ(covey_explore(NULL, succeed, NULL), 0);
}

static int sleeper(covey_ctx *ctx, void *arg)
{
    int *stage = arg;

    *stage = 1;
    int code = covey_sleep(ctx, COVEY_SEC);
    *stage = 2;
    return code;
}

static int settle_between(covey_ctx *ctx, void *arg)
{
    int stage = 0;
    int64_t start = covey_now();
    covey_group *g = covey_group_new(ctx);

    (void)arg;
    (void)covey_group_go(g, sleeper, &stage);
    covey_test_settle();
    COVEY_TEST_CHECK(stage == 1);
    COVEY_TEST_CHECK(covey_now() == start);
    covey_group_cancel(g, 0);
    covey_test_settle();
    COVEY_TEST_CHECK(stage == 2);
    COVEY_TEST_CHECK(covey_now() == start);
    COVEY_TEST_CHECK(covey_group_wait(g) == COVEY_ECANCELED);
    return 0;
}

TEST(settle_returns_when_all_others_wait)
{
    CHECK_EQ(covey_explore(NULL, settle_between, NULL), 0);
}

static int leak_in_a_block(covey_ctx *ctx, void *arg)
{
    covey_group *g = covey_group_new(ctx);
    int stage;

    (void)arg;
    COVEY_TEST_NO_LEAKS
    {
        covey_group *inner = covey_group_new(ctx);
        (void)covey_group_go(inner, succeed, NULL);
        (void)covey_group_wait(inner);
    }
    COVEY_TEST_NO_LEAKS
    {
        (void)covey_group_go(g, sleeper, &stage);
    }
    return covey_group_wait(g);
}

TEST(a_leak_from_a_block_fails_the_run)
{
    expect(leak_in_a_block, COVEY_TEST_LEAK, COVEY_ETEST, "leak: sleeper in sleep, started at");
}

static int start_sleepers(covey_ctx *ctx, void *arg)
{
    static int stage;

    (void)ctx;
    for (int i = *(int *)arg; i > 0; i--) {
        COVEY_TEST_CHECK(covey_go(sleeper, &stage) == 0);
    }
    return 0;
}

/* Tasks started by a job of the pool have numbers of their own. */
static int leak_from_a_job(covey_ctx *ctx, void *arg)
{
    int before = 20, inside = *(int *)arg;

    COVEY_TEST_CHECK(covey_blocking(ctx, start_sleepers, &before) == 0);
    COVEY_TEST_NO_LEAKS
    {
        COVEY_TEST_CHECK(covey_blocking(ctx, start_sleepers, &inside) == 0);
    }
    return 0;
}

TEST(only_a_leak_from_a_job_in_the_block_fails_the_run)
{
    int none = 0, one = 1;

    CHECK_EQ(covey_explore(NULL, leak_from_a_job, &none), 0);
    CHECK_EQ(covey_explore(NULL, leak_from_a_job, &one), COVEY_ETEST);
}

static int poll_the_clock(covey_ctx *ctx, void *arg)
{
    int64_t until = covey_now() + COVEY_SEC;
    int stage;
    covey_group *g = covey_group_new(ctx);

    (void)arg;
    (void)covey_group_go(g, sleeper, &stage);
    while (covey_now() < until) {
        covey_yield();
    }
    return covey_group_wait(g);
}

TEST(time_moves_for_a_loop_that_yields_until_it_does)
{
    covey_explore_options options = {.seeds = 20};
    CHECK_EQ(covey_explore(&options, poll_the_clock, NULL), 0);
}

static int set_flag(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    *(volatile bool *)arg = true;
    return 0;
}

static int spin_on_a_flag(covey_ctx *ctx, void *arg)
{
    volatile bool flag = false;
    covey_group *g = covey_group_new(ctx);

    (void)arg;
    (void)covey_group_go(g, set_flag, (void *)&flag);
    while (!flag) {
        covey_test_point();
    }
    return covey_group_wait(g);
}

TEST(a_task_that_spins_lets_the_others_go_on_in_the_end)
{
    covey_explore_options options = {.seeds = 100, .strategy = COVEY_TEST_PCT};
    CHECK_EQ(covey_explore(&options, spin_on_a_flag, NULL), 0);
}

static int crowd_member(covey_ctx *ctx, void *arg)
{
    int *count = arg;

    (void)covey_sleep(ctx, covey_test_choose(50) * COVEY_MS);
    ++*count;
    return 0;
}

static int crowd(covey_ctx *ctx, void *arg)
{
    static const covey_task_options compact = {.compact = true};
    static const covey_task_options pinned = {.pinned = true};
    covey_group *g = covey_group_new(ctx);
    int count = 0;

    (void)arg;
    for (int i = 0; i < 3000; i++) {
        (void)covey_group_go_with(g,
                                  i % 3 == 0     ? &compact
                                  : i % 100 == 1 ? &pinned
                                                 : NULL,
                                  crowd_member, &count);
    }
    (void)covey_group_wait(g);
    COVEY_TEST_CHECK(count == 3000);
    return 0;
}

TEST(a_crowd_of_compact_and_pinned_tasks_runs)
{
    covey_explore_options options = {.seeds = 4};
    CHECK_EQ(covey_explore(&options, crowd, NULL), 0);
}

TEST(options_out_of_range_are_refused)
{
    covey_explore_options options = {.depth = 9};
    CHECK_EQ(covey_explore(&options, succeed, NULL), -EINVAL);
    options = (covey_explore_options){.strategy = (covey_test_strategy)7};
    CHECK_EQ(covey_test_run_with(&options, 1, succeed, NULL), -EINVAL);
}

static int test_in_a_run(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    CHECK_EQ(covey_test_run(1, succeed, NULL), -EBUSY);
    return covey_explore(NULL, succeed, NULL);
}

TEST(a_test_run_inside_a_runtime_is_busy)
{
    CHECK_EQ(covey_run(test_in_a_run, NULL), -EBUSY);
    CHECK_EQ(covey_test_run_with(&quiet, 1, test_in_a_run, NULL), -EBUSY);
}

TEST(the_environment_chooses_one_seed)
{
    covey_test_result result;
    covey_explore_options options = {.result = &result};

    CHECK_EQ(setenv("COVEY_SEEDS", "7", 1), 0);
    CHECK_EQ(covey_explore(&options, mixture, NULL), 0);
    CHECK_EQ(result.runs, 7);
    CHECK_EQ(setenv("COVEY_SEED", "4711", 1), 0);
    CHECK_EQ(covey_explore(&options, mixture, NULL), 0);
    CHECK_EQ(result.runs, 1);
    CHECK_EQ(result.seed, 4711);
    CHECK_EQ(covey_test_run_with(&options, 3, mixture, NULL), 0);
    CHECK_EQ(result.seed, 4711);
    CHECK_EQ(setenv("COVEY_SEED", "no number", 1), 0);
    CHECK_EQ(covey_test_run_with(&options, 3, mixture, NULL), 0);
    CHECK_EQ(result.seed, 3);
}

struct order {
    char text[64];
    covey_mutex mutex;
};

static int append(covey_ctx *ctx, void *arg)
{
    struct order *o = arg;
    char letter[2] = {(char)('0' + covey_task_id() % 10), '\0'};

    (void)covey_sleep(ctx, 3600 * COVEY_SEC);
    for (int i = 0; i < 3; i++) {
        covey_mutex_lock(&o->mutex);
        strcat(o->text, letter);
        covey_mutex_unlock(&o->mutex);
    }
    return 0;
}

static int append_all(covey_ctx *ctx, void *arg)
{
    covey_group *g = covey_group_new(ctx);

    for (int i = 0; i < 4; i++) {
        (void)covey_group_go(g, append, arg);
    }
    (void)covey_group_wait(g);
    return 3;
}

TEST(an_ordinary_run_with_COVEY_SEED_repeats_too)
{
    struct order first = {0};
    struct order second = {0};
    struct order other = {0};

    CHECK_EQ(setenv("COVEY_SEED", "1", 1), 0);
    CHECK_EQ(covey_run(append_all, &first), 3);
    CHECK_EQ(covey_run(append_all, &second), 3);
    CHECK_EQ(strlen(first.text), 12);
    CHECK_STR(first.text, second.text);
    CHECK_EQ(setenv("COVEY_SEED", "2", 1), 0);
    CHECK_EQ(covey_run(append_all, &other), 3);
    CHECK(strcmp(first.text, other.text) != 0);
    CHECK_EQ(covey_run(fail_with_words, NULL), -EIO);
    CHECK_STR(covey_errmsg(), "the disk is gone");
}

static int find_handler(covey_ctx *ctx, void *arg)
{
    struct sigaction *action = arg;

    (void)ctx;
    return sigaction(SIGUSR2, NULL, action) == 0 ? 0 : -EIO;
}

/* No watchdog is there to answer it. */
TEST(a_dump_signal_is_left_alone)
{
    struct sigaction action;

    CHECK_EQ(setenv("COVEY_DUMP_SIGNAL", "USR2", 1), 0);
    CHECK_EQ(covey_run(find_handler, &action), 0);
    CHECK(action.sa_handler != SIG_DFL);
    CHECK_EQ(covey_test_run(1, find_handler, &action), 0);
    CHECK(action.sa_handler == SIG_DFL);
    CHECK_EQ(unsetenv("COVEY_DUMP_SIGNAL"), 0);
}

TEST(outside_a_run_a_point_does_nothing)
{
    covey_test_point();
}
