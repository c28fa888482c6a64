/* SPDX-License-Identifier: MIT
 * order_lease.c - the orders of one user, one at a time, wherever they run.
 *
 * Whoever works on a user's orders holds a lease on that user. It is extended while the work goes
 * on; the work runs under the lease's context, which ends if the lease is lost. That cannot reach a
 * holder that is stopped: so every lease has a token, and the ledger refuses one that is lower than
 * it has seen.
 *
 * In one process by default, whose tasks contend. --redis URL,URL,... : the lease is over those
 * servers, the orders run in --processes processes, and a holder is really killed, one really
 * stopped. */
#define _GNU_SOURCE
#include "example.h"

#include <covey/redis.h>

#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { USERS = 5, SERVERS_MAX = COVEY_REDLOCK_NODES_MAX };

static int64_t orders = 40, processes = 3, ttl_ms = 300;
static char *urls; /* NULL: no servers */

/* ---- the ledger: what must not be written late ---- */

struct account {
    uint64_t token; /* the greatest seen */
    int64_t orders, late;
    int working; /* on an order of this user */
};

static struct ledger { /* shared by the processes */
    pthread_mutex_t lock;
    struct account accounts[USERS + 1]; /* one more for the holders that fail */
    int64_t together;                   /* times that two worked on a user's orders at once */
    int64_t lost;                       /* leases that ran out while their order was worked on */
} * ledger;

static struct ledger *ledger_open(void)
{
    struct ledger *l =
        mmap(NULL, sizeof(*l), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pthread_mutexattr_t shared;

    if (l == MAP_FAILED) {
        exit(1);
    }
    pthread_mutexattr_init(&shared);
    pthread_mutexattr_setpshared(&shared, PTHREAD_PROCESS_SHARED);
    pthread_mutex_init(&l->lock, &shared);
    return l;
}

/* Whether the token is still good; counts the order if it is. */
static bool ledger_write(int user, uint64_t token)
{
    struct account *a = &ledger->accounts[user];

    pthread_mutex_lock(&ledger->lock);
    bool is_good = token >= a->token;
    a->token = is_good ? token : a->token;
    a->orders += is_good;
    a->late += !is_good;
    pthread_mutex_unlock(&ledger->lock);
    return is_good;
}

static void ledger_work(int user, int change)
{
    pthread_mutex_lock(&ledger->lock);
    ledger->accounts[user].working += change;
    ledger->together += ledger->accounts[user].working > 1;
    pthread_mutex_unlock(&ledger->lock);
}

static void ledger_lose(void)
{
    pthread_mutex_lock(&ledger->lock);
    ledger->lost++;
    pthread_mutex_unlock(&ledger->lock);
}

/* ---- the lock ---- */

struct shop {
    covey_redis *servers[SERVERS_MAX];
    size_t n;
    covey_redlock *lock;
};

static int shop_open(covey_ctx *ctx, struct shop *s)
{
    char *list = urls ? strdup(urls) : NULL, *rest = list, *url;
    int code = 0;

    while (code == 0 && (url = strsep(&rest, ",")) != NULL && s->n < SERVERS_MAX) {
        /* Lazy: a server may be down. */
        code = covey_redis_open(ctx, &s->servers[s->n], url, &(covey_redis_options){.lazy = true});
        s->n += code == 0;
    }
    free(list);
    if (code == 0) {
        s->lock = covey_redlock_new(s->servers, s->n,
                                    &(covey_redlock_options){.ttl_ns = ttl_ms * COVEY_MS});
        code = s->lock ? 0 : -EINVAL;
    }
    return code;
}

static void shop_close(struct shop *s)
{
    covey_redlock_free(s->lock);
    for (size_t i = 0; i < s->n; i++) {
        covey_redis_close(s->servers[i]);
    }
}

/* ---- orders ---- */

struct order {
    struct shop *shop;
    int user;
};

/* One try; *is_done: the ledger has it. */
static int try_order(covey_ctx *ctx, const struct order *o, bool *is_done)
{
    covey_lease *lease;
    char name[32];

    snprintf(name, sizeof(name), "user:%d", o->user);
    int code = covey_redlock_acquire(ctx, o->shop->lock, name, &lease);
    if (code < 0) {
        return code;
    }
    ledger_work(o->user, 1);
    code = covey_sleep(covey_lease_ctx(lease), COVEY_MS); /* the work */
    ledger_work(o->user, -1);
    *is_done = code == 0 && ledger_write(o->user, covey_lease_token(lease));
    if (covey_lease_release(lease) == COVEY_ELOST) { /* works when cancelled, too */
        ledger_lose();
    }
    return covey_ctx_err(ctx);
}

/* A machine that stands still for longer than the TTL loses leases: such an order is run again. */
static int run_order(covey_ctx *ctx, void *arg)
{
    bool is_done = false;
    int code = 0;

    while (code == 0 && !is_done) {
        code = try_order(ctx, arg, &is_done);
    }
    return code;
}

static int run_orders(covey_ctx *ctx, void *arg)
{
    struct shop shop = {.n = 0};
    int code = shop_open(ctx, &shop);

    (void)arg;
    if (code == 0) {
        covey_group *g = covey_group_new(ctx);
        for (int i = 0; i < orders; i++) {
            struct order o = {&shop, i % USERS};
            (void)covey_group_go_copy(g, run_order, &o, sizeof(o));
        }
        code = covey_group_wait(g);
    }
    shop_close(&shop);
    return code;
}

/* ---- holders that fail: with --redis each is a process, else a task plays it ---- */

static covey_lease *hold(covey_ctx *ctx, struct shop *shop)
{
    covey_lease *lease = NULL;

    if (covey_redlock_acquire(ctx, shop->lock, "user:5", &lease) < 0) {
        expect(false, "%s", covey_errmsg());
    }
    return lease;
}

/* Holds, is stopped by this signal, and writes when it goes on. 0: it was refused. */
static int hold_and_fail(covey_ctx *ctx, void *arg)
{
    struct shop shop = {.n = 0};
    int code = shop_open(ctx, &shop);

    if (code == 0) {
        covey_lease *lease = hold(ctx, &shop);
        raise(*(int *)arg);
        code = ledger_write(USERS, covey_lease_token(lease)) ? -EINVAL : 0;
        code = covey_lease_release(lease) == COVEY_ELOST ? code : -EINVAL;
    }
    shop_close(&shop);
    return code;
}

static pid_t fork_holder(int sig)
{
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        _exit(covey_run(hold_and_fail, &sig) == 0 ? 0 : 1);
    }
    waitpid(pid, &status, WUNTRACED); /* it is killed, or stopped */
    return pid;
}

