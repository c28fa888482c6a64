/* SPDX-License-Identifier: MIT
 * lease_test.c - leases over five Redis servers that are killed, paused, stopped and emptied, and
 * over processes that are stopped for longer than a lease lasts. COVEY_STRESS_SCALE=10 makes it ten
 * times as long. */
#include "server.h"

#include <covey/lock.h>
#include <covey/redis.h>
#include <pthread.h>
#include <sys/mman.h>

enum { NODES = 5 };

struct five {
    struct server servers[NODES];
    covey_redis *nodes[NODES];
    covey_redlock *rl;
    void (*body)(covey_ctx *ctx, struct five *f);
};

/* Long enough for a machine that has much else to do. */
static const int64_t ttl = (WITH_TSAN || WITH_ASAN ? 1500 : 600) * COVEY_MS;

static void five_open(covey_ctx *ctx, struct five *f, int64_t extend_every_ns)
{
    covey_redis_options opts = {.lazy = true,
                                .reconnect = {.base_ns = 5 * COVEY_MS, .cap_ns = 50 * COVEY_MS}};

    for (int i = 0; i < NODES; i++) {
        OK(covey_redis_open(ctx, &f->nodes[i], f->servers[i].url, &opts));
    }
    f->rl = covey_redlock_new(
        f->nodes, NODES,
        &(covey_redlock_options){.ttl_ns = ttl,
                                 .node_timeout_ns = ttl / 3,
                                 .extend_every_ns = extend_every_ns,
                                 .retry = {.base_ns = 2 * COVEY_MS, .cap_ns = 30 * COVEY_MS}});
    CHECK(f->rl);
}

static void five_close(struct five *f)
{
    covey_redlock_free(f->rl);
    for (int i = 0; i < NODES; i++) {
        covey_redis_close(f->nodes[i]);
    }
}

static int five_main(covey_ctx *ctx, void *arg)
{
    struct five *f = arg;

    five_open(ctx, f, 0);
    f->body(ctx, f);
    five_close(f);
    return 0;
}

static void five_start(struct five *f)
{
    for (int i = 0; i < NODES; i++) {
        server_start(&f->servers[i]);
    }
}

static void five_end(struct five *f)
{
    for (int i = 0; i < NODES; i++) {
        server_end(&f->servers[i]);
    }
}

