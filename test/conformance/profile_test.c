/* SPDX-License-Identifier: MIT
 * profile_test.c - profiles (covey/debug.h). What pprof makes of them: test/profile. */
#include "support.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

enum { MANY = WITH_TSAN || WITH_ASAN ? 20000 : 200000 };

/* A profile's folded text; free it. */
static char *folded(const char *kind)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);

    CHECK(out);
    CHECK_EQ(covey_profile_write(kind, COVEY_PROFILE_FOLDED, out), 0);
    CHECK_EQ(fclose(out), 0);
    return text;
}

/* The sum of the lines that end with this cause; static functions may have no names. */
static long long sum_of(const char *kind, const char *cause)
{
    char *text = folded(kind);
    long long sum = 0;

    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        sum += strstr(line, cause) ? strtoll(strrchr(line, ' '), NULL, 10) : 0;
    }
    free(text);
    return sum;
}

static size_t lines_of(const char *kind, const char *cause)
{
    char *text = folded(kind);
    size_t n = 0;

    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        n += strstr(line, cause) != NULL;
    }
    free(text);
    return n;
}

/* The name; or, in a static program without libdw, which has none, what any line has. */
static const char *name_in(const char *kind, const char *name)
{
    return lines_of(kind, "covey_") > 0 ? name : " ";
}

TEST(what_is_no_profile_is_refused)
{
    CHECK_EQ(covey_profile_start("heap", 0), -EINVAL);
    CHECK_EQ(covey_profile_start(NULL, 0), -EINVAL);
    CHECK_EQ(covey_profile_start("task", 0), -EINVAL);
    CHECK_EQ(covey_profile_start("block", -1), -EINVAL);
    CHECK_EQ(covey_profile_start("cpu", 1001), -EINVAL);
    CHECK_EQ(covey_profile_stop("block"), -ENOENT);
    CHECK_EQ(covey_profile_stop("task"), -EINVAL);
    CHECK_EQ(covey_profile_write("heap", COVEY_PROFILE_PPROF, stderr), -EINVAL);
    CHECK_EQ(covey_profile_write("block", 7, stderr), -EINVAL);
    CHECK_EQ(covey_profile_write("block", COVEY_PROFILE_PPROF, stderr), -ENOENT);
    CHECK_EQ(covey_profile_write("task", COVEY_PROFILE_PPROF, stderr), COVEY_ECLOSED);
}

TEST(a_profile_is_started_once_and_kept_after_its_stop)
{
    CHECK_EQ(covey_profile_start("mutex", 0), 0);
    CHECK_EQ(covey_profile_start("mutex", 0), -EBUSY);
    CHECK_EQ(covey_profile_stop("mutex"), 0);
    CHECK_EQ(covey_profile_stop("mutex"), -ENOENT);
    CHECK_EQ(sum_of("mutex", " "), 0);
    CHECK_EQ(covey_profile_start("mutex", 0), 0);
    CHECK_EQ(covey_profile_stop("mutex"), 0);
}

TEST(a_full_disk_is_told)
{
    FILE *out = fopen("/dev/full", "w");

    CHECK(out);
    setvbuf(out, NULL, _IONBF, 0);
    CHECK_EQ(covey_profile_start("block", 0), 0);
    CHECK_EQ(covey_profile_write("block", COVEY_PROFILE_PPROF, out), -ENOSPC);
    (void)fclose(out);
    out = fopen("/dev/full", "w");
    CHECK_EQ(covey_profile_write("block", COVEY_PROFILE_PPROF, out), -ENOSPC);
    CHECK_EQ(covey_profile_stop("block"), 0);
    (void)fclose(out);
}

static int receive(covey_ctx *ctx, void *arg)
{
    int code = covey_chan_recv(ctx, arg, NULL);
    return code == COVEY_ECLOSED ? 0 : code;
}

