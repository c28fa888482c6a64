/* SPDX-License-Identifier: MIT
 * runtime_test.c - covey_run: what it returns, what it leaves behind (nothing), how it ends those
 * who are still alive, what can be seen of it from inside. */
#include "support.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static const int64_t hour = 3600 * COVEY_SEC;

static int return_code(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    return *(int *)arg;
}

static int count_up(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    atomic_fetch_add((atomic_int *)arg, 1);
    return 0;
}

/* Results. */

TEST(run_returns_the_first_tasks_code)
{
    int codes[] = {0, 1, 99, -EIO, COVEY_EOPEN, COVEY_ECANCELED};

    for (int i = 0; i < 6; i++) {
        CHECK_EQ(covey_run(return_code, &codes[i]), codes[i]);
    }
}

static int check_first(covey_ctx *ctx, void *arg)
{
    CHECK(ctx);
    CHECK_EQ(covey_ctx_err(ctx), 0);
    CHECK_EQ(*(int *)arg, 7);
    CHECK(covey_task_id() != 0);
    CHECK_STR(covey_task_name(), "check_first");
    *(int *)arg = 8;
    return 0;
}

TEST(the_first_task_gets_its_argument_and_name)
{
    int v = 7;

    CHECK_EQ(covey_run(check_first, &v), 0);
    CHECK_EQ(v, 8);
    v = 7;
    CHECK_EQ(covey_run_with(NULL, check_first, &v), 0);
    CHECK_EQ(v, 8);
}

TEST(functions_stand_behind_the_macros)
{
    atomic_int count = 0;
    covey_options opts = {.workers = 1};

    CHECK_EQ((covey_run)(count_up, &count), 0);
    CHECK_EQ((covey_run_with)(&opts, count_up, &count), 0);
    CHECK_EQ(atomic_load(&count), 2);
}

static int small_work(covey_ctx *ctx, void *arg)
{
    covey_group *g = covey_group_new(ctx);

    for (int i = 0; i < 10; i++) {
        GO(g, count_up, arg);
    }
    JOIN(g);
    CHECK_EQ(covey_go(count_up, arg), 0);
    return covey_sleep(ctx, 10 * COVEY_US);
}

TEST(it_can_be_run_many_times)
{
    atomic_int count = 0;

    for (int i = 0; i < 100; i++) {
        covey_options opts = {.workers = i % 5};

        CHECK_EQ(covey_run_with(&opts, small_work, &count), 0);
        CHECK_EQ(atomic_load(&count), 11 * (i + 1));
    }
}

/* Options. */

static int check_workers(covey_ctx *ctx, void *arg)
{
    covey_stats stats;

    (void)ctx;
    covey_stats_get(&stats);
    CHECK_EQ(stats.workers, covey_workers());
    if (arg) {
        CHECK_EQ(covey_workers(), *(int *)arg);
    }
    CHECK(covey_workers() >= 1);
    return 0;
}

TEST(the_number_of_workers_is_chosen_by_option_then_environment)
{
    CHECK_EQ(covey_workers(), 0);
    for (int n = 1; n <= 16; n *= 2) {
        covey_options opts = {.workers = n};

        CHECK_EQ(covey_run_with(&opts, check_workers, &n), 0);
        CHECK_EQ(covey_workers(), 0);
    }
    for (int n = 1; n <= 3; n++) {
        char text[16];

        (void)snprintf(text, sizeof(text), "%d", n);
        CHECK_EQ(setenv("COVEY_WORKERS", text, 1), 0);
        CHECK_EQ(covey_run(check_workers, &n), 0);
    }
    CHECK_EQ(unsetenv("COVEY_WORKERS"), 0);
    CHECK_EQ(covey_run(check_workers, NULL), 0);
}

