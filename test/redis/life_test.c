/* SPDX-License-Identifier: MIT
 * life_test.c - servers that are killed, paused, stopped and started again; contexts that end; the
 * end of a handle and of the runtime, with a real server. */
#include "server.h"

#include <covey/redis.h>

static const covey_backoff patient = {
    .base_ns = COVEY_MS, .cap_ns = 20 * COVEY_MS, .max_tries = COVEY_RETRY_UNLIMITED};
static const covey_backoff hasty = {.base_ns = COVEY_MS, .cap_ns = COVEY_MS, .max_tries = 2};

/* Replies are where they belong. */
static void check_well(covey_ctx *ctx, covey_redis *r)
{
    for (int64_t i = 100; i < 110; i++) {
        CHECK_EQ(ask(ctx, r, "ECHO %lld", (long long)i), i);
    }
    CHECK_EQ(stats_of(r).pending, 0);
}

struct call {
    covey_ctx *ctx;
    covey_redis *r;
    const char *command;
    bool again;
    int code;
};

static int run_call(covey_ctx *ctx, void *arg)
{
    struct call *c = arg;

    ctx = c->ctx ? c->ctx : ctx;
    c->code = c->again ? covey_redis_command_again(ctx, c->r, NULL, c->command)
                       : covey_redis_command(ctx, c->r, NULL, c->command);
    return 0;
}

/* From a connection of its own, which stays usable: no command of others is answered for so long.
 */
static void pause_server(covey_ctx *ctx, covey_redis *r, int ms)
{
    OK(covey_redis_command(ctx, r, NULL, "CLIENT PAUSE %d ALL", ms));
}

/* Kills the server, and waits until the hang-up was heard: no command is sent to nobody. */
static void kill_and_hear(struct server *s, covey_redis *r)
{
    server_kill(s);
    while (stats_of(r).connections > 0) {
        covey_yield();
    }
}

static void await_writes(covey_redis *r, uint64_t n)
{
    while (stats_of(r).writes < n) {
        covey_yield();
    }
}

/* ---- the server goes, and comes back ---- */

REDIS_TEST_WITH(a_server_that_comes_back_is_found_again, .reconnect = patient)
{
    for (int i = 0; i < 3; i++) {
        kill_and_hear(s, r);
        server_start(s);
        check_well(ctx, r);
    }
    covey_redis_stats n = stats_of(r);
    CHECK_EQ(n.connected, 4);
    CHECK_EQ(n.lost, 3);
}

REDIS_TEST_WITH(what_waits_for_a_connection_is_not_lost_with_the_server, .reconnect = patient)
{
    covey_group *g = covey_group_new(ctx);
    struct call c = {.r = r, .command = "INCR n", .code = 1};

    kill_and_hear(s, r);
    go_waiting(g, "call", run_call, &c);
    server_start(s);
    JOIN(g);
    CHECK_EQ(c.code, 0);
    CHECK_EQ(ask(ctx, r, "GET n"), 1);
}

REDIS_TEST_WITH(without_a_server_a_command_fails_after_its_tries, .reconnect = hasty)
{
    kill_and_hear(s, r);
    CHECK_EQ(covey_redis_command(ctx, r, NULL, "PING"), -ECONNREFUSED);
    CHECK(strstr(covey_errmsg(), s->socket));
    CHECK(stats_of(r).connects_failed >= 2);
}

REDIS_TEST_WITH(what_was_sent_fails_unless_it_may_be_sent_again, .reconnect = patient)
{
    covey_group *g = covey_group_new(ctx);
    struct call once = {.r = r, .command = "SET once 1", .code = 1};
    struct call again = {.r = r, .command = "SET again 1", .again = true, .code = 1};

    pause_server(ctx, r, 100000);
    go_waiting(g, "once", run_call, &once);
    await_writes(r, 3); /* PING, CLIENT PAUSE, and this */
    go_waiting(g, "again", run_call, &again);
    await_writes(r, 4);
    server_kill(s);
    server_start(s);
    JOIN(g);
    CHECK_EQ(once.code, -ECONNRESET);
    CHECK_EQ(again.code, 0);
    CHECK_EQ(ask(ctx, r, "EXISTS once"), 0);
    CHECK_EQ(ask(ctx, r, "EXISTS again"), 1);
    CHECK_EQ(stats_of(r).resent, 1);
}

struct counting {
    covey_redis *r;
    atomic_int done, unknown;
    atomic_bool is_over;
};

static int count_up(covey_ctx *ctx, void *arg)
{
    struct counting *c = arg;

    for (int i = 0; i < 200; i++) {
        int code = covey_redis_command(ctx, c->r, NULL, "INCR n");
        CHECK(code == 0 || code == -ECONNRESET);
        atomic_fetch_add(code == 0 ? &c->done : &c->unknown, 1);
    }
    return 0;
}

