/* SPDX-License-Identifier: MIT
 * proxy.h - a proxy that stops, or hangs up, after a given number of bytes of either direction, and
 * a command that is cancelled there. */
#ifndef CVY_REDIS_PROXY_H
#define CVY_REDIS_PROXY_H

#include "server.h"

#include <covey/net.h>
#include <covey/redis.h>

#define ENDLESS (INT64_C(1) << 40)

enum way { TO_SERVER, TO_CLIENT };

struct proxy {
    covey_listener *listener;
    char url[COVEY_ADDR_SIZE + 8], target[COVEY_ADDR_SIZE];
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
static inline size_t admit(covey_ctx *ctx, struct proxy *p, enum way way, size_t n)
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

static inline int copy(covey_ctx *ctx, void *arg)
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

static inline int relay(covey_ctx *ctx, void *arg)
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

static inline int accept_all(covey_ctx *ctx, void *arg)
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

/* In front of target. */
static inline void proxy_start(covey_group *g, struct proxy *p, const char *scheme,
                               const char *target)
{
    (void)snprintf(p->target, sizeof(p->target), "%s", target);
    OK(covey_listen(&p->listener, "tcp://127.0.0.1:0", NULL));
    (void)snprintf(p->url, sizeof(p->url), "%s://%s", scheme,
                   covey_listener_addr(p->listener) + strlen("tcp://"));
    atomic_store(&p->left[TO_SERVER], ENDLESS);
    atomic_store(&p->left[TO_CLIENT], ENDLESS);
    GO(g, accept_all, p);
}

static inline void proxy_end(covey_group *g, struct proxy *p)
{
    covey_group_cancel(g, 0);
    JOIN(g);
    covey_listener_close(p->listener);
}

static inline void stop_after(struct proxy *p, enum way way, long long n)
{
    atomic_store(&p->has_stopped[way], false);
    atomic_store(&p->left[way], n);
}

static inline void let_go(struct proxy *p)
{
    atomic_store(&p->left[TO_SERVER], ENDLESS);
    atomic_store(&p->left[TO_CLIENT], ENDLESS);
}

static inline void await_stop(struct proxy *p, enum way way)
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
static inline int count_up(covey_ctx *ctx, void *arg)
{
    struct call *c = arg;
    covey_redis_reply *reply = NULL;

    c->code = covey_redis_command(ctx, c->r, &reply, "INCRBY n 10");
    covey_redis_reply_free(reply);
    return 0;
}

enum { COMMAND = 31, REPLY = 5 };

/* Cancels a command on r once the proxy has let n bytes pass one way. */
static inline int cancel_after(covey_ctx *ctx, struct proxy *p, covey_redis *r, enum way way, int n)
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

static inline void check_well(covey_ctx *ctx, covey_redis *r)
{
    for (int64_t i = 100; i < 105; i++) {
        CHECK_EQ(ask(ctx, r, "ECHO %lld", (long long)i), i);
    }
}

#define BIG ((size_t)16 << 20)

static inline int set_big(covey_ctx *ctx, void *arg)
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
static inline void leave_half_sent(covey_ctx *ctx, struct proxy *p, covey_redis *r)
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

#endif
