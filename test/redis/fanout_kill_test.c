/* SPDX-License-Identifier: MIT
 * fanout_kill_test.c - distributed groups whose processes are killed: workers at random while ten
 * thousand jobs run, and the coordinator.
 *
 * A foreman, forked before the runtime is up, keeps a crew of worker processes, kills one after the
 * other and starts another in its place. What handlers do is seen in memory that all share: for
 * each key an effect, which stands for the row with a unique key that a handler would write.
 * COVEY_STRESS_SCALE=10 makes it ten times as many jobs. */
#include "server.h"

#include <covey/redis_fanout.h>

#include <sys/mman.h>
#include <sys/prctl.h>

enum { CREW = 4 };

static int jobs; /* 10,000 */

static const covey_fanout_timing timing = {.beat_ns = 20 * COVEY_MS, .dead_ns = COVEY_SEC};

static struct shared {
    atomic_int runs, effects, repeated, lost;
    atomic_int killed, paused;
    atomic_bool has_effect[]; /* by key: 1, 2, ... */
} * shared;

/* ---- a worker's process ---- */

/* Takes a while on both sides of its effect, so that it is killed on both. */
static int handle(covey_ctx *ctx, covey_fanout_call *call, void *arg)
{
    int key = atoi(call->key);
    bool expected = false;

    (void)arg;
    atomic_fetch_add(&shared->runs, 1);
    int code = covey_sleep(ctx, key % 3 * COVEY_MS); /* sleeps: its work */
    if (code < 0) {
        return code;
    }
    if (atomic_compare_exchange_strong(&shared->has_effect[key], &expected, true)) {
        atomic_fetch_add(&shared->effects, 1);
    } else {
        atomic_fetch_add(&shared->repeated, 1);
    }
    code = covey_sleep(ctx, key % 5 * COVEY_MS); /* sleeps: its work */
    return code < 0 ? code : covey_fanout_reply(call, call->key, strlen(call->key) + 1);
}

static int wait_to_be_told(covey_ctx *ctx, covey_fanout_call *call, void *arg)
{
    (void)call;
    (void)arg;
    atomic_fetch_add(&shared->runs, 1);
    int code = covey_sleep(ctx, 3600 * COVEY_SEC);
    if (covey_ctx_cause(ctx) == COVEY_ELOST) {
        atomic_fetch_add(&shared->lost, 1);
    }
    return code;
}

static const covey_fanout_handler handlers[] = {
    {.name = "handle", .fn = handle},
    {.name = "wait", .fn = wait_to_be_told},
};

static const covey_redis_options patient = {.reconnect = {.base_ns = COVEY_MS,
                                                          .cap_ns = 20 * COVEY_MS,
                                                          .max_tries = COVEY_RETRY_UNLIMITED}};

static int worker_main(covey_ctx *ctx, void *arg)
{
    const struct server *s = arg;
    covey_ctx *until = covey_ctx_with_signals(ctx, (int[]){SIGTERM}, 1);
    covey_redis *r = NULL;

    OK(covey_redis_open(ctx, &r, s->url, &patient));
    covey_fanout_engine *e = covey_redis_fanout(r, &timing);
    int code = covey_fanout_serve(until, e, handlers, 2, &(covey_fanout_worker_options){.jobs = 4});
    CHECK(code == 0 || code == COVEY_ECANCELED);
    covey_fanout_engine_free(e);
    covey_redis_close(r);
    covey_ctx_unref(until);
    return 0;
}

static pid_t start_process(covey_fn *fn, struct server *s)
{
    pid_t pid = fork();

    CHECK(pid >= 0);
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        _exit(covey_run(fn, s) < 0);
    }
    return pid;
}

/* ---- the foreman's ---- */

struct foreman {
    pid_t pid;
    int hold; /* he works until it is closed */
};

/* True: so long; false: the pipe was closed. */
static bool wait_ms(int pipe, int ms)
{
    char c;

    server_wait_ms(ms);
    return read(pipe, &c, 1) < 0;
}

