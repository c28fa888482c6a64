/* SPDX-License-Identifier: MIT
 * proxy_test.c - a real server behind a proxy that stops, or hangs up, after a given number of
 * bytes of either direction: contexts that end, and connections that are cut, in every state of a
 * command. */
#include "server.h"

#include <covey/net.h>
#include <covey/redis.h>

#define ENDLESS (INT64_C(1) << 40)

enum way { TO_SERVER, TO_CLIENT };

struct proxy {
    covey_listener *listener;
    char url[COVEY_ADDR_SIZE], target[80];
    bool cuts;            /* else it stops, until it is let go */
    atomic_llong left[2]; /* bytes until then */
    atomic_bool has_stopped[2];
    atomic_int connections;
};

struct way_of {
    struct proxy *p;
    covey_conn *from, *to;
    enum way way;
};

/* How many of n may pass now; 0: it is to be cut. Waits while it is stopped. */
static size_t admit(covey_ctx *ctx, struct proxy *p, enum way way, size_t n)
{
    long long left;

    while ((left = atomic_load(&p->left[way])) <= 0) {
        atomic_store(&p->has_stopped[way], true);
        if (p->cuts || covey_sleep(ctx, 100 * COVEY_US) < 0) { /* sleeps: polls for the test */
            return 0;
        }
    }
    size_t some = (long long)n < left ? n : (size_t)left;
    atomic_fetch_sub(&p->left[way], (long long)some);
    return some;
}

static int copy(covey_ctx *ctx, void *arg)
{
    struct way_of *w = arg;
    char buf[4096];
    ssize_t n;

    while ((n = covey_read(ctx, w->from, buf, sizeof(buf))) > 0) {
        for (size_t done = 0; done < (size_t)n;) {
            size_t some = admit(ctx, w->p, w->way, (size_t)n - done);
            if (some == 0 || covey_write(ctx, w->to, buf + done, some) < 0) {
                n = -1;
                break;
            }
            done += some;
        }
        if (n < 0) {
            break;
        }
    }
    covey_conn_abort(w->from);
    covey_conn_abort(w->to);
    return 0;
}

static int relay(covey_ctx *ctx, void *arg)
{
    struct way_of up = *(struct way_of *)arg;
    covey_group *g = covey_group_new(ctx);

    if (covey_dial(ctx, &up.to, up.p->target) == 0) {
        struct way_of down = {up.p, up.to, up.from, TO_CLIENT};
        GO(g, copy, &up);
        GO(g, copy, &down);
        JOIN(g);
        covey_close(up.to);
    } else {
        JOIN(g);
    }
    covey_close(up.from);
    return 0;
}

static int accept_all(covey_ctx *ctx, void *arg)
{
    struct proxy *p = arg;
    covey_group *g = covey_group_new(ctx);
    struct way_of w = {.p = p};

    while (covey_accept(ctx, p->listener, &w.from) == 0) {
        atomic_fetch_add(&p->connections, 1);
        CHECK_EQ(covey_group_go_copy(g, relay, &w, sizeof(w)), 0);
    }
    covey_group_cancel(g, 0);
    JOIN(g);
    return 0;
}

static void proxy_start(covey_group *g, struct proxy *p, const struct server *s)
{
    (void)snprintf(p->target, sizeof(p->target), "unix://%s", s->socket);
    OK(covey_listen(&p->listener, "tcp://127.0.0.1:0", NULL));
    (void)snprintf(p->url, sizeof(p->url), "redis://%s",
                   covey_listener_addr(p->listener) + strlen("tcp://"));
    atomic_store(&p->left[TO_SERVER], ENDLESS);
    atomic_store(&p->left[TO_CLIENT], ENDLESS);
    GO(g, accept_all, p);
}

static void proxy_end(covey_group *g, struct proxy *p)
{
    covey_group_cancel(g, 0);
    JOIN(g);
    covey_listener_close(p->listener);
}

static void stop_after(struct proxy *p, enum way way, long long n)
{
    atomic_store(&p->has_stopped[way], false);
    atomic_store(&p->left[way], n);
}