#define FIVE_TEST(name)                                                                            \
    static void name##_body(covey_ctx *ctx, struct five *f);                                       \
    TEST(name)                                                                                     \
    {                                                                                              \
        struct five f = {.body = name##_body};                                                     \
        five_start(&f);                                                                            \
        CHECK_EQ(covey_run(five_main, &f), 0);                                                     \
        five_end(&f);                                                                              \
    }                                                                                              \
    static void name##_body(covey_ctx *ctx, struct five *f)

/* How many servers have the key. */
static int64_t count_holding(covey_ctx *ctx, struct five *f, const char *key)
{
    int64_t n = 0;

    for (int i = 0; i < NODES; i++) {
        n += ask(ctx, f->nodes[i], "EXISTS %s", key);
    }
    return n;
}

FIVE_TEST(a_lease_is_on_all_servers_and_gone_after_its_release)
{
    covey_lease *l = NULL, *other = NULL;
    uint64_t last = 0;

    for (int i = 0; i < 5; i++) {
        OK(covey_redlock_acquire(ctx, f->rl, "orders:7", &l));
        CHECK(covey_lease_token(l) > last);
        last = covey_lease_token(l);
        CHECK_EQ(covey_redlock_try_acquire(ctx, f->rl, "orders:7", &other), COVEY_EAGAIN);
        CHECK(count_holding(ctx, f, "covey:lock:orders:7") >= 3);
        OK(covey_lease_release(l));
        CHECK_EQ(count_holding(ctx, f, "covey:lock:orders:7"), 0);
    }
    CHECK(ask(ctx, f->nodes[0], "PTTL covey:lock:orders:7:token") > 0);
}

FIVE_TEST(a_lease_outlives_its_time_on_the_servers_and_two_of_them)
{
    covey_lease *l = NULL;

    OK(covey_redlock_acquire(ctx, f->rl, "x", &l));
    server_kill(&f->servers[0]);
    server_kill(&f->servers[3]);
    CHECK_EQ(covey_sleep(covey_lease_ctx(l), 2 * ttl), 0);
    server_start(&f->servers[0]); /* empty; it is told again */
    CHECK_EQ(covey_sleep(covey_lease_ctx(l), ttl), 0);
    CHECK_EQ(ask(ctx, f->nodes[0], "EXISTS covey:lock:x"), 1);
    OK(covey_lease_release(l));
    OK(covey_redlock_acquire(ctx, f->rl, "x", &l));
    OK(covey_lease_release(l));
}

FIVE_TEST(without_a_majority_a_lease_is_lost_and_none_is_to_be_had)
{
    covey_ctx *soon = covey_ctx_with_timeout(ctx, 60 * COVEY_SEC);
    covey_lease *l = NULL, *other = NULL;

    OK(covey_redlock_acquire(ctx, f->rl, "x", &l));
    for (int i = 0; i < 3; i++) {
        server_kill(&f->servers[i]);
    }
    CHECK_EQ(covey_sleep(covey_lease_ctx(l), 60 * COVEY_SEC), COVEY_ECANCELED);
    CHECK_EQ(covey_ctx_cause(covey_lease_ctx(l)), COVEY_ELOST);
    CHECK_EQ(covey_lease_release(l), COVEY_ELOST);
    CHECK_EQ(covey_redlock_try_acquire(ctx, f->rl, "x", &other), -ENOTCONN);
    server_start(&f->servers[1]);
    OK(covey_redlock_acquire(soon, f->rl, "x", &other));
    OK(covey_lease_release(other));
    covey_ctx_unref(soon);
}

FIVE_TEST(paused_and_stopped_servers_do_not_hold_it_up)
{
    covey_lease *l = NULL;

    OK(covey_redis_command(ctx, f->nodes[1], NULL, "CLIENT PAUSE 100000 ALL"));
    server_signal(&f->servers[4], SIGSTOP);
    for (int i = 0; i < 5; i++) {
        OK(covey_redlock_acquire(ctx, f->rl, "x", &l));
        OK(covey_lease_release(l));
    }
    OK(covey_redlock_acquire(ctx, f->rl, "x", &l));
    CHECK_EQ(covey_sleep(covey_lease_ctx(l), ttl), 0);
    OK(covey_lease_release(l));
    server_signal(&f->servers[4], SIGCONT);
}

FIVE_TEST(emptied_servers_are_told_of_a_lease_again_and_tokens_still_grow)
{
    covey_lease *l = NULL, *thief = NULL;

    OK(covey_redlock_acquire(ctx, f->rl, "x", &l));
    for (int i = 0; i < NODES; i++) {
        OK(covey_redis_command(ctx, f->nodes[i], NULL, "FLUSHALL"));
    }
    OK(covey_lease_extend(ctx, l)); /* nobody was quicker */
    CHECK(count_holding(ctx, f, "covey:lock:x") >= 3);
    for (int i = 0; i < NODES; i++) {
        OK(covey_redis_command(ctx, f->nodes[i], NULL, "FLUSHALL"));
    }
    OK(covey_redlock_try_acquire(ctx, f->rl, "x", &thief));
    CHECK(covey_lease_token(thief) > covey_lease_token(l));
    CHECK_EQ(covey_sleep(covey_lease_ctx(l), 60 * COVEY_SEC), COVEY_ECANCELED);
    CHECK_EQ(covey_lease_release(l), COVEY_ELOST);
    OK(covey_lease_release(thief));
}

static int acquire_for_ever(covey_ctx *ctx, void *arg)
{
    struct five *f = arg;
    covey_lease *l = NULL;

    CHECK_EQ(covey_redlock_acquire(ctx, f->rl, "x", &l), COVEY_ECANCELED);
    return 0;
}

FIVE_TEST(a_cancelled_acquisition_leaves_nothing_behind)
{
    covey_lease *l = NULL;

    covey_ctx *soon = covey_ctx_with_timeout(ctx, 20 * COVEY_MS);
    OK(covey_redlock_acquire(ctx, f->rl, "x", &l));
    CHECK_EQ(covey_redlock_acquire(soon, f->rl, "x", &l), COVEY_EDEADLINE);
    covey_ctx_unref(soon);
    for (int i = 0; i < 20; i++) {
        covey_group *g = covey_group_new(ctx);
        GO(g, acquire_for_ever, f);
        for (int turns = 0; turns < i * 20; turns++) {
            covey_yield();
        }
        covey_group_cancel(g, 0);
        JOIN(g);
    }
    OK(covey_lease_release(l));
    CHECK_EQ(count_holding(ctx, f, "covey:lock:x"), 0);
}

/* ---- processes ---- */

/* What the lease guards: shared memory, that checks tokens. */
struct resource {
    pthread_mutex_t mutex;
    uint64_t token; /* the greatest seen */
    int64_t value;
    int64_t late;          /* refused */
    atomic_int holder;     /* a process that has just acquired */
    atomic_bool is_over;   /* the trouble */
    atomic_llong written;  /* successes, by their own account */
    atomic_llong acquired; /* leases */
    atomic_llong lost;     /* of them, by the time of their release */
};

static struct resource *resource_new(void)
{
    struct resource *s =
        mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pthread_mutexattr_t shared;

    CHECK(s != MAP_FAILED);
    CHECK_EQ(pthread_mutexattr_init(&shared), 0);
    CHECK_EQ(pthread_mutexattr_setpshared(&shared, PTHREAD_PROCESS_SHARED), 0);
    CHECK_EQ(pthread_mutex_init(&s->mutex, &shared), 0);
    return s;
}

/* Reads, or writes if value is not NULL's; false: a later token was here. */
static bool resource_use(struct resource *s, uint64_t token, int64_t *read, const int64_t *write)
{
    CHECK_EQ(pthread_mutex_lock(&s->mutex), 0);
    bool is_late = token < s->token;
    if (is_late) {
        s->late++;
    } else {
        s->token = token;
        s->value = write ? *write : s->value;
        *read = s->value;
    }
    CHECK_EQ(pthread_mutex_unlock(&s->mutex), 0);
    return !is_late;
}

struct process {
    struct five *five;
    struct resource *resource;
    int turns;
};

/* Reads, takes its time, writes one more. It does not look at its lease in between: the resource
 * must do. */
static void count_once(covey_ctx *ctx, struct process *p)
{
    struct resource *s = p->resource;
    covey_lease *l = NULL;
    int64_t value = 0;

    OK(covey_redlock_acquire(ctx, p->five->rl, "counter", &l));
    atomic_fetch_add(&s->acquired, 1);
    uint64_t token = covey_lease_token(l);
    atomic_store(&s->holder, getpid());
    bool is_read = resource_use(s, token, &value, NULL);
    if (token % 8 == 0) {
        (void)covey_sleep(ctx, 2 * COVEY_MS); /* sleeps: to be caught in the middle */
    }
    int64_t more = value + 1;
    if (is_read && resource_use(s, token, &value, &more)) {
        atomic_fetch_add(&s->written, 1);
    }
    atomic_store(&s->holder, 0);
    if (covey_lease_release(l) == COVEY_ELOST) {
        atomic_fetch_add(&s->lost, 1);
    }
}

static int count_main(covey_ctx *ctx, void *arg)
{
    struct process *p = arg;

    five_open(ctx, p->five, 0);
    for (int i = 0; i < p->turns || !atomic_load(&p->resource->is_over); i++) {
        count_once(ctx, p);
    }
    five_close(p->five);
    return 0;
}

static pid_t go_process(struct process *p, covey_fn *fn)
{
    pid_t pid = fork();

    CHECK(pid >= 0);
    if (pid == 0) {
        _exit(covey_run(fn, p) == 0 ? 0 : 1);
    }
    return pid;
}

/* One trouble a round: a stopped process, most often the holder; a stopped, a paused, an emptied
 * server; once all of them emptied, when two may hold it at once and the tokens alone tell. */
static int make_trouble(covey_ctx *ctx, void *arg)
{
    struct process *p = arg;
    struct five *f = p->five;

    five_open(ctx, f, 0);
    for (int round = 0; round < turns(8); round++) {
        int i = round % NODES;
        int holder = 0;
        for (int look = 0; look < 2000 && holder == 0; look++) {
            holder = atomic_load(&p->resource->holder);
            covey_yield();
        }
        bool stops = round % 2 == 0 && holder > 0 && kill(holder, SIGSTOP) == 0;
        switch (round % 4) {
        case 0:
            (void)covey_redis_command(ctx, f->nodes[i], NULL, "CLIENT PAUSE 50 ALL");
            break;
        case 1:
            server_signal(&f->servers[i], SIGSTOP);
            break;
        case 2:
            (void)covey_redis_command(ctx, f->nodes[i], NULL, "FLUSHALL");
            break;
        default:
            for (int k = 0; k < NODES; k++) {
                (void)covey_redis_command(ctx, f->nodes[k], NULL, "FLUSHALL");
            }
        }
        OK(covey_sleep(ctx, stops ? ttl + 50 * COVEY_MS : 50 * COVEY_MS)); /* sleeps: beyond it */
        if (stops) {
            (void)kill(holder, SIGCONT);
        }
        server_signal(&f->servers[i], SIGCONT);
    }
    atomic_store(&p->resource->is_over, true);
    five_close(f);
    return 0;
}

TEST(a_guarded_counter_is_right_whatever_happens_to_processes_and_servers)
{
    enum { PROCESSES = 4 };
    struct five f = {.body = NULL};
    struct process p = {&f, resource_new(), turns(WITH_TSAN || WITH_ASAN ? 100 : 500)};
    pid_t pids[PROCESSES];

    five_start(&f);
    for (int i = 0; i < PROCESSES; i++) {
        pids[i] = go_process(&p, count_main);
    }
    CHECK_EQ(covey_run(make_trouble, &p), 0);
    for (int i = 0; i < PROCESSES; i++) {
        int status = 0;
        CHECK_EQ(waitpid(pids[i], &status, 0), pids[i]);
        CHECK_EQ(status, 0);
    }
    struct resource *s = p.resource;
    fprintf(stderr, "# %lld leases, %lld lost, %lld late uses refused, %lld written\n",
            (long long)atomic_load(&s->acquired), (long long)atomic_load(&s->lost),
            (long long)s->late, (long long)atomic_load(&s->written));
    CHECK(atomic_load(&s->acquired) >= (long long)p.turns * PROCESSES);
    CHECK_EQ(s->value, atomic_load(&s->written));
    five_end(&f);
}

/* A child that acquires, is stopped, and writes late. */
static int hold_and_write_late(covey_ctx *ctx, void *arg)
{
    struct process *p = arg;
    struct resource *s = p->resource;
    int64_t value = 0, more = 1000;
    covey_lease *l = NULL;

    five_open(ctx, p->five, 0);
    OK(covey_redlock_acquire(ctx, p->five->rl, "counter", &l));
    CHECK(resource_use(s, covey_lease_token(l), &value, NULL));
    atomic_store(&s->holder, getpid());
    while (atomic_load(&s->holder) != 0) { /* here it is stopped */
    }
    CHECK(!resource_use(s, covey_lease_token(l), &value, &more));
    CHECK_EQ(covey_lease_left(l), 0); /* a look at the clock, before any timer ran */
    CHECK_EQ(covey_lease_release(l), COVEY_ELOST);
    five_close(p->five);
    return 0;
}

static int take_over(covey_ctx *ctx, void *arg)
{
    struct process *p = arg;
    struct resource *s = p->resource;
    int64_t value = 0, more = 7;
    covey_lease *l = NULL;
    int pid;

    five_open(ctx, p->five, 0);
    while ((pid = atomic_load(&s->holder)) == 0) {
        covey_yield();
    }
    CHECK_EQ(kill(pid, SIGSTOP), 0);
    int64_t begun = covey_now();
    OK(covey_redlock_acquire(ctx, p->five->rl, "counter", &l));
    CHECK(covey_now() - begun > ttl / 2); /* not before its time */
    CHECK(resource_use(s, covey_lease_token(l), &value, NULL));
    CHECK(resource_use(s, covey_lease_token(l), &value, &more));
    atomic_store(&s->holder, 0);
    CHECK_EQ(kill(pid, SIGCONT), 0);
    OK(covey_lease_release(l));
    five_close(p->five);
    return 0;
}

TEST(a_holder_that_was_stopped_cannot_write_late)
{
    struct five f = {.body = NULL};
    struct process p = {&f, resource_new(), 0};
    int status = 0;

    five_start(&f);
    pid_t pid = go_process(&p, hold_and_write_late);
    CHECK_EQ(covey_run(take_over, &p), 0);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
    CHECK_EQ(p.resource->value, 7);
    five_end(&f);
}