/* One is killed, and replaced; or is paused until it was taken for dead, and wakes up again. */
static void harm(pid_t *victim, struct server *s, bool is_pausing, int pipe)
{
    if (is_pausing) {
        CHECK_EQ(kill(*victim, SIGSTOP), 0);
        (void)wait_ms(pipe, (int)(timing.dead_ns / COVEY_MS) + 100);
        CHECK_EQ(kill(*victim, SIGCONT), 0);
        atomic_fetch_add(&shared->paused, 1);
        return;
    }
    CHECK_EQ(kill(*victim, SIGKILL), 0);
    CHECK_EQ(waitpid(*victim, NULL, 0), *victim);
    atomic_fetch_add(&shared->killed, 1);
    *victim = start_process(worker_main, s);
}

static void keep_crew(struct server *s, int pipe, bool is_harming)
{
    pid_t crew[CREW];
    unsigned turn = 0;
    int status;

    for (int i = 0; i < CREW; i++) {
        crew[i] = start_process(worker_main, s);
    }
    while (wait_ms(pipe, 40)) {
        /* The last ones are let end. */
        if (is_harming && atomic_load(&shared->effects) < jobs / 10 * 9) {
            turn++;
            harm(&crew[(turn * 2654435761u >> 16) % CREW], s, turn % 16 == 0, pipe);
        }
    }
    for (int i = 0; i < CREW; i++) {
        CHECK_EQ(kill(crew[i], SIGTERM), 0);
    }
    for (int i = 0; i < CREW; i++) {
        CHECK_EQ(waitpid(crew[i], &status, 0), crew[i]);
        /* One that was told before it could hear of it. */
        CHECK(status == 0 || (WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM));
    }
    _exit(0);
}

static struct foreman start_foreman(struct server *s, bool is_harming)
{
    struct foreman f;
    int ends[2];

    CHECK_EQ(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    f.pid = fork();
    CHECK(f.pid >= 0);
    if (f.pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)close(ends[1]);
        keep_crew(s, ends[0], is_harming);
    }
    (void)close(ends[0]);
    f.hold = ends[1];
    return f;
}

static void end_foreman(struct foreman f)
{
    int status;

    (void)close(f.hold);
    CHECK_EQ(waitpid(f.pid, &status, 0), f.pid);
    CHECK_EQ(status, 0);
}

/* ---- a coordinator's ---- */

/* Its share: of many submits at a time several go in one write. */
static int submit_some(covey_ctx *ctx, void *arg)
{
    static atomic_int next = 1;
    char key[16];

    for (int i; (i = atomic_fetch_add(&next, 1)) <= jobs;) {
        (void)snprintf(key, sizeof(key), "%d", i);
        covey_fanout_job job = {.name = "handle", .key = key};
        OK(covey_fanout_submit(ctx, arg, &job, NULL));
    }
    return 0;
}

static int submit_all(covey_ctx *ctx, void *arg)
{
    covey_group *g = covey_group_new(ctx);

    for (int i = 0; i < 8; i++) {
        GO(g, submit_some, arg);
    }
    JOIN(g);
    covey_fanout_close(arg);
    return 0;
}