TASK_TEST(very_many_tasks_at_one_place_are_one_sample)
{
    covey_chan *ch = covey_chan_new(0, 0);
    covey_group *g = covey_group_new(ctx);
    const covey_task_options compact = {.name = "crowd", .compact = true};

    for (int i = 0; i < MANY; i++) {
        CHECK_EQ(covey_group_go_with(g, &compact, receive, ch), 0);
    }
    while (sum_of("task", "[chan receive]") < MANY) {
        covey_yield();
    }
    CHECK_EQ(sum_of("task", "[chan receive]"), MANY);
    CHECK_EQ(lines_of("task", "[chan receive]"), 1);
    CHECK_EQ(covey_chan_close(ch), 0);
    JOIN(g);
    covey_chan_unref(ch);
}

/* A wait is measured from where it begins, which is later than where its deadline is counted
 * from: so a sleep of 5 ms may count as less, and it is slept again until there is enough. */
static int sleep_and_add(covey_ctx *ctx, _Atomic int64_t *took)
{
    int64_t start = covey_now();
    int code = covey_sleep(ctx, 5 * COVEY_MS);

    atomic_fetch_add(took, covey_now() - start);
    return code;
}

static int wait_a_while(covey_ctx *ctx, void *arg)
{
    return sleep_and_add(ctx, arg);
}

TASK_TEST(waits_are_recorded_by_cause_on_any_stack)
{
    const covey_task_options compact = {.compact = true};
    _Atomic int64_t took = 0;
    int64_t start = covey_now();

    CHECK_EQ(covey_profile_start("block", 1), 0);
    do {
        covey_group *g = covey_group_new(ctx);
        for (int i = 0; i < 100; i++) {
            CHECK_EQ(covey_group_go_with(g, i % 2 ? &compact : NULL, wait_a_while, &took), 0);
        }
        JOIN(g);
    } while (sum_of("block", "[sleep]") < 100 * 5 * COVEY_MS ||
             sum_of("block", "[group wait]") < 4 * COVEY_MS);
    CHECK_EQ(covey_profile_stop("block"), 0);
    CHECK(sum_of("block", "[sleep]") <= atomic_load(&took));
    CHECK(sum_of("block", "[group wait]") <= covey_now() - start);
    long long sum = sum_of("block", "[sleep]");
    CHECK_EQ(covey_sleep(ctx, COVEY_MS), 0);
    CHECK_EQ(sum_of("block", "[sleep]"), sum); /* not when it is off */
}

static void *wait_in_a_thread(void *arg)
{
    do {
        CHECK_EQ(sleep_and_add(NULL, arg), 0);
    } while (sum_of("block", "plain thread;") < 5 * COVEY_MS);
    return NULL;
}