TEST(options_out_of_range_are_einval)
{
    const struct {
        covey_options options;
        const char *word; /* in the message */
    } cases[] = {
        {{.workers = -1}, "workers"},
        {{.workers = 1025}, "workers"},
        {{.exit_grace_ns = -1}, "exit_grace_ns"},
        {{.stack_size = ((size_t)1 << 30) + 1}, "stack_size"},
        {{.dump_signal = -1}, "dump_signal"},
        {{.dump_signal = 9999}, "dump_signal"},
        {{.dump_signal = SIGKILL}, "dump_signal"},
        {{.ignored_end_ns = -1}, "ignored_end_ns"},
    };
    atomic_int count = 0;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        CHECK_EQ(covey_run_with(&cases[i].options, count_up, &count), -EINVAL);
        CHECK(strstr(covey_errmsg(), cases[i].word));
    }
    CHECK_EQ(setenv("COVEY_WORKERS", "5000", 1), 0);
    CHECK_EQ(covey_run(count_up, &count), -EINVAL);
    CHECK_STR(covey_errmsg(), "covey_run: workers (COVEY_WORKERS): 1 to 1024");
    CHECK_EQ(atomic_load(&count), 0);
}

TEST(a_stack_size_below_the_least_is_taken_as_that)
{
    covey_options opts = {.stack_size = 1};
    atomic_int count = 0;

    CHECK_EQ(covey_run_with(&opts, count_up, &count), 0);
    CHECK_EQ(atomic_load(&count), 1);
}

__attribute__((noinline)) static void touch_stack(size_t len)
{
    volatile char *bytes = __builtin_alloca(len);

    for (size_t i = 0; i < len; i += 4096) {
        bytes[len - 1 - i] = 1; /* from the top down */
    }
}

static int use_two_megabytes(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    touch_stack((size_t)2 << 20);
    return 0;
}

TEST(the_stack_size_is_chosen_by_option_then_environment)
{
    covey_options opts = {.stack_size = (size_t)4 << 20};

    CHECK_EQ(covey_run_with(&opts, use_two_megabytes, NULL), 0);
    CHECK_EQ(setenv("COVEY_STACK_SIZE", "4194304", 1), 0);
    CHECK_EQ(covey_run(use_two_megabytes, NULL), 0);
}

/* Variables. */

static int says_workers(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    return covey_workers();
}

TEST(a_variable_that_is_no_number_counts_as_not_set)
{
    static const char *const others[] = {"abc", "-1", "1e3", "4 ", "0", ""};

    CHECK_EQ(unsetenv("COVEY_WORKERS"), 0);
    int usual = covey_run(says_workers, NULL);
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        CHECK_EQ(setenv("COVEY_WORKERS", others[i], 1), 0);
        CHECK_EQ(covey_run(says_workers, NULL), usual);
    }
    CHECK_EQ(setenv("COVEY_WORKERS", "3", 1), 0);
    CHECK_EQ(covey_run(says_workers, NULL), 3);
}

/* The first one would be 1 in 32 bits. */
TEST(a_variable_out_of_range_is_an_error)
{
    static const char *const others[][2] = {{"COVEY_WORKERS", "4294967297"},
                                            {"COVEY_WORKERS", "1025"},
                                            {"COVEY_WORKERS", "99999999999999999999"},
                                            {"COVEY_STACK_SIZE", "1073741825"},
                                            {"COVEY_DUMP_SIGNAL", "9"},
                                            {"COVEY_DUMP_SIGNAL", "33"},
                                            {"COVEY_DUMP_SIGNAL", "4294967297"}};

    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        CHECK_EQ(setenv(others[i][0], others[i][1], 1), 0);
        CHECK_EQ(covey_run(says_workers, NULL), -EINVAL);
        CHECK(strstr(covey_errmsg(), others[i][0]) != NULL);
        CHECK_EQ(unsetenv(others[i][0]), 0);
    }
}

/* One at a time. */

static int run_inside(covey_ctx *ctx, void *arg)
{
    covey_options opts = {.workers = 1};

    (void)ctx;
    CHECK_EQ(covey_run(count_up, arg), -EBUSY);
    CHECK_EQ(covey_run_with(&opts, count_up, arg), -EBUSY);
    return 0;
}

static void *run_in_thread(void *arg)
{
    CHECK_EQ(run_inside(NULL, arg), 0);
    return NULL;
}

static int join_thread(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    return -pthread_join(*(pthread_t *)arg, NULL);
}

static int run_in_run(covey_ctx *ctx, void *arg)
{
    pthread_t thread;

    CHECK_EQ(run_inside(ctx, arg), 0);
    CHECK_EQ(pthread_create(&thread, NULL, run_in_thread, arg), 0);
    CHECK_EQ(covey_blocking(NULL, join_thread, &thread), 0);
    CHECK_EQ(covey_ctx_err(ctx), 0); /* this one goes on */
    return covey_sleep(ctx, COVEY_US);
}