static int coordinate(covey_ctx *ctx, void *arg)
{
    const struct server *s = arg;
    bool *is_home = calloc((size_t)jobs + 1, sizeof(*is_home));
    covey_fanout_stats stats;
    covey_fanout_options opts = {.with_results = true, .max_crashes = 1000, .stats = &stats};
    covey_fanout_result *result;
    covey_redis *r = NULL;
    covey_fanout *f = NULL;

    CHECK(is_home);
    OK(covey_redis_open(ctx, &r, s->url, &patient));
    covey_fanout_engine *e = covey_redis_fanout(r, &timing);
    OK(covey_fanout_open(ctx, &f, e, &opts));
    covey_group *g = covey_group_new(ctx);
    GO(g, submit_all, f);
    int count = 0;
    while (covey_chan_recv(ctx, covey_fanout_results(f), &result) == 0) {
        int key = atoi(result->key);
        CHECK_EQ(result->end, COVEY_FANOUT_DONE);
        CHECK_STR(result->data, result->key);
        CHECK(!is_home[key]);
        is_home[key] = true;
        count++;
        covey_fanout_result_free(result);
    }
    JOIN(g);
    OK(covey_fanout_wait(f));
    CHECK_EQ(count, jobs);
    CHECK_EQ(stats.done, jobs);
    CHECK_EQ(ask(ctx, r, "DBSIZE"), 0);
    fprintf(stderr, "# %d workers killed, %d paused; %llu crashes, %d runs, %d of them again\n",
            atomic_load(&shared->killed), atomic_load(&shared->paused),
            (unsigned long long)stats.crashes, atomic_load(&shared->runs),
            atomic_load(&shared->repeated));
    free(is_home);
    covey_fanout_engine_free(e);
    covey_redis_close(r);
    return 0;
}

static void share(void)
{
    jobs = turns(10000);
    size_t size = sizeof(*shared) + ((size_t)jobs + 1) * sizeof(shared->has_effect[0]);
    shared = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(shared != MAP_FAILED);
}

static int check_that_nothing_is_left(covey_ctx *ctx, void *arg)
{
    const struct server *s = arg;
    covey_redis *r = NULL;

    OK(covey_redis_open(ctx, &r, s->url, NULL));
    while (ask(ctx, r, "DBSIZE") > 0) {
        CHECK_EQ(covey_sleep(ctx, COVEY_MS), 0); /* sleeps: between looks */
    }
    covey_redis_close(r);
    return 0;
}

TEST(workers_killed_at_random_neither_lose_nor_double_an_effect)
{
    struct server s = {0};

    share();
    server_start(&s);
    struct foreman f = start_foreman(&s, true);
    CHECK_EQ(covey_run(coordinate, &s), 0);
    end_foreman(f);
    CHECK_EQ(atomic_load(&shared->effects), jobs);
    CHECK(atomic_load(&shared->runs) >= jobs + atomic_load(&shared->repeated));
    CHECK(atomic_load(&shared->killed) > 0);
    CHECK_EQ(covey_run(check_that_nothing_is_left, &s), 0);
    server_end(&s);
}

/* ---- the coordinator is killed ---- */

static int open_and_wait(covey_ctx *ctx, void *arg)
{
    const struct server *s = arg;
    covey_redis *r = NULL;
    covey_fanout *f = NULL;

    OK(covey_redis_open(ctx, &r, s->url, NULL));
    OK(covey_fanout_open(ctx, &f, covey_redis_fanout(r, &timing), NULL));
    for (int i = 0; i < 100; i++) {
        covey_fanout_job job = {.name = "wait"};
        OK(covey_fanout_submit(ctx, f, &job, NULL));
    }
    return covey_fanout_wait(f);
}

TEST(a_killed_coordinators_jobs_end_and_nothing_is_left)
{
    struct server s = {0};

    share();
    server_start(&s);
    struct foreman f = start_foreman(&s, false);
    pid_t coordinator = start_process(open_and_wait, &s);
    while (atomic_load(&shared->runs) < CREW * 4) {
        server_wait_ms(1);
    }
    CHECK_EQ(kill(coordinator, SIGKILL), 0);
    CHECK_EQ(waitpid(coordinator, NULL, 0), coordinator);
    while (atomic_load(&shared->lost) < CREW * 4) {
        server_wait_ms(1);
    }
    CHECK_EQ(covey_run(check_that_nothing_is_left, &s), 0);
    end_foreman(f);
    CHECK_EQ(atomic_load(&shared->runs), CREW * 4);
    CHECK_EQ(covey_run(check_that_nothing_is_left, &s), 0);
    server_end(&s);
}