TEST(a_plain_threads_wait_counts_too_without_a_runtime)
{
    pthread_t thread;
    _Atomic int64_t took = 0;

    CHECK_EQ(covey_profile_start("block", 1), 0);
    CHECK_EQ(pthread_create(&thread, NULL, wait_in_a_thread, &took), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_EQ(covey_profile_stop("block"), 0);
    CHECK(sum_of("block", "plain thread;") <= atomic_load(&took));
}

TASK_TEST(a_rate_records_few_and_scales_them)
{
    enum { TURNS = 2000 };
    const int64_t rate = 100 * COVEY_SEC; /* one of thousands at most, and then for 100 s */

    CHECK_EQ(covey_profile_start("block", rate), 0);
    for (int i = 0; i < TURNS; i++) {
        CHECK_EQ(covey_sleep(ctx, 1), 0);
    }
    CHECK_EQ(covey_profile_stop("block"), 0);
    CHECK_EQ(sum_of("block", "[sleep]") % rate, 0);
    CHECK(sum_of("block", "[sleep]") < TURNS * rate / 10);
}

struct counter {
    covey_mutex mutex;
    covey_rwmutex rwmutex;
    int locked, written;
};

static int add_slowly(covey_ctx *ctx, void *arg)
{
    struct counter *c = arg;

    covey_mutex_lock(&c->mutex);
    c->locked++;
    int code = covey_sleep(ctx, COVEY_MS);
    covey_mutex_unlock(&c->mutex);
    return code;
}

static int write_slowly(covey_ctx *ctx, void *arg)
{
    struct counter *c = arg;

    covey_rwmutex_lock(&c->rwmutex);
    c->written++;
    int code = covey_sleep(ctx, COVEY_MS);
    covey_rwmutex_unlock(&c->rwmutex);
    return code;
}

TASK_TEST(who_lets_a_waiter_go_on_is_named)
{
    struct counter c = {0};
    covey_group *g = covey_group_new(ctx);

    CHECK_EQ(covey_profile_start("mutex", 1), 0);
    for (int i = 0; i < 10; i++) {
        GO(g, add_slowly, &c);
        GO(g, write_slowly, &c);
    }
    JOIN(g);
    CHECK_EQ(covey_profile_stop("mutex"), 0);
    CHECK_EQ(c.locked + c.written, 20);
    CHECK(sum_of("mutex", name_in("mutex", "covey_mutex_unlock")) >= COVEY_MS);
    CHECK(sum_of("mutex", name_in("mutex", "covey_rwmutex_unlock")) >= COVEY_MS);
    CHECK_EQ(sum_of("mutex", "[chan"), 0);
}

static _Atomic bool must_end;

/* Uses the CPU in all the places where a signal can come. */
static int churn(covey_ctx *ctx, void *arg)
{
    while (!atomic_load(&must_end)) {
        covey_group *g = covey_group_new(ctx);
        for (int i = 0; i < 20; i++) {
            GO(g, receive, arg);
        }
        for (int i = 0; i < 20; i++) {
            CHECK_EQ(covey_chan_send(ctx, arg, NULL), 0);
        }
        JOIN(g);
        covey_yield();
    }
    return 0;
}

TASK_TEST(the_cpu_is_sampled_wherever_it_is)
{
    covey_chan *ch = covey_chan_new(0, 0);
    covey_group *g = covey_group_new(ctx);
    const covey_task_options compact = {.name = "compact", .compact = true};

    CHECK_EQ(covey_profile_start("cpu", 1000), 0);
    CHECK_EQ(covey_profile_start("block", 0), 0);
    for (int i = 0; i < 4; i++) {
        CHECK_EQ(covey_group_go_with(g, i % 2 ? &compact : NULL, churn, ch), 0);
    }
    /* TSan delivers signals late; there is nothing to wait for. */
    for (int i = 0; WITH_TSAN ? i < 1000 : sum_of("cpu", " ") < COVEY_SEC / 5; i++) {
        covey_yield();
    }
    atomic_store(&must_end, true);
    JOIN(g);
    CHECK_EQ(covey_profile_stop("cpu"), 0);
    CHECK_EQ(covey_profile_stop("block"), 0);
    covey_chan_unref(ch);
}

static volatile unsigned long sink;

static int burn(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    while (!atomic_load(&must_end)) {
        sink++;
    }
    return 0;
}

TASK_TEST(the_cpu_profile_names_the_task)
{
    const covey_task_options named = {.name = "burner"};
    covey_group *g = covey_group_new(ctx);

    if (WITH_TSAN) {
        SKIP("TSan delivers no signals to such a loop");
    }
    CHECK_EQ(covey_profile_start("cpu", 1000), 0);
    CHECK_EQ(covey_group_go_with(g, &named, burn, NULL), 0);
    while (sum_of("cpu", "burner;") < 50 * COVEY_MS) {
        CHECK_EQ(covey_sleep(ctx, COVEY_MS), 0);
    }
    atomic_store(&must_end, true);
    JOIN(g);
    CHECK_EQ(covey_profile_stop("cpu"), 0);
}

static int keep_errno(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    for (int i = 1; !atomic_load(&must_end); i = i % 1000 + 1) {
        errno = i;
        for (int k = 0; k < 1000; k++) {
            sink++;
        }
        CHECK_EQ(errno, i);
    }
    return 0;
}

TASK_TEST(samples_of_the_cpu_leave_errno_alone)
{
    covey_group *g = covey_group_new(ctx);

    if (WITH_TSAN) {
        SKIP("TSan delivers no signals to such a loop");
    }
    CHECK_EQ(covey_profile_start("cpu", 1000), 0);
    GO(g, keep_errno, NULL);
    while (sum_of("cpu", "keep_errno") < 50 * COVEY_MS) {
        CHECK_EQ(covey_sleep(ctx, COVEY_MS), 0);
    }
    atomic_store(&must_end, true);
    JOIN(g);
    CHECK_EQ(covey_profile_stop("cpu"), 0);
}

static volatile sig_atomic_t came_to_user;

static void users_own(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)context;
    came_to_user = info->si_value.sival_int;
}