TEST(a_second_runtime_is_ebusy)
{
    atomic_int count = 0;

    CHECK_EQ(covey_run(run_in_run, &count), 0);
    CHECK_EQ(atomic_load(&count), 0);
    CHECK_EQ(covey_run(count_up, &count), 0);
    CHECK_EQ(atomic_load(&count), 1);
}

static int fork_inside(covey_ctx *ctx, void *arg)
{
    pid_t child = fork();
    int status = -1;

    (void)ctx;
    CHECK(child >= 0);
    if (child == 0) {
        _exit(covey_run(count_up, arg) == -EBUSY ? 0 : 1);
    }
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    return 0;
}

TEST(a_forked_child_of_a_runtime_is_ebusy)
{
    atomic_int count = 0;

    CHECK_EQ(covey_run(fork_inside, &count), 0);
}

static int fork_exec_inside(covey_ctx *ctx, void *arg)
{
    pid_t child = fork();
    int status = -1;

    (void)ctx;
    (void)arg;
    CHECK(child >= 0);
    if (child == 0) {
        execl("/bin/true", "true", (char *)NULL);
        _exit(127);
    }
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    return 0;
}

TEST(fork_and_exec_from_a_task)
{
    CHECK_EQ(covey_run(fork_exec_inside, NULL), 0);
}

/* The end of the first task. */

struct leftover {
    atomic_int cancelled, cleaned;
    atomic_int *count;
};

static int end_with_root(covey_ctx *ctx, void *arg)
{
    struct leftover *l = arg;
    covey_ctx *cleanup;

    CHECK_EQ(covey_sleep(ctx, hour), COVEY_ECANCELED);
    CHECK_EQ(covey_ctx_err(ctx), COVEY_ECANCELED);
    atomic_fetch_add(&l->cancelled, 1);
    cleanup = covey_ctx_for_cleanup(ctx, hour);
    CHECK_EQ(covey_sleep(cleanup, COVEY_MS), 0);
    covey_ctx_unref(cleanup);
    atomic_fetch_add(&l->cleaned, 1);
    return 0;
}

static int leave_some(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    for (int i = 0; i < 20; i++) {
        CHECK_EQ(covey_go(end_with_root, arg), 0);
    }
    return 3;
}

TEST(what_is_left_is_cancelled_and_joined)
{
    struct leftover l = {0, 0, NULL};

    for (int i = 1; i <= 10; i++) {
        CHECK_EQ(covey_run(leave_some, &l), 3);
        CHECK_EQ(atomic_load(&l.cancelled), 20 * i);
        CHECK_EQ(atomic_load(&l.cleaned), 20 * i);
    }
}

static int start_more(covey_ctx *ctx, void *arg)
{
    struct leftover *l = arg;
    int rc;

    (void)covey_sleep(ctx, hour);
    rc = covey_go(count_up, l->count);
    CHECK(rc == 0 || rc == COVEY_ECLOSED);
    atomic_fetch_add(&l->cancelled, rc == 0);
    return 0;
}

static int leave_starters(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    for (int i = 0; i < 5; i++) {
        CHECK_EQ(covey_go(start_more, arg), 0);
    }
    return 0;
}

TEST(what_was_started_during_the_end_runs_too)
{
    atomic_int count = 0;
    struct leftover l = {0, 0, &count};

    for (int i = 0; i < 50; i++) {
        CHECK_EQ(covey_run(leave_starters, &l), 0);
        CHECK_EQ(atomic_load(&count), atomic_load(&l.cancelled));
    }
}

static int leave_groups_task(covey_ctx *ctx, void *arg)
{
    covey_group *g = covey_group_new(ctx);

    for (int i = 0; i < 3; i++) {
        GO(g, end_with_root, arg);
    }
    return covey_group_wait(g);
}

static int leave_groups(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(covey_go(leave_groups_task, arg), 0);
    }
    covey_yield();
    return 0;
}

TEST(groups_of_what_is_left_end_with_the_root_context)
{
    struct leftover l = {0, 0, NULL};

    CHECK_EQ(covey_run(leave_groups, &l), 0);
    CHECK_EQ(atomic_load(&l.cleaned), 9);
}

