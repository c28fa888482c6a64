/* SPDX-License-Identifier: MIT
 * tls_test.c - rediss://: a real server behind a covey_tls_server() that passes bytes on; and that
 * behind a proxy, so that commands are cancelled in the middle of records. */
#include "../conformance/tls_pair.h"
#include "proxy.h"
#include "pump.h"

#include <covey/redis.h>
#include <covey/tls.h>

/* What TLS puts around a record's bytes, at least: its header, their kind, and a tag. */
enum { AROUND = 5 + 1 + 16 };

struct gate {
    covey_listener *listener;
    covey_group *tasks;
    char url[COVEY_ADDR_SIZE], target[80];
};

struct passage {
    struct gate *gate;
    covey_conn *outside;
};

static int let_in(covey_ctx *ctx, void *arg)
{
    struct passage *p = arg;
    covey_conn *inside;

    if (covey_tls_server(ctx, &p->outside, world.server) < 0) {
        return 0; /* who does not trust us */
    }
    if (covey_dial(ctx, &inside, p->gate->target) == 0) {
        pump(ctx, p->outside, inside, covey_read);
        covey_close(inside);
    }
    covey_close(p->outside);
    return 0;
}

static int stand_open(covey_ctx *ctx, void *arg)
{
    struct gate *g = arg;
    struct passage p = {.gate = g};

    while (covey_accept(ctx, g->listener, &p.outside) == 0) {
        CHECK_EQ(covey_group_go_copy(g->tasks, let_in, &p, sizeof(p)), 0);
    }
    return 0;
}

static void gate_start(covey_ctx *ctx, struct gate *g, const struct server *s)
{
    world_make();
    g->tasks = covey_group_new(ctx);
    (void)snprintf(g->target, sizeof(g->target), "%s", s->url);
    OK(covey_listen(&g->listener, "tcp://127.0.0.1:0", NULL));
    (void)snprintf(g->url, sizeof(g->url), "rediss://%s",
                   covey_listener_addr(g->listener) + strlen("tcp://"));
    GO(g->tasks, stand_open, g);
}

static void gate_end(struct gate *g)
{
    covey_group_cancel(g->tasks, 0);
    JOIN(g->tasks);
    covey_listener_close(g->listener);
    world_free();
}

REDIS_TEST(commands_go_over_tls_to_a_server_that_is_known)
{
    struct gate g;
    covey_redis *far = NULL;

    gate_start(ctx, &g, s);
    covey_redis_options opts = {.secure = covey_tls_client, .tls = world.client};
    OK(covey_redis_open(ctx, &far, g.url, &opts));
    check_well(ctx, far);
    covey_redis_close(far);
    far = NULL;

    covey_tls_config *stranger = client_config(&world.other); /* trusts somebody else */
    opts.tls = stranger;
    CHECK_EQ(covey_redis_open(ctx, &far, g.url, &opts), COVEY_ETLS);
    CHECK(!far);
    covey_tls_config_unref(stranger);
    gate_end(&g);
}

/* A gate behind a proxy, and a handle that goes through both. */
struct far {
    struct gate gate;
    struct proxy proxy;
    covey_group *tasks;
    covey_redis *r;
};

static void far_open(covey_ctx *ctx, struct far *f, const struct server *s)
{
    gate_start(ctx, &f->gate, s);
    f->tasks = covey_group_new(ctx);
    proxy_start(f->tasks, &f->proxy, "rediss", covey_listener_addr(f->gate.listener));
    covey_redis_options opts = {.secure = covey_tls_client, .tls = world.client};
    OK(covey_redis_open(ctx, &f->r, f->proxy.url, &opts));
}

static void far_close(struct far *f)
{
    covey_redis_close(f->r);
    proxy_end(f->tasks, &f->proxy);
    gate_end(&f->gate);
}

REDIS_TEST(a_command_cancelled_in_any_byte_of_its_record_shifts_no_reply)
{
    struct far f = {.r = NULL};

    far_open(ctx, &f, s);
    for (int n = 0; n < COMMAND + AROUND; n++) { /* on its way */
        CHECK_EQ(cancel_after(ctx, &f.proxy, f.r, TO_SERVER, n), COVEY_ECANCELED);
        check_well(ctx, f.r);
    }
    CHECK_EQ(ask(ctx, r, "GET n"), 10 * (COMMAND + AROUND)); /* sent, so it took effect */
    for (int n = 0; n < REPLY + AROUND; n++) {               /* the answer is */
        CHECK_EQ(cancel_after(ctx, &f.proxy, f.r, TO_CLIENT, n), COVEY_ECANCELED);
        check_well(ctx, f.r);
    }
    CHECK_EQ(atomic_load(&f.proxy.connections), 1);
    far_close(&f);
}

REDIS_TEST(on_a_connection_of_ones_own_it_ends_that_over_tls_too)
{
    struct far f = {.r = NULL};
    covey_redis *own = NULL;

    far_open(ctx, &f, s);
    for (int n = 0; n < COMMAND + AROUND; n += 11) {
        enum way way = n % 2 ? TO_CLIENT : TO_SERVER;
        OK(covey_redis_own(ctx, f.r, &own));
        CHECK_EQ(cancel_after(ctx, &f.proxy, own, way, n % (REPLY + AROUND)), COVEY_ECANCELED);
        CHECK_EQ(covey_redis_command(ctx, own, NULL, "PING"), -ECONNRESET);
        covey_redis_close(own);
        check_well(ctx, f.r);
    }
    far_close(&f);
}

/* So large that it fills all buffers on the way, left in the middle of its records. */
REDIS_TEST(a_command_cancelled_while_it_is_written_over_tls_is_written_to_its_end)
{
    struct far f = {.r = NULL};

    far_open(ctx, &f, s);
    leave_half_sent(ctx, &f.proxy, f.r);
    let_go(&f.proxy);
    check_well(ctx, f.r);
    CHECK_EQ(ask(ctx, r, "STRLEN big"), (int64_t)BIG);
    CHECK_EQ(stats_of(f.r).connected, 1);
    far_close(&f);
}
