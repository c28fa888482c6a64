/* SPDX-License-Identifier: MIT
 * tls_test.c - rediss://: a real server behind a covey_tls_server() that passes bytes on. */
#include "../conformance/tls_pair.h"
#include "server.h"

#include <covey/redis.h>
#include <covey/tls.h>

struct gate {
    covey_listener *listener;
    char url[COVEY_ADDR_SIZE], target[80];
};

struct way {
    covey_conn *from, *to;
};

static int copy(covey_ctx *ctx, void *arg)
{
    const struct way *w = arg;
    char buf[4096];
    ssize_t n;

    while ((n = covey_read(ctx, w->from, buf, sizeof(buf))) > 0 &&
           covey_write(ctx, w->to, buf, (size_t)n) > 0) {
    }
    covey_conn_abort(w->from);
    covey_conn_abort(w->to);
    return 0;
}

static int pass_on(covey_ctx *ctx, void *arg)
{
    struct gate *g = arg;
    struct way up;

    while (covey_accept(ctx, g->listener, &up.from) == 0) {
        if (covey_tls_server(ctx, &up.from, world.server) < 0) {
            continue; /* who does not trust us */
        }
        if (covey_dial(ctx, &up.to, g->target) == 0) {
            covey_group *both = covey_group_new(ctx);
            struct way down = {up.to, up.from};
            GO(both, copy, &up);
            GO(both, copy, &down);
            JOIN(both);
            covey_close(up.to);
        }
        covey_close(up.from);
    }
    return 0;
}

REDIS_TEST(commands_go_over_tls_to_a_server_that_is_known)
{
    covey_group *tasks = covey_group_new(ctx);
    struct gate g;
    covey_redis *far = NULL;

    world_make();
    (void)snprintf(g.target, sizeof(g.target), "unix://%.60s", s->socket);
    OK(covey_listen(&g.listener, "tcp://127.0.0.1:0", NULL));
    (void)snprintf(g.url, sizeof(g.url), "rediss://%s",
                   covey_listener_addr(g.listener) + strlen("tcp://"));
    GO(tasks, pass_on, &g);

    covey_redis_options opts = {.secure = covey_tls_client, .tls = world.client};
    OK(covey_redis_open(ctx, &far, g.url, &opts));
    for (int64_t i = 0; i < 20; i++) {
        CHECK_EQ(ask(ctx, far, "ECHO %lld", (long long)i), i);
    }
    covey_redis_close(far);
    far = NULL;

    covey_tls_config *stranger = client_config(&world.other); /* trusts somebody else */
    opts.tls = stranger;
    CHECK_EQ(covey_redis_open(ctx, &far, g.url, &opts), COVEY_ETLS);
    CHECK(!far);
    covey_tls_config_unref(stranger);

    covey_group_cancel(tasks, 0);
    JOIN(tasks);
    covey_listener_close(g.listener);
    world_free();
}