/* What stays parked with a NULL context cannot be ended; it is reported and dropped. */

static covey_chan *nobody_sends;

static int wait_for_ever(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    return covey_chan_recv(NULL, nobody_sends, NULL);
}

static int leave_straggler(covey_ctx *ctx, void *arg)
{
    covey_task_options opts = {.name = "straggler"};

    (void)ctx;
    (void)arg;
    nobody_sends = covey_chan_new(0, 0);
    CHECK_EQ(covey_go_with(&opts, wait_for_ever, NULL), 0);
    return 5;
}

/* Standard error into a file meanwhile; returns what was written. */
static char *run_and_read_stderr(const covey_options *opts, covey_fn *fn, int expected)
{
    static char text[65536];
    int file = memfd_create("stderr", MFD_CLOEXEC), saved = dup(STDERR_FILENO);
    ssize_t n;
    int rc;

    CHECK(file >= 0 && saved >= 0);
    CHECK(dup2(file, STDERR_FILENO) >= 0);
    rc = covey_run_with(opts, fn, NULL);
    (void)fflush(stderr);
    CHECK(dup2(saved, STDERR_FILENO) >= 0);
    CHECK_EQ(rc, expected);
    n = pread(file, text, sizeof(text) - 1, 0);
    CHECK(n >= 0);
    text[n] = '\0';
    (void)close(file);
    (void)close(saved);
    return text;
}

TEST(a_parked_straggler_is_reported_by_name_and_place_and_dropped)
{
    covey_options opts = {.exit_grace_ns = 20 * COVEY_MS};

    for (int i = 0; i < 3; i++) {
        int threads = count_threads();
        char *text = run_and_read_stderr(&opts, leave_straggler, 5);

        CHECK(strstr(text, "straggler"));
        CHECK(strstr(text, "runtime_test.c:"));
        await_threads(threads);
        covey_chan_unref(nobody_sends);
    }
}

static int leave_some_who_end(covey_ctx *ctx, void *arg)
{
    static struct leftover l;

    (void)arg;
    return leave_some(ctx, &l);
}

TEST(what_ends_in_time_is_not_reported)
{
    /* A report names their place; a knob may have said that it is on. */
    CHECK(!strstr(run_and_read_stderr(NULL, leave_some_who_end, 3), "runtime_test.c:"));
}

/* Failures of detached tasks. */

static struct {
    atomic_int calls;
    char name[64], message[64];
    uint64_t id;
    int code;
} reported;

static void note_error(const char *name, uint64_t id, int code, const char *message)
{
    (void)snprintf(reported.name, sizeof(reported.name), "%s", name);
    (void)snprintf(reported.message, sizeof(reported.message), "%s", message);
    reported.id = id;
    reported.code = code;
    atomic_fetch_add(&reported.calls, 1);
}

static uint64_t failed_id;

static int fail_detached(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    failed_id = covey_task_id();
    return covey_errorf(-EIO, "disk on fire");
}

static int start_failing(covey_ctx *ctx, void *arg)
{
    int positive = 3, negative = -EIO;
    covey_waitgroup wg = {0};
    covey_group *g;
    covey_stats stats;

    (void)arg;
    CHECK_EQ(covey_go(fail_detached, NULL), 0);
    while (atomic_load(&reported.calls) == 0) {
        covey_yield();
    }
    CHECK_EQ(covey_ctx_err(ctx), 0); /* it cancels nobody */
    CHECK_STR(reported.name, "fail_detached");
    CHECK_STR(reported.message, "disk on fire");
    CHECK_EQ(reported.code, -EIO);
    CHECK(reported.id == failed_id);
    CHECK_EQ(covey_waitgroup_go(&wg, fail_detached, NULL), 0);
    CHECK_EQ(covey_waitgroup_go(&wg, return_code, &positive), 0);
    CHECK_EQ(covey_waitgroup_wait(ctx, &wg), 0);
    while (atomic_load(&reported.calls) < 2) {
        covey_yield();
    }
    g = covey_group_new(ctx);
    GO(g, return_code, &negative); /* its group hears of it */
    CHECK_EQ(covey_group_wait(g), -EIO);
    CHECK_EQ(atomic_load(&reported.calls), 2);
    covey_stats_get(&stats);
    CHECK_EQ(stats.tasks_failed, 2);
    return 0;
}