static void let_go(struct proxy *p)
{
    atomic_store(&p->left[TO_SERVER], ENDLESS);
    atomic_store(&p->left[TO_CLIENT], ENDLESS);
}

static void await_stop(struct proxy *p, enum way way)
{
    while (!atomic_load(&p->has_stopped[way])) {
        covey_yield();
    }
}

struct call {
    covey_redis *r;
    int code;
};

/* A command of 31 bytes, a reply of 5. */
static int count_up(covey_ctx *ctx, void *arg)
{
    struct call *c = arg;
    covey_redis_reply *reply = NULL;

    c->code = covey_redis_command(ctx, c->r, &reply, "INCRBY n 10");
    covey_redis_reply_free(reply);
    return 0;
}

enum { COMMAND = 31, REPLY = 5 };

/* Cancels a command on r once the proxy has let n bytes pass one way. */
static int cancel_after(covey_ctx *ctx, struct proxy *p, covey_redis *r, enum way way, int n)
{
    covey_group *g = covey_group_new(ctx);
    struct call c = {r, 1};

    stop_after(p, way, n);
    GO(g, count_up, &c);
    await_stop(p, way);
    covey_group_cancel(g, 0);
    JOIN(g);
    let_go(p);
    return c.code;
}

static void check_well(covey_ctx *ctx, covey_redis *r)
{
    for (int64_t i = 100; i < 105; i++) {
        CHECK_EQ(ask(ctx, r, "ECHO %lld", (long long)i), i);
    }
}

REDIS_TEST(a_command_cancelled_in_any_state_shifts_no_reply)
{
    covey_group *g = covey_group_new(ctx);
    struct proxy p = {.cuts = false};
    covey_redis *far = NULL;

    proxy_start(g, &p, s);
    OK(covey_redis_open(ctx, &far, p.url, NULL));
    for (int n = 0; n < COMMAND; n++) { /* on its way */
        CHECK_EQ(cancel_after(ctx, &p, far, TO_SERVER, n), COVEY_ECANCELED);
        check_well(ctx, far);
    }
    CHECK_EQ(ask(ctx, r, "GET n"), 10 * COMMAND); /* sent, so it took effect */
    for (int n = 0; n < REPLY; n++) {             /* the answer is */
        CHECK_EQ(cancel_after(ctx, &p, far, TO_CLIENT, n), COVEY_ECANCELED);
        check_well(ctx, far);
    }
    CHECK_EQ(atomic_load(&p.connections), 1);
    CHECK_EQ(stats_of(far).abandoned, COMMAND + REPLY);
    covey_redis_close(far);
    proxy_end(g, &p);
}

REDIS_TEST(a_command_cancelled_in_any_state_ends_a_connection_of_ones_own)
{
    covey_group *g = covey_group_new(ctx);
    struct proxy p = {.cuts = false};
    covey_redis *far = NULL, *own = NULL;

    proxy_start(g, &p, s);
    OK(covey_redis_open(ctx, &far, p.url, NULL));
    for (int n = 0; n < COMMAND + REPLY; n += 3) {
        enum way way = n < COMMAND ? TO_SERVER : TO_CLIENT;
        OK(covey_redis_own(ctx, far, &own));
        CHECK_EQ(cancel_after(ctx, &p, own, way, n < COMMAND ? n : n - COMMAND), COVEY_ECANCELED);
        CHECK_EQ(covey_redis_command(ctx, own, NULL, "PING"), -ECONNRESET);
        covey_redis_close(own);
    }
    OK(covey_redis_own(ctx, far, &own));
    check_well(ctx, own);
    covey_redis_close(own);
    covey_redis_close(far);
    proxy_end(g, &p);
}

#define BIG ((size_t)16 << 20)

static int set_big(covey_ctx *ctx, void *arg)
{
    struct call *c = arg;
    const char *argv[] = {"SET", "big", calloc(1, BIG)};
    const size_t lens[] = {3, 3, BIG};

    CHECK(argv[2]);
    c->code = covey_redis_commandv(ctx, c->r, NULL, 3, argv, lens);
    free((char *)argv[2]);
    return 0;
}

