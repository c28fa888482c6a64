/* SPDX-License-Identifier: MIT
 * pooler_test.c - PostgreSQL over the TLS of somebody who stands before it, as a pooler does: its
 * records are as large as TLS lets them be, twice those of the server, and more than libpq reads at
 * once. What were left of one in OpenSSL no poll and no event would tell of. */
#include "../conformance/tls_pair.h"

#include "database.h"
#include "pump.h"

#include <covey/db.h>
#include <covey/tls.h>

struct pooler {
    covey_listener *listener;
    covey_group *tasks;
    char target[256]; /* the server's socket */
    char url[128];
};

struct passage {
    struct pooler *pooler;
    covey_conn *client;
};

/* As much at a time as fits (a record, here), if there is so much. */
static ssize_t read_much(covey_ctx *ctx, covey_conn *from, void *buf, size_t size)
{
    ssize_t n = covey_read(ctx, from, buf, size), more = n;

    while (more > 0 && (size_t)n < size) {
        (void)covey_sleep(ctx, COVEY_MS); /* sleeps: more should have come; right in any case */
        more = covey_try_read(from, (char *)buf + n, size - (size_t)n);
        n += more > 0 ? more : 0;
    }
    return n;
}

static int let_in(covey_ctx *ctx, void *arg)
{
    struct passage *p = arg;
    covey_conn *server;
    char request[8]; /* for TLS */

    if (covey_read_full(ctx, p->client, request, sizeof(request)) != sizeof(request) ||
        covey_write(ctx, p->client, "S", 1) != 1) {
        covey_close(p->client);
        return 0;
    }
    CHECK_EQ(covey_tls_server(ctx, &p->client, world.server), 0);
    OK(covey_dial(ctx, &server, p->pooler->target));
    pump(ctx, p->client, server, read_much);
    covey_close(server);
    covey_close(p->client);
    return 0;
}

static int stand_before(covey_ctx *ctx, void *arg)
{
    struct passage p = {.pooler = arg};

    while (covey_accept(ctx, p.pooler->listener, &p.client) == 0) {
        CHECK_EQ(covey_group_go_copy(p.pooler->tasks, let_in, &p, sizeof(p)), 0);
    }
    return 0;
}

static void pooler_start(covey_ctx *ctx, struct pooler *p, const char *server)
{
    char folder[160];
    int port = 0;

    CHECK_EQ(sscanf(strstr(server, "host="), "host=%159[^&]&port=%d", folder, &port), 2);
    (void)snprintf(p->target, sizeof(p->target), "unix://%s/.s.PGSQL.%d", folder, port);
    OK(covey_listen(&p->listener, "tcp://127.0.0.1:0", NULL));
    (void)snprintf(p->url, sizeof(p->url), "postgresql://covey@%s/postgres?sslmode=require",
                   covey_listener_addr(p->listener) + strlen("tcp://"));
    p->tasks = covey_group_new(ctx);
    GO(p->tasks, stand_before, p);
}

static void pooler_stop(struct pooler *p)
{
    covey_group_cancel(p->tasks, 0);
    JOIN(p->tasks);
    covey_listener_close(p->listener);
}

PG_TEST(records_larger_than_the_servers_are_read_whole)
{
    struct pooler p;
    covey_db *far;

    world_make();
    pooler_start(ctx, &p, t->url);
    OK(covey_db_open(ctx, &far, p.url, &(covey_db_options){.max_open = 1}));
    /* The last record, of whatever size, may be the one that is read in part. */
    for (int64_t n = 1; n <= 60; n += 2) {
        covey_rows *r;
        int64_t rows = 0;
        int more;
        OK(covey_db_query(ctx, far, &r, "SELECT repeat('x', 3000) FROM generate_series(1, $1)",
                          COVEY_DB_PARAMS(covey_db_int(n))));
        while ((more = covey_rows_next(ctx, r)) > 0) {
            rows++;
        }
        OK(more);
        CHECK_EQ(rows, n);
        OK(covey_rows_close(r));
    }
    covey_db_close(far);
    pooler_stop(&p);
    world_free();
}