TEST(failures_of_detached_tasks_are_reported_and_counted)
{
    covey_options opts = {.on_error = note_error};

    CHECK_EQ(covey_run_with(&opts, start_failing, NULL), 0);
    CHECK_EQ(atomic_load(&reported.calls), 2);
}

static int fail_after_the_end(covey_ctx *ctx, void *arg)
{
    (void)arg;
    return covey_sleep(ctx, hour);
}

static int leave_failing(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    return covey_go(fail_after_the_end, NULL);
}

TEST(a_failure_during_the_end_is_reported_too)
{
    covey_options opts = {.on_error = note_error};

    CHECK_EQ(covey_run_with(&opts, leave_failing, NULL), 0);
    CHECK_EQ(atomic_load(&reported.calls), 1);
    CHECK_EQ(reported.code, COVEY_ECANCELED);
}

/* Nothing is left. */

/* The knob pause may cut it short. */
static int nap(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    (void)usleep(1000); /* sleeps: a thread outside covey is late on purpose */
    return 0;
}

static int block_a_while(covey_ctx *ctx, void *arg)
{
    return covey_blocking(ctx, nap, arg);
}

static int do_a_bit_of_everything(covey_ctx *ctx, void *arg)
{
    covey_group *g = covey_group_new(ctx);
    covey_timer *t = covey_timer_new(COVEY_MS);
    covey_ctx *c = covey_ctx_with_timeout(ctx, COVEY_MS);
    covey_task_options opts = {.stack_size = (size_t)1 << 20, .pinned = true};
    atomic_int count = 0;

    (void)arg;
    for (int i = 0; i < 5; i++) {
        GO(g, block_a_while, NULL);
        GO(g, nap, NULL); /* holds its worker up */
        CHECK_EQ(covey_group_go_with(g, &opts, count_up, &count), 0);
    }
    CHECK_EQ(covey_chan_recv(NULL, covey_timer_chan(t), NULL), 0);
    CHECK_EQ(covey_sleep(c, hour), COVEY_EDEADLINE);
    JOIN(g);
    covey_timer_free(t);
    covey_ctx_unref(c);
    return 0;
}

TEST(no_thread_and_no_descriptor_is_left)
{
    int threads = count_threads(), fds = count_fds();

    for (int i = 0; i < 10; i++) {
        CHECK_EQ(covey_run(do_a_bit_of_everything, NULL), 0);
        await_threads(threads);
        CHECK_EQ(count_fds(), fds);
    }
}

static int count_lines(const char *path)
{
    FILE *in = fopen(path, "r");
    int c, n = 0;

    CHECK(in);
    while ((c = getc(in)) != EOF) {
        n += c == '\n';
    }
    (void)fclose(in);
    return n;
}

TEST(memory_does_not_grow_from_run_to_run)
{
    atomic_int count = 0;
    int maps = 0;

    if (WITH_ASAN || WITH_TSAN) {
        SKIP("the sanitizer's own memory grows");
    }
    for (int i = 0; i < 300; i++) {
        CHECK_EQ(covey_run(small_work, &count), 0);
        if (i == 100) {
            maps = count_lines("/proc/self/maps");
        }
    }
    CHECK(count_lines("/proc/self/maps") <= maps + 20);
}

TEST(signal_handling_is_as_before)
{
    static const int signals[] = {SIGSEGV, SIGBUS,  SIGPIPE, SIGCHLD, SIGUSR1,
                                  SIGURG,  SIGQUIT, SIGINT,  SIGTERM, SIGALRM};
    struct sigaction before[10], after;
    sigset_t mask_before, mask_after;
    atomic_int count = 0;

    CHECK_EQ(pthread_sigmask(SIG_SETMASK, NULL, &mask_before), 0);
    for (int i = 0; i < 10; i++) {
        CHECK_EQ(sigaction(signals[i], NULL, &before[i]), 0);
    }
    CHECK_EQ(covey_run(small_work, &count), 0);
    CHECK_EQ(pthread_sigmask(SIG_SETMASK, NULL, &mask_after), 0);
    for (int i = 0; i < 10; i++) {
        CHECK_EQ(sigaction(signals[i], NULL, &after), 0);
        CHECK(after.sa_handler == before[i].sa_handler);
        CHECK_EQ(sigismember(&mask_before, signals[i]), sigismember(&mask_after, signals[i]));
    }
}