/* The next holder's turn comes, with a greater token; it counts an order. */
static void take_over(covey_ctx *ctx, struct shop *shop, const char *what)
{
    int64_t begun = covey_now();
    covey_lease *next = hold(ctx, shop);

    expect(next && ledger_write(USERS, covey_lease_token(next)),
           "a %s holder's lease passes on by itself, here after %lld ms", what,
           (long long)example_ms(begun));
    (void)covey_lease_release(next);
}

/* A holder that is played: nobody extends its lease. */
static covey_lease *hold_alone(covey_ctx *ctx, struct shop *shop)
{
    covey_ctx *life = covey_ctx_with_cancel(ctx);
    covey_lease *lease = hold(life, shop);

    covey_ctx_cancel(life);
    covey_ctx_unref(life);
    return lease;
}

static int show_killed(covey_ctx *ctx, void *arg)
{
    struct shop shop = {.n = 0};
    int code = shop_open(ctx, &shop);

    (void)arg;
    if (code == 0) {
        covey_lease *lease = urls ? NULL : hold_alone(ctx, &shop);
        take_over(ctx, &shop, "killed");
        (void)covey_lease_release(lease);
    }
    shop_close(&shop);
    return code;
}

static int show_stopped(covey_ctx *ctx, void *arg)
{
    struct shop shop = {.n = 0};
    pid_t pid = *(pid_t *)arg;
    int code = shop_open(ctx, &shop), status = 0;

    if (code == 0) {
        covey_lease *late = urls ? NULL : hold_alone(ctx, &shop);
        take_over(ctx, &shop, "stopped");
        bool is_right;
        if (urls) {
            kill(pid, SIGCONT);
            is_right = waitpid(pid, &status, 0) == pid && status == 0;
        } else {
            is_right = !ledger_write(USERS, covey_lease_token(late));
            is_right &= covey_lease_release(late) == COVEY_ELOST;
        }
        expect(is_right, "when it goes on its lease is lost, and what it writes is refused");
    }
    shop_close(&shop);
    return code;
}

static int show_extended(covey_ctx *ctx, void *arg)
{
    struct shop shop = {.n = 0};
    int code = shop_open(ctx, &shop);

    (void)arg;
    if (code == 0) {
        covey_lease *lease = hold(ctx, &shop);
        bool is_kept = covey_sleep(covey_lease_ctx(lease), 3 * ttl_ms * COVEY_MS) == 0;
        expect(is_kept && covey_lease_release(lease) == 0,
               "work of three times the TTL keeps its lease, which is extended");
    }
    shop_close(&shop);
    return code;
}

/* ---- what it shows ---- */

static int run_processes(void)
{
    int failed = 0, status = 0;

    for (int64_t i = 0; i < processes; i++) {
        if (fork() == 0) {
            _exit(covey_run(run_orders, NULL) == 0 ? 0 : 1);
        }
    }
    while (wait(&status) > 0) {
        failed += status != 0;
    }
    return failed;
}

int main(int argc, char **argv)
{
    const struct example_option options[] = {
        {"--orders", &orders, "in each process"},
        {"--processes", &processes, "with --redis"},
        {"--ttl", &ttl_ms, "of a lease, in ms"},
    };

    if (argc > 2 && strcmp(argv[1], "--redis") == 0) {
        urls = argv[2];
        argc -= 2;
        argv += 2;
    }
    example_options(argc, argv,
                    "Runs each user's orders one at a time, under leases.\n"
                    "  --redis URL,URL,...  first: over these servers, an odd number",
                    options, 3);
    ledger = ledger_open();
    processes = urls ? processes : 1;
    printf("%lld orders of %d users in %lld processes:\n", (long long)(processes * orders), USERS,
           (long long)processes);
    fflush(stdout);
    int failed = urls ? run_processes() : covey_run(run_orders, NULL) < 0;
    int64_t done = 0;

    for (int i = 0; i < USERS; i++) {
        done += ledger->accounts[i].orders;
    }
    expect(failed == 0 && done == processes * orders, "all %lld were run", (long long)done);
    expect(ledger->together == 0 || ledger->lost > 0, "never two of one user at once under leases");

    printf("holders that fail, with a TTL of %lld ms:\n", (long long)ttl_ms);
    fflush(stdout);
    if (urls) {
        (void)fork_holder(SIGKILL);
    }
    int code = covey_run(show_killed, NULL);
    pid_t stopped = urls ? fork_holder(SIGSTOP) : 0;
    code = code < 0 ? code : covey_run(show_stopped, &stopped);
    /* Without servers its clock is one that jumps, and no machine stands still in between. */
    code = code < 0 ? code
           : urls   ? covey_run(show_extended, NULL)
                    : covey_test_run(1, show_extended, NULL);
    return example_result(code);
}