static void users_plain(int number)
{
    came_to_user = number;
}

TEST(a_signal_that_is_not_coveys_goes_to_who_had_it_before)
{
    struct sigaction action = {.sa_sigaction = users_own, .sa_flags = SA_SIGINFO};

    if (WITH_TSAN) {
        SKIP("TSan delivers signals late");
    }
    CHECK_EQ(sigaction(SIGPROF, &action, NULL), 0);
    CHECK_EQ(covey_profile_start("cpu", 1), 0);
    CHECK_EQ(sigqueue(getpid(), SIGPROF, (union sigval){.sival_int = 4711}), 0);
    CHECK_EQ(came_to_user, 4711);
    CHECK_EQ(covey_profile_stop("cpu"), 0);
    CHECK_EQ(sigqueue(getpid(), SIGPROF, (union sigval){.sival_int = 4712}), 0);
    CHECK_EQ(came_to_user, 4712);
}

TEST(a_plain_handler_that_was_there_before_is_called_too)
{
    CHECK(signal(SIGPROF, users_plain) != SIG_ERR);
    CHECK_EQ(covey_profile_start("cpu", 1), 0);
    CHECK_EQ(raise(SIGPROF), 0);
    CHECK_EQ(came_to_user, SIGPROF);
    CHECK_EQ(covey_profile_stop("cpu"), 0);
}

/* ---- by a signal ---- */

static char prefix[64];

static bool has_profile(const char *kind, int number)
{
    char path[128];
    char first;

    (void)snprintf(path, sizeof(path), "%s.%s.%d.pprof", prefix, kind, number);
    FILE *in = fopen(path, "r");
    if (!in) {
        return false;
    }
    /* Its first field, a sample's type. */
    bool is_one = fread(&first, 1, 1, in) == 1 && first == 0x0A;
    (void)fclose(in);
    if (is_one) {
        (void)unlink(path);
    }
    return is_one;
}

static int signalled(covey_ctx *ctx, void *arg)
{
    (void)arg;
    (void)snprintf(prefix, sizeof(prefix), "/tmp/covey-profile-%d", (int)getpid());
    CHECK_EQ(covey_profile_start("block", 1), 0);
    CHECK_EQ(covey_profile_on_signal(SIGUSR1, prefix), 0);
    errno = 4712;
    CHECK_EQ(raise(SIGUSR1), 0);
    CHECK_EQ(errno, 4712);
    while (!has_profile("block", 1)) {
        CHECK_EQ(covey_sleep(ctx, COVEY_MS), 0);
    }
    CHECK(has_profile("task", 1));
    CHECK(!has_profile("cpu", 1));
    CHECK(!has_profile("mutex", 1));
    CHECK_EQ(covey_profile_on_signal(0, NULL), 0);
    CHECK_EQ(covey_profile_on_signal(0, NULL), 0);
    CHECK_EQ(covey_profile_stop("block"), 0);
    return 0;
}

static void count_signal(int number)
{
    (void)number;
    prefix[0]++;
}

TEST(a_signal_writes_what_is_recorded)
{
    CHECK(signal(SIGUSR1, count_signal) != SIG_ERR);
    CHECK_EQ(covey_run(signalled, NULL), 0);
    /* The former handler is back. */
    prefix[0] = 0;
    CHECK_EQ(raise(SIGUSR1), 0);
    CHECK_EQ(prefix[0], 1);
}

TEST(a_signal_that_cannot_be_caught_is_refused)
{
    CHECK_EQ(covey_profile_on_signal(SIGKILL, "/tmp/x"), -EINVAL);
    CHECK_EQ(covey_profile_on_signal(-1, "/tmp/x"), -EINVAL);
    CHECK_EQ(covey_profile_on_signal(SIGUSR1, NULL), -EINVAL);
    CHECK_EQ(covey_profile_on_signal(0, NULL), 0);
}