/* What can be seen. */

TEST(without_a_runtime_the_figures_are_zero)
{
    covey_stats s, zero;

    memset(&s, 0xff, sizeof(s));
    memset(&zero, 0, sizeof(zero));
    covey_stats_get(&s);
    CHECK_EQ(s.tasks_started, 0);
    CHECK_EQ(s.tasks_ended, 0);
    CHECK_EQ(s.tasks_failed, 0);
    CHECK_EQ(s.parks + s.steals + s.takeovers, 0);
    CHECK_EQ(s.workers + s.threads + s.blocking_threads, 0);
}

TASK_TEST(the_figures_count_tasks)
{
    covey_stats before, after;
    covey_group *g = covey_group_new(ctx);
    atomic_int count = 0;

    covey_stats_get(&before);
    CHECK(before.tasks_started >= 1);
    CHECK(before.threads >= 1);
    for (int i = 0; i < 100; i++) {
        GO(g, count_up, &count);
    }
    JOIN(g);
    CHECK_EQ(covey_sleep(ctx, COVEY_US), 0);
    covey_stats_get(&after);
    CHECK(after.tasks_started >= before.tasks_started + 100);
    CHECK(after.tasks_ended >= before.tasks_ended + 100);
    CHECK(after.parks > before.parks);
    CHECK_EQ(after.tasks_failed, 0);
}

static int recv_from(covey_ctx *ctx, void *arg)
{
    return covey_chan_recv(ctx, arg, NULL);
}

TASK_TEST(the_dump_has_a_line_for_each_task)
{
    covey_group *g = covey_group_new(ctx);
    covey_chan *ch = covey_chan_new(0, 0);
    char *text = NULL, expected[64];
    size_t len = 0;
    FILE *out;

    for (int i = 0; i < 5; i++) {
        go_waiting_nth(g, "dumped", i, recv_from, ch);
    }
    out = open_memstream(&text, &len);
    CHECK(out);
    covey_dump(out);
    CHECK_EQ(fclose(out), 0);
    for (int i = 0; i < 5; i++) {
        (void)snprintf(expected, sizeof(expected), "dumped-%d", i);
        CHECK(strstr(text, expected));
    }
    (void)snprintf(expected, sizeof(expected), "task %llu ", (unsigned long long)covey_task_id());
    CHECK(strstr(text, expected));
    CHECK(strstr(text, "main_the_dump_has_a_line_for_each_task"));
    CHECK(strstr(text, "view.h:")); /* where they were started */
    free(text);
    CHECK_EQ(covey_chan_close(ch), 0);
    CHECK_EQ(covey_group_wait(g), COVEY_ECLOSED);
    covey_chan_unref(ch);
}

static int churn(covey_ctx *ctx, void *arg)
{
    covey_chan *ch = arg;

    while (covey_ctx_err(ctx) == 0) {
        covey_group *g = covey_group_new(NULL);

        GO(g, recv_from, ch);
        CHECK_EQ(covey_chan_send(NULL, ch, NULL), 0);
        JOIN(g);
    }
    return 0;
}

TASK_TEST(dumping_while_tasks_come_and_go)
{
    covey_group *g = covey_group_new(ctx);
    covey_chan *ch = covey_chan_new(0, 0);

    for (int i = 0; i < 4; i++) {
        GO(g, churn, ch);
    }
    for (int i = 0; i < 200; i++) {
        FILE *out = fopen("/dev/null", "w");

        CHECK(out);
        covey_dump(out);
        (void)fclose(out);
        covey_yield();
    }
    covey_group_cancel(g, 0);
    JOIN(g);
    covey_chan_unref(ch);
}

TEST(dumping_without_a_runtime_does_no_harm)
{
    FILE *out = fopen("/dev/null", "w");

    CHECK(out);
    covey_dump(out);
    (void)fclose(out);
}

