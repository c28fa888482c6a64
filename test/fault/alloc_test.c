/* SPDX-License-Identifier: MIT
 * alloc_test.c - every allocation fails once: a scenario is run with COVEY_DEBUG=alloc=N for N = 1,
 * 2, ... until it runs through without a failure. Each run must end well or with an error that the
 * headers name, leave no task, descriptor or (under ASan) byte, and never hang or crash. */
#include "../conformance/support.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* What lack of memory may look like: the code itself; no thread; the end of a context that could
 * not be made. */
static bool is_lack(int code)
{
    return code == -ENOMEM || code == -EAGAIN;
}

/* TRY for what is NULL without memory. */
#define MAKE(place, call) TRY(((place) = (call)) != NULL ? 0 : -ENOMEM)

/* And for a context, which is done then, with that cause. */
#define MAKE_CTX(place, call)                                                                      \
    TRY(((place) = (call)) && covey_ctx_cause(place) == -ENOMEM ? -ENOMEM : 0)

enum { RUN_LIMIT_S = 30, RUNS_MAX = 2000 };

static char said[65536];

/* One run in a child: its status, and what it said on standard error in said. */
static int run_once(int (*scenario)(void), const char *knob)
{
    int text = memfd_create("stderr", MFD_CLOEXEC);
    int status;

    CHECK(text >= 0);
    pid_t child = fork();
    if (child == 0) {
        (void)dup2(text, STDERR_FILENO);
        (void)setenv("COVEY_DEBUG", knob, 1);
        (void)alarm(RUN_LIMIT_S * (WITH_TSAN || WITH_ASAN ? 3 : 1));
        int fds = count_fds();
        int code = scenario();
        if (code < 0 && !is_lack(code)) {
            fprintf(stderr, "# it ended with %d (%s)\n", code, covey_strerror(code));
            _exit(2);
        }
        CHECK_EQ(count_fds(), fds);
        exit(0); /* with the leak checker's word */
    }
    CHECK(child > 0);
    CHECK_EQ(waitpid(child, &status, 0), child);
    ssize_t len = pread(text, said, sizeof(said) - 1, 0);
    said[len > 0 ? len : 0] = '\0';
    (void)close(text);
    return status;
}

static void sweep(const char *name, int (*scenario)(void))
{
    char knob[32];

    for (int n = 1; n < RUNS_MAX; n++) {
        (void)snprintf(knob, sizeof(knob), "alloc=%d", n);
        int status = run_once(scenario, knob);
        if (status != 0) {
            fprintf(stderr, "# %s with COVEY_DEBUG=%s: status %#x\n%s\n", name, knob, status, said);
        }
        CHECK_EQ(status, 0);
        if (!strstr(said, "COVEY_DEBUG: allocation")) {
            fprintf(stderr, "# %s: %d allocations, each failed once\n", name, n - 1);
            CHECK(n > 1);
            return;
        }
    }
    CHECK(!"it never ran through");
}