static int kill_clients(covey_ctx *ctx, void *arg)
{
    struct counting *c = arg;
    covey_redis *own;

    OK(covey_redis_own(ctx, c->r, &own));
    while (!atomic_load(&c->is_over)) {
        OK(covey_redis_command(ctx, own, NULL, "CLIENT KILL TYPE normal SKIPME yes"));
        OK(covey_sleep(ctx, 2 * COVEY_MS)); /* sleeps: some commands go through between two */
    }
    covey_redis_close(own);
    return 0;
}

REDIS_TEST_WITH(killed_connections_neither_lose_nor_double_what_was_answered, .reconnect = patient)
{
    covey_group *g = covey_group_new(ctx), *killer = covey_group_new(ctx);
    struct counting c = {.r = r};

    GO(killer, kill_clients, &c);
    for (int i = 0; i < 50; i++) {
        GO(g, count_up, &c);
    }
    JOIN(g);
    atomic_store(&c.is_over, true);
    JOIN(killer);
    int64_t n = ask(ctx, r, "GET n");
    CHECK_EQ(atomic_load(&c.done) + atomic_load(&c.unknown), 10000);
    CHECK(n >= atomic_load(&c.done) && n <= 10000);
    CHECK(stats_of(r).lost > 0);
    check_well(ctx, r);
}

/* ---- time ---- */

REDIS_TEST(a_deadline_leaves_the_connection_and_its_order_alone)
{
    for (int i = 0; i < 5; i++) {
        server_signal(s, SIGSTOP);
        covey_ctx *soon = covey_ctx_with_timeout(ctx, 10 * COVEY_MS);
        CHECK_EQ(covey_redis_command(soon, r, NULL, "ECHO wrong"), COVEY_EDEADLINE);
        covey_ctx_unref(soon);
        server_signal(s, SIGCONT);
        check_well(ctx, r);
    }
    CHECK(stats_of(r).abandoned <= 5); /* a busy machine did not get to send some */
    CHECK_EQ(stats_of(r).connected, 1);
}

REDIS_TEST(a_command_that_was_sent_is_abandoned_and_its_reply_read)
{
    for (int i = 0; i < 5; i++) {
        struct call c = {.r = r, .command = "ECHO wrong"};
        covey_group *g = covey_group_new(ctx);
        uint64_t before = stats_of(r).writes;

        server_signal(s, SIGSTOP);
        GO(g, run_call, &c);
        await_writes(r, before + 1);
        covey_group_cancel(g, 0);
        JOIN(g);
        CHECK_EQ(c.code, COVEY_ECANCELED);
        server_signal(s, SIGCONT);
        check_well(ctx, r);
    }
    CHECK_EQ(stats_of(r).abandoned, 5);
    CHECK_EQ(stats_of(r).connected, 1);
}

REDIS_TEST(a_context_that_is_done_sends_nothing)
{
    covey_ctx *done = done_ctx(COVEY_ECANCELED);

    CHECK_EQ(covey_redis_command(done, r, NULL, "SET k 1"), COVEY_ECANCELED);
    covey_ctx_unref(done);
    CHECK_EQ(ask(ctx, r, "EXISTS k"), 0);
    CHECK_EQ(stats_of(r).abandoned, 0);
}

struct impatient {
    covey_redis *r;
    int number;
};

static int give_up_often(covey_ctx *ctx, void *arg)
{
    const struct impatient *m = arg;

    for (int i = 0; i < 40; i++) {
        covey_ctx *soon = covey_ctx_with_timeout(ctx, (m->number * 37 + i * 11) % 300 * COVEY_US);
        covey_redis_reply *reply = NULL;
        int64_t n = 0;
        int code = covey_redis_command(soon, m->r, &reply, "ECHO %d", m->number * 100 + i);
        CHECK(code == 0 || code == COVEY_EDEADLINE);
        if (code == 0) {
            CHECK_EQ(covey_redis_int(reply, &n), 0);
            CHECK_EQ(n, m->number * 100 + i);
        }
        covey_redis_reply_free(reply);
        covey_ctx_unref(soon);
    }
    return 0;
}

REDIS_TEST(hundreds_that_give_up_shift_nobodys_reply)
{
    covey_group *g = covey_group_new(ctx);

    for (int i = 0; i < 200; i++) {
        struct impatient m = {r, i};
        CHECK_EQ(covey_group_go_copy(g, give_up_often, &m, sizeof(m)), 0);
    }
    JOIN(g);
    check_well(ctx, r);
    CHECK_EQ(stats_of(r).connected, 1);
}

REDIS_TEST_WITH(a_server_that_falls_silent_is_given_up, .silence_ns = 1500 * COVEY_MS,
                .reconnect = patient)
{
    server_signal(s, SIGSTOP);
    CHECK_EQ(covey_redis_command(ctx, r, NULL, "PING"), -ETIMEDOUT);
    CHECK_STR(covey_errmsg(), "redis: no reply in time");
    server_signal(s, SIGCONT);
    check_well(ctx, r);
    CHECK_EQ(stats_of(r).lost, 1);
}