static int wait_for_signal_dump(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    CHECK_EQ(kill(getpid(), SIGUSR2), 0);
    for (;;) {
        char text[65536];
        ssize_t n = pread(STDERR_FILENO, text, sizeof(text) - 1, 0);

        CHECK(n >= 0);
        text[n] = '\0';
        if (strstr(text, "runtime_test.c:")) {
            return 0;
        }
        CHECK_EQ(covey_sleep(NULL, 100 * COVEY_US), 0);
    }
}

TEST(the_dump_comes_on_the_signal_asked_for)
{
    covey_options opts = {.dump_signal = SIGUSR2};

    (void)run_and_read_stderr(&opts, wait_for_signal_dump, 0);
    CHECK_EQ(setenv("COVEY_DUMP_SIGNAL", "USR2", 1), 0);
    opts.dump_signal = 0;
    (void)run_and_read_stderr(&opts, wait_for_signal_dump, 0);
}

/* ---- a dump is asked for while one is written ---- */

enum { SLOW_DUMPS = 12 };

static int slow_stderr[2];

static void read_slow(char *out, size_t len)
{
    while (len > 0) {
        ssize_t n = read(slow_stderr[0], out, len);
        CHECK(n > 0);
        out += n;
        len -= (size_t)n;
    }
}

/* Reads on until the words have come. */
static void read_until(const char *words)
{
    size_t at = 0;

    while (words[at]) {
        char c;
        read_slow(&c, 1);
        at = c == words[at] ? at + 1 : c == words[0];
    }
}

static int ask_and_hang_up(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    CHECK_EQ(kill(getpid(), SIGUSR2), 0);
    read_until("covey: ");
    CHECK_EQ(close(slow_stderr[0]), 0);
    return 0;
}

/* The writer stands still where nobody reads. A second dump that came only with the watchdog's next
 * turn, in ten seconds, would take too long. */
static int ask_twice(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    for (int i = 0; i < SLOW_DUMPS; i++) {
        CHECK_EQ(kill(getpid(), SIGUSR2), 0);
        read_until("covey: ");
        CHECK_EQ(kill(getpid(), SIGUSR2), 0);
        read_until("the last one");
        read_until("covey: ");
        read_until("the last one");
    }
    /* Nobody reads what the last one says after that. */
    CHECK(fcntl(slow_stderr[1], F_SETPIPE_SZ, 1 << 20) >= 1 << 20);
    return 0;
}

static int stay(covey_ctx *ctx, void *arg)
{
    (void)arg;
    (void)covey_sleep(ctx, 3600 * COVEY_SEC);
    return 0;
}

/* Asks from outside for dumps that are longer than the pipe. */
static int stand_still(covey_ctx *ctx, void *ask)
{
    covey_group *g = covey_group_new(ctx);
    covey_task_options o = {.name = "the last one"};

    for (int i = 0; i < 100; i++) {
        GO(g, stay, NULL);
    }
    CHECK_EQ(covey_group_go_with(g, &o, stay, NULL), 0);
    CHECK_EQ(covey_blocking(ctx, *(covey_fn **)ask, NULL), 0);
    covey_group_cancel(g, 0);
    return covey_group_wait(g);
}

static void run_with_slow_stderr(covey_fn *ask)
{
    covey_options opts = {.dump_signal = SIGUSR2};

    CHECK_EQ(pipe(slow_stderr), 0);
    CHECK(fcntl(slow_stderr[1], F_SETPIPE_SZ, 4096) >= 4096);
    CHECK(dup2(slow_stderr[1], STDERR_FILENO) >= 0);
    CHECK_EQ(covey_run_with(&opts, stand_still, &ask), 0);
}

static int be_stopped(covey_ctx *ctx, void *arg)
{
    pid_t self = getpid();
    pid_t helper;
    int status;

    (void)arg;
    CHECK_EQ(covey_sleep(ctx, COVEY_MS), 0);
    if ((helper = fork()) == 0) {
        (void)kill(self, SIGSTOP);
        (void)usleep(300000); /* sleeps: so long the program is stopped */
        (void)kill(self, SIGCONT);
        _exit(0);
    }
    CHECK(helper > 0);
    CHECK_EQ(waitpid(helper, &status, 0), helper);
    return 0;
}