#define SWEEP_TEST(name)                                                                           \
    static int name##_main(covey_ctx *ctx, void *arg);                                             \
    static int name##_scenario(void)                                                               \
    {                                                                                              \
        return covey_run(name##_main, NULL);                                                       \
    }                                                                                              \
    TEST(name)                                                                                     \
    {                                                                                              \
        sweep(#name, name##_scenario);                                                             \
    }                                                                                              \
    static int name##_main(covey_ctx *ctx, __attribute__((unused)) void *arg)

/* ---- the scenarios ---- */

struct large {
    char bytes[200];
    int code;
};

static int use_copy(covey_ctx *ctx, void *arg)
{
    const struct large *l = arg;

    (void)ctx;
    covey_yield();
    CHECK_STR(l->bytes, "whole");
    return l->code < 0 ? covey_wrapf(covey_errorf(l->code, "copy %d", l->code), "outer") : 0;
}

SWEEP_TEST(tasks_of_a_group_with_copies_and_messages)
{
    covey_group_options opts = {.policy = COVEY_ALL};
    struct large l = {.bytes = "whole"};
    covey_group *g = NULL;
    int code = 0, started = 0, failing = 0;

    MAKE(opts.errors, covey_error_list_new());
    MAKE(g, covey_group_new_with(ctx, &opts));
    for (int i = 0; i < 20; i++) {
        l.code = i % 2 ? -EBADF : 0;
        TRY(covey_group_go_copy(g, use_copy, &l, sizeof(l)));
        started++;
        failing += i % 2;
    }
out:
    if (g) {
        int joined = covey_group_wait(g);
        int failed = (int)covey_error_list_len(opts.errors);
        CHECK(joined == (failed > 0 ? -EBADF : 0) || is_lack(joined));
        CHECK_EQ(failed, failing + (started < 20)); /* a failed start is one, too */
        for (int i = 0; i < failed; i++) {
            int each = covey_error_list_code(opts.errors, (size_t)i);
            CHECK(each == -EBADF || is_lack(each));
            CHECK(covey_error_list_message(opts.errors, (size_t)i)[0]);
        }
    }
    covey_error_list_free(opts.errors);
    return code;
}

static int send_some(covey_ctx *ctx, void *arg)
{
    for (int i = 0; i < 4; i++) {
        int code = covey_chan_send(ctx, arg, &i);
        if (code < 0) {
            return code;
        }
    }
    return covey_chan_close(arg);
}

SWEEP_TEST(channels_and_selects_of_many_cases)
{
    covey_chan *ch[6] = {0};
    covey_group *g = NULL;
    int v[6], code = 0;
    bool ok[6];

    MAKE(g, covey_group_new(ctx));
    for (int i = 0; i < 6; i++) {
        MAKE(ch[i], covey_chan_new(sizeof(int), (size_t)i % 3));
    }
    for (int i = 0; i < 6; i++) {
        TRY(covey_group_go(g, send_some, ch[i]));
    }
    for (int open = 6, turn = 0; open > 0 && turn < 1000; turn++) {
        int i;
        TRY(i = covey_select(
                ctx, COVEY_RECV_OK(ch[0], &v[0], &ok[0]), COVEY_RECV_OK(ch[1], &v[1], &ok[1]),
                COVEY_RECV_OK(ch[2], &v[2], &ok[2]), COVEY_RECV_OK(ch[3], &v[3], &ok[3]),
                COVEY_RECV_OK(ch[4], &v[4], &ok[4]), COVEY_RECV_OK(ch[5], &v[5], &ok[5]),
                COVEY_AFTER(COVEY_SEC)));
        if (i < 6 && !ok[i]) {
            covey_chan_unref(ch[i]);
            ch[i] = NULL;
            open--;
        }
    }
out:
    if (g) {
        if (code < 0) {
            covey_group_cancel(g, 0);
        }
        int joined = covey_group_wait(g);
        CHECK(joined == 0 || joined == COVEY_ECANCELED);
    }
    for (int i = 0; i < 6; i++) {
        covey_chan_unref(ch[i]);
    }
    return code;
}

static int count_up(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    atomic_fetch_add((atomic_int *)arg, 1);
    return 0;
}

SWEEP_TEST(timers_tickers_and_after_funcs)
{
    static atomic_int called;
    covey_timer *t = NULL, *f = NULL;
    covey_ticker *k = NULL;
    covey_ctx *c = NULL;
    covey_stop *s = NULL;
    int code = 0;
    int64_t at;

    MAKE(t, covey_timer_new(COVEY_MS));
    MAKE(k, covey_ticker_new(COVEY_MS));
    MAKE(f, covey_after_func(0, count_up, &called));
    MAKE_CTX(c, covey_ctx_with_cancel(ctx));
    MAKE(s, covey_ctx_after_func(c, count_up, &called));
    TRY(covey_chan_recv(ctx, covey_timer_chan(t), &at));
    TRY(covey_chan_recv(ctx, covey_ticker_chan(k), &at));
    covey_ctx_cancel(c);
    /* Neither call may be lost for lack of memory: they own what they were given. */
    while (atomic_load(&called) < 2) {
        TRY(covey_sleep(ctx, COVEY_MS));
    }
out:
    covey_timer_free(t);
    covey_timer_free(f);
    covey_ticker_free(k);
    if (s) {
        (void)covey_stop_call(s);
    }
    covey_ctx_unref(c);
    return code;
}

static int wait_for_end(covey_ctx *ctx, void *arg)
{
    return covey_chan_recv(ctx, arg, NULL);
}

SWEEP_TEST(a_tree_of_contexts)
{
    covey_ctx *c[6] = {0};
    covey_chan *ch = NULL;
    covey_group *g = NULL;
    int code = 0, value = 0;

    MAKE_CTX(c[0], covey_ctx_with_cancel(ctx));
    MAKE_CTX(c[1], covey_ctx_with_value(c[0], &value, &value));
    MAKE_CTX(c[2], covey_ctx_with_timeout(c[1], 60 * COVEY_SEC));
    MAKE_CTX(c[3], covey_ctx_without_cancel(c[2]));
    MAKE_CTX(c[4], covey_ctx_for_cleanup(c[2], COVEY_MS));
    MAKE_CTX(c[5], covey_ctx_with_cancel(c[2]));
    CHECK(covey_ctx_value(c[5], &value) == &value);
    MAKE(ch, covey_chan_new(0, 0));
    MAKE(g, covey_group_new(c[5]));
    for (int i = 0; i < 3; i++) {
        TRY(covey_group_go(g, wait_for_end, ch));
    }
    CHECK_EQ(covey_chan_recv(c[4], ch, NULL), COVEY_EDEADLINE);
    CHECK(strstr(covey_errmsg(), "deadline exceeded"));
    covey_ctx_cancel_cause(c[0], -ESTALE);
    TRY(covey_ctx_done(c[5]) ? 0 : -ENOMEM);
    CHECK_EQ(covey_chan_recv(NULL, covey_ctx_done(c[5]), NULL), COVEY_ECLOSED);
    CHECK_EQ(covey_ctx_cause(c[5]), -ESTALE);
    CHECK_EQ(covey_ctx_err(c[3]), 0);
out:
    covey_ctx_cancel(c[0]);
    if (g) {
        int joined = covey_group_wait(g);
        CHECK(joined == 0 || joined == COVEY_ECANCELED);
    }
    for (int i = 0; i < 6; i++) {
        covey_ctx_unref(c[i]);
    }
    covey_chan_unref(ch);
    return code;
}

static int fly(covey_ctx *ctx, void *arg, void **result)
{
    (void)ctx;
    *result = arg;
    return 0;
}

static int destroyed;

static void destroy(void *snapshot)
{
    (void)snapshot;
    destroyed++;
}

SWEEP_TEST(semaphores_maps_snapshots_and_singleflight)
{
    covey_sem *sem = NULL;
    covey_singleflight *f = NULL;
    covey_map *m[2] = {0};
    covey_value *v = NULL;
    int code = 0, x = 0, y = 0, stored = 1;
    void *result;

    MAKE(sem, covey_sem_new(2));
    TRY(covey_sem_acquire(ctx, sem, 2));
    covey_sem_release(sem, 2);
    MAKE(f, covey_singleflight_new());
    TRY(covey_singleflight_do(ctx, f, "key", fly, &x, &result, NULL));
    CHECK(result == &x);
    for (int kind = 0; kind < 2; kind++) {
        covey_map_options opts = {.kind = kind ? COVEY_MAP_SHARDED : COVEY_MAP_READ_MOSTLY};
        MAKE(m[kind], covey_map_new(&opts));
        for (int i = 0; i < 200; i++) {
            TRY(covey_map_store(m[kind], &i, sizeof(i), &x));
        }
        CHECK_EQ(covey_map_len(m[kind]), 200);
    }
    MAKE(v, covey_value_new(&x, destroy));
    TRY(covey_value_store(v, &y));
    stored++;
out:
    covey_value_free(v);
    CHECK_EQ(destroyed, v ? stored : 0);
    covey_map_free(m[0]);
    covey_map_free(m[1]);
    covey_singleflight_free(f);
    covey_sem_free(sem);
    return code;
}

static int answer(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    return *(int *)arg;
}

SWEEP_TEST(blocking_calls_and_tasks_of_all_kinds)
{
    covey_task_options kinds[] = {
        {.name = "pinned", .pinned = true},
        {.name = "compact, with a name of more than thirty-one letters", .compact = true},
        {.stack_size = (size_t)1 << 20},
        {.stack_size = (size_t)4 << 20, .pinned = true}};
    covey_group *g = NULL;
    int code = 0, number = 7, turn;

    MAKE(g, covey_group_new(ctx));
    for (turn = 0; turn < 8; turn++) {
        TRY(covey_group_go_with(g, &kinds[turn % 4], answer, &number));
    }
    int answered;
    TRY(answered = covey_blocking(ctx, answer, &number));
    CHECK_EQ(answered, 7);
out:
    if (g) {
        CHECK_EQ(covey_group_wait(g), 0);
    }
    return code;
}

static int echo_once(covey_ctx *ctx, void *arg)
{
    covey_conn *c = NULL;
    char byte;
    int code = 0;

    TRY(covey_accept(ctx, arg, &c));
    TRY(covey_read(ctx, c, &byte, 1));
    TRY(covey_write(ctx, c, &byte, 1));
out:
    covey_close(c);
    return code;
}

/* Both ends under one group, whose end by a failure of either frees the other. */
static int net_round(covey_ctx *ctx, const char *addr)
{
    covey_listener *l = NULL;
    covey_conn *c = NULL;
    covey_group *g = NULL;
    char byte = 'x';
    int code = 0;

    MAKE(g, covey_group_new(ctx));
    TRY(covey_listen(&l, addr, NULL));
    TRY(covey_group_go(g, echo_once, l));
    MAKE(addr, covey_listener_addr(l));
    TRY(covey_dial(covey_group_ctx(g), &c, addr));
    TRY(covey_write(covey_group_ctx(g), c, &byte, 1));
    TRY(covey_read_full(covey_group_ctx(g), c, &byte, 1));
    CHECK_EQ(byte, 'x');
out:
    covey_close(c);
    if (g) {
        if (code < 0) {
            covey_group_cancel(g, code);
        }
        int joined = covey_group_wait(g);
        if (joined < 0 && joined != COVEY_ECANCELED) {
            code = joined;
        }
    }
    covey_listener_close(l);
    /* The other end closed first, for want of memory. */
    return code == -ECONNRESET || code == COVEY_ECLOSED ? -ENOMEM : code;
}

SWEEP_TEST(dial_listen_accept_over_tcp)
{
    int code = net_round(ctx, "tcp://127.0.0.1:0");
    return code < 0 ? code : net_round(ctx, "tcp://localhost:0");
}

SWEEP_TEST(dial_listen_accept_over_unix_sockets)
{
    char addr[64];

    (void)snprintf(addr, sizeof(addr), "unix:///tmp/covey-alloc-%d.sock", (int)getpid());
    return net_round(ctx, addr);
}

SWEEP_TEST(watched_descriptors)
{
    int fds[2] = {-1, -1}, code = 0, watched = -1;
    char byte = 'x';

    CHECK_EQ(pipe(fds), 0);
    TRY(watched = covey_fd_watch(fds[0]));
    covey_ctx *soon = covey_ctx_with_timeout(ctx, COVEY_MS);
    int waited = covey_wait_fd(soon, watched, COVEY_FD_READ);
    bool has_soon = covey_ctx_cause(soon) != -ENOMEM;
    covey_ctx_unref(soon);
    TRY(has_soon ? 0 : -ENOMEM);
    CHECK(waited == COVEY_EDEADLINE || waited == -ENOMEM);
    CHECK_EQ(write(fds[1], &byte, 1), 1);
    TRY(covey_wait_fd(ctx, watched, COVEY_FD_READ));
    TRY(covey_select(ctx, COVEY_READABLE(watched)));
out:
    covey_fd_unwatch(watched);
    (void)close(fds[0]);
    (void)close(fds[1]);
    return code;
}

/* Lack that does not pass: nothing starts, and that is all. */
TEST(without_memory_at_all_run_fails)
{
    int status = run_once(a_tree_of_contexts_scenario, "alloc=2+");

    if (status != 0) {
        fprintf(stderr, "%s\n", said);
    }
    CHECK_EQ(status, 0);
}

SWEEP_TEST(profiles)
{
    FILE *out = fopen("/dev/null", "w");
    int code = 0;

    CHECK(out);
    TRY(covey_profile_start("block", 1));
    TRY(covey_sleep(ctx, 1));
    TRY(covey_profile_write("block", COVEY_PROFILE_PPROF, out));
    TRY(covey_profile_write("task", COVEY_PROFILE_PPROF, out));
    TRY(covey_profile_write("task", COVEY_PROFILE_FOLDED, out));
    TRY(covey_profile_start("cpu", 0));
out:
    (void)covey_profile_stop("block");
    (void)covey_profile_stop("cpu");
    (void)fclose(out);
    return code;
}

static void nothing_to_tell(int number)
{
    (void)number;
}

/* From plain code, so that the rings are made by who asks for a recording. */
static int recording_without_runtime(void)
{
    int code = 0;

    TRY(covey_trace_start("/dev/null"));
    covey_trace_message("words");
    TRY(covey_trace_snapshot("/dev/null"));
    TRY(covey_trace_stop());
    TRY(covey_trace_flight_start(1));
    TRY(covey_trace_on_slow(COVEY_SEC, "/dev/null"));
out:
    (void)covey_trace_on_slow_end();
    (void)covey_trace_stop();
    (void)covey_trace_flight_stop();
    return code;
}

TEST(recordings_without_a_runtime)
{
    sweep("recordings_without_a_runtime", recording_without_runtime);
}

static int return_at_once(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    return 0;
}

SWEEP_TEST(recordings)
{
    covey_group *g = NULL;
    int code = 0;

    TRY(covey_trace_start("/dev/null"));
    MAKE(g, covey_group_new(ctx));
    /* More places than a file has room for to begin with. */
    static const covey_site sites[300] = {{.name = "one", .file = "of many"}};
    for (int i = 0; i < 300; i++) {
        covey_trace_log_at(&sites[i], i);
    }
    TRY(covey_group_go(g, return_at_once, NULL));
    TRY(covey_trace_snapshot("/dev/null"));
    TRY(covey_trace_stop());
    TRY(covey_trace_flight_start(1));
    TRY(covey_trace_on_slow(1, "/dev/null"));
    covey_trace_region r = covey_trace_region_begin("slow");
    TRY(covey_sleep(ctx, COVEY_MS));
    covey_trace_region_end(&r);
    TRY(covey_trace_on_slow_end());
out:
    if (g) {
        int ended = covey_group_wait(g);
        code = code < 0 ? code : ended;
    }
    (void)covey_trace_on_slow_end();
    (void)covey_trace_stop();
    (void)covey_trace_flight_stop();
    return code;
}

SWEEP_TEST(profiles_by_signal_and_dumps)
{
    FILE *out = fopen("/dev/null", "w");
    int code = 0;

    (void)ctx;
    CHECK(out && signal(SIGUSR1, nothing_to_tell) != SIG_ERR);
    TRY(covey_profile_on_signal(SIGUSR1, "/dev/null/no-profile"));
    CHECK_EQ(raise(SIGUSR1), 0);
    TRY(covey_profile_on_signal(0, NULL));
    covey_dump(out);
    TRY(covey_dump_as(out, COVEY_DUMP_JSON));
    TRY(covey_dump_as(out, COVEY_DUMP_FOLDED));
out:
    (void)covey_profile_on_signal(0, NULL);
    (void)fclose(out);
    return code;
}

static int signal_itself(covey_ctx *ctx, void *arg)
{
    (void)arg;
    CHECK_EQ(raise(SIGUSR2), 0);
    /* The dump is made, or not: by the end of the run it is over. */
    return covey_sleep(ctx, 20 * COVEY_MS);
}

static int dump_by_signal(void)
{
    covey_options o = {.dump_signal = SIGUSR2};
    return covey_run_with(&o, signal_itself, NULL);
}

TEST(a_dump_by_signal)
{
    sweep("a_dump_by_signal", dump_by_signal);
}