/* A command so large that it fills all buffers on the way, cancelled in the middle of its write. */
static void leave_half_sent(covey_ctx *ctx, struct proxy *p, covey_redis *r)
{
    covey_group *g = covey_group_new(ctx);
    struct call c = {r, 1};

    stop_after(p, TO_SERVER, 100000);
    GO(g, set_big, &c);
    await_stop(p, TO_SERVER);
    covey_group_cancel(g, 0);
    JOIN(g);
    CHECK_EQ(c.code, COVEY_ECANCELED);
    CHECK_EQ(stats_of(r).abandoned, 1);
}

REDIS_TEST(a_command_cancelled_while_it_is_written_is_written_to_its_end)
{
    covey_group *g = covey_group_new(ctx);
    struct proxy p = {.cuts = false};
    covey_redis *far = NULL;

    proxy_start(g, &p, s);
    OK(covey_redis_open(ctx, &far, p.url, NULL));
    leave_half_sent(ctx, &p, far);
    let_go(&p);
    check_well(ctx, far);
    CHECK_EQ(ask(ctx, r, "STRLEN big"), (int64_t)BIG);
    CHECK_EQ(stats_of(far).connected, 1);
    covey_redis_close(far);
    proxy_end(g, &p);
}

/* What stands in the queue while a large one is written has not been sent. */
REDIS_TEST(a_command_cancelled_before_it_is_sent_has_no_effect)
{
    covey_group *g = covey_group_new(ctx), *calls = covey_group_new(ctx);
    struct proxy p = {.cuts = false};
    struct call c = {0};

    proxy_start(g, &p, s);
    OK(covey_redis_open(ctx, &c.r, p.url, NULL));
    leave_half_sent(ctx, &p, c.r);
    go_waiting(calls, "behind", count_up, &c);
    covey_group_cancel(calls, 0);
    JOIN(calls);
    CHECK_EQ(c.code, COVEY_ECANCELED);
    CHECK_EQ(stats_of(c.r).abandoned, 1);
    let_go(&p);
    check_well(ctx, c.r);
    CHECK_EQ(ask(ctx, r, "EXISTS n"), 0);
    covey_redis_close(c.r);
    proxy_end(g, &p);
}

/* Closed while a write waits for the other side: nobody is left behind. */
REDIS_TEST(a_close_ends_a_write_that_waits)
{
    covey_group *g = covey_group_new(ctx);
    struct proxy p = {.cuts = false};
    covey_redis *far = NULL;

    proxy_start(g, &p, s);
    OK(covey_redis_open(ctx, &far, p.url, NULL));
    leave_half_sent(ctx, &p, far);
    covey_redis_close(far);
    proxy_end(g, &p);
}

REDIS_TEST(a_connection_cut_in_any_state_is_told_and_replaced)
{
    covey_group *g = covey_group_new(ctx);
    struct proxy p = {.cuts = true};
    covey_redis_options opts = {.reconnect = {.base_ns = COVEY_MS, .max_tries = 100}};
    covey_redis *far = NULL;
    struct call c = {0};
    int64_t n = 0;

    proxy_start(g, &p, s);
    OK(covey_redis_open(ctx, &far, p.url, &opts));
    c.r = far;
    for (int at = 0; at < COMMAND + REPLY; at++) {
        enum way way = at < COMMAND ? TO_SERVER : TO_CLIENT;
        stop_after(&p, way, way == TO_SERVER ? at : at - COMMAND);
        CHECK_EQ(count_up(ctx, &c), 0);
        CHECK_EQ(c.code, -ECONNRESET);
        let_go(&p);
        check_well(ctx, far);
        int64_t now = ask(ctx, far, "INCRBY n 0");
        CHECK_EQ(now - n, way == TO_SERVER ? 0 : 10); /* it was not, or was, all there */
        n = now;
    }
    covey_redis_close(far);
    proxy_end(g, &p);
}