TEST(a_stop_of_the_process_is_told_as_one)
{
    covey_options opts = {.slow_task_ns = 200 * COVEY_MS};

    bool is_told = false;

    /* Not if what came just before the stop has used much of a CPU, as a fork may. */
    for (int i = 0; i < 10 && !is_told; i++) {
        is_told = strstr(run_and_read_stderr(&opts, be_stopped, 0),
                         "covey: slow: the whole process stood still for ") != NULL;
    }
    CHECK(is_told);
}

TEST(a_dump_asked_for_while_one_is_written_follows_it)
{
    if (WITH_TSAN) {
        SKIP("TSan delivers signals late: two may come as one");
    }
    run_with_slow_stderr(ask_twice);
}

TEST(a_dump_whose_reader_goes_away_ends_nothing)
{
    run_with_slow_stderr(ask_and_hang_up);
}

/* The deadlock check does not cry wolf. */

static int wait_for_thread(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    return covey_chan_recv(NULL, arg, NULL);
}

static void *send_late(void *arg)
{
    (void)usleep(20000); /* sleeps: a thread outside covey is late on purpose */
    CHECK_EQ(covey_chan_send(NULL, arg, NULL), 0);
    return NULL;
}

TEST(waiting_for_another_thread_is_no_deadlock)
{
    covey_chan *ch = covey_chan_new(0, 1);
    pthread_t thread;

    CHECK_EQ(pthread_create(&thread, NULL, send_late, ch), 0);
    CHECK_EQ(covey_run(wait_for_thread, ch), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    covey_chan_unref(ch);
}

static int late_sender(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)usleep(20000); /* sleeps: a thread outside covey is late on purpose */
    return covey_chan_send(NULL, arg, NULL);
}

static int wait_for_blocking(covey_ctx *ctx, void *arg)
{
    return covey_blocking(ctx, late_sender, arg);
}

TASK_TEST(waiting_for_a_timer_or_a_blocking_call_is_no_deadlock)
{
    covey_chan *ch = covey_chan_new(0, 0);
    covey_group *g = covey_group_new(ctx);
    covey_timer *t = covey_timer_new(20 * COVEY_MS);

    CHECK_EQ(covey_chan_recv(NULL, covey_timer_chan(t), NULL), 0);
    GO(g, wait_for_blocking, ch);
    CHECK_EQ(covey_chan_recv(NULL, ch, NULL), 0);
    JOIN(g);
    covey_timer_free(t);
    covey_chan_unref(ch);
}

/* Another process acts, late. */
static pid_t start_child(int signal, int fd)
{
    pid_t child = fork();

    CHECK(child >= 0);
    if (child == 0) {
        (void)usleep(300000); /* sleeps: a thread outside covey is late on purpose */
        _exit((signal ? kill(getppid(), signal) == 0 : write(fd, "x", 1) == 1) ? 0 : 1);
    }
    return child;
}

static void end_child(pid_t child)
{
    int status = -1;

    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

TASK_TEST(waiting_for_a_signal_is_no_deadlock)
{
    const int signals[] = {SIGUSR1};
    covey_ctx *c = covey_ctx_with_signals(ctx, signals, 1);
    covey_chan *ch = covey_chan_new(0, 0);
    pid_t child;

    if (WITH_TSAN) {
        SKIP("ThreadSanitizer holds signals back");
    }
    child = start_child(SIGUSR1, -1);
    CHECK_EQ(covey_chan_recv(c, ch, NULL), COVEY_ECANCELED);
    end_child(child);
    covey_chan_unref(ch);
    covey_ctx_unref(c);
}

TASK_TEST(waiting_for_a_descriptor_is_no_deadlock)
{
    int p[2];
    pid_t child;

    CHECK_EQ(pipe2(p, O_CLOEXEC | O_NONBLOCK), 0);
    child = start_child(0, p[1]);
    CHECK_EQ(covey_wait_fd(NULL, p[0], COVEY_FD_READ), COVEY_FD_READ);
    end_child(child);
    CHECK_EQ(close(p[0]), 0);
    CHECK_EQ(close(p[1]), 0);
}

TASK_TEST(a_task_in_plain_c_is_no_deadlock)
{
    covey_chan *ch = covey_chan_new(0, 0);
    covey_group *g = covey_group_new(ctx);

    GO(g, late_sender, ch);
    CHECK_EQ(covey_chan_recv(NULL, ch, NULL), 0);
    JOIN(g);
    covey_chan_unref(ch);
}