REDIS_TEST_WITH(a_server_that_cannot_greet_is_no_connection, .connect_timeout_ns = COVEY_SEC,
                .lazy = true, .reconnect = hasty)
{
    server_signal(s, SIGSTOP);
    CHECK_EQ(covey_redis_command(ctx, r, NULL, "PING"), -ETIMEDOUT);
    server_signal(s, SIGCONT);
    check_well(ctx, r);
}

/* ---- ends ---- */

static int close_under_waiters(covey_ctx *ctx, void *arg)
{
    const struct server *s = arg;
    covey_group *g = covey_group_new(ctx);
    struct call calls[3] = {
        {.command = "PING"}, {.command = "PING", .again = true}, {.command = "BLPOP list 0"}};
    covey_redis *r, *own;

    OK(covey_redis_open(ctx, &r, s->url, NULL));
    OK(covey_redis_own(ctx, r, &own));
    pause_server(ctx, r, 100000);
    for (int i = 0; i < 3; i++) {
        calls[i].r = i == 2 ? own : r;
        go_waiting_nth(g, "call", i, run_call, &calls[i]);
    }
    covey_redis_close(r);
    JOIN(g);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(calls[i].code, COVEY_ECLOSED);
    }
    covey_redis_close(own);
    return 0;
}

TEST(a_close_wakes_whoever_waits)
{
    struct server s = {0};

    server_start(&s);
    int fds = count_fds();
    COVEY_NO_LEAKS
    {
        CHECK_EQ(covey_run(close_under_waiters, &s), 0);
    }
    CHECK_EQ(count_fds(), fds);
    server_end(&s);
}

struct left {
    struct server server;
    covey_redis *r, *own;
    struct call call;
};

static int leave_open(covey_ctx *ctx, void *arg)
{
    struct left *l = arg;

    OK(covey_redis_open(ctx, &l->r, l->server.url, NULL));
    OK(covey_redis_own(ctx, l->r, &l->own));
    pause_server(ctx, l->r, 100000);
    l->call = (struct call){.r = l->r, .command = "PING", .code = 1};
    l->call.ctx = covey_ctx_background();
    OK(covey_go(run_call, &l->call));
    await_waiting("run_call");
    return 0;
}

TEST(the_runtimes_end_ends_what_waits_and_leaves_the_handle_to_be_closed)
{
    struct left l = {0};

    server_start(&l.server);
    int fds = count_fds();
    CHECK_EQ(covey_run(leave_open, &l), 0);
    CHECK_EQ(l.call.code, COVEY_ECLOSED);
    CHECK_EQ(covey_redis_command(NULL, l.r, NULL, "PING"), COVEY_ECLOSED);
    CHECK_EQ(covey_redis_command(NULL, l.own, NULL, "PING"), COVEY_ECLOSED);
    covey_redis_close(l.r);
    covey_redis_close(l.own);
    CHECK_EQ(count_fds(), fds);
    server_end(&l.server);
}

static int open_nowhere(covey_ctx *ctx, void *arg)
{
    static const char *const wrong[] = {"",
                                        "http://x",
                                        "redis://",
                                        "redis://host:0",
                                        "redis://h:70000",
                                        "redis://u@h",
                                        "redis://h/x",
                                        "unix://relative",
                                        "redis://h?timeout=1",
                                        "redis://:p%zz@h"};
    covey_redis *r = NULL;

    (void)arg;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        CHECK_EQ(covey_redis_open(ctx, &r, wrong[i], NULL), -EINVAL);
    }
    CHECK_EQ(covey_redis_open(ctx, &r, "rediss://localhost", NULL), -ENOTSUP);
    CHECK_EQ(covey_redis_open(ctx, &r, "redis://h", &(covey_redis_options){.connections = -1}),
             -EINVAL);
    covey_redis_options opts = {.reconnect = hasty};
    CHECK_EQ(covey_redis_open(ctx, &r, "unix:///nowhere/s", &opts), -ENOENT);
    CHECK(!r);
    opts.lazy = true;
    OK(covey_redis_open(ctx, &r, "unix:///nowhere/s", &opts));
    CHECK_EQ(covey_redis_command(ctx, r, NULL, "PING"), -ENOENT);
    covey_redis_close(r);
    covey_redis_close(NULL);
    return 0;
}

TEST(an_open_without_a_server_says_why)
{
    CHECK_EQ(covey_run(open_nowhere, NULL), 0);
    covey_redis *r = NULL;
    CHECK_EQ(covey_redis_open(NULL, &r, "redis://127.0.0.1", NULL), COVEY_ECLOSED);
}
