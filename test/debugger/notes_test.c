/* SPDX-License-Identifier: MIT
 * notes_test.c - what a dump says of waits inside the libraries: an HTTP transfer, a Redis command,
 * a database's connection, a lease; and a program for compare_test.sh. */
#include "harness.h"
#include "task.h"
#include "waits.h"

#include <covey/db.h>
#include <covey/http.h>
#include <covey/redis.h>

static covey_http_client *client;
static covey_redis *redis;
static covey_db *db;
static covey_redlock *redlock;
static char url[128];

static int gets(covey_ctx *ctx, void *arg)
{
    (void)arg;
    return covey_http_get(ctx, client, url, NULL);
}

static int puts_body(covey_ctx *ctx, void *arg)
{
    const covey_http_request request = {.url = url, .method = "PUT", .body = "x", .body_len = 1};

    (void)arg;
    return covey_http_do(ctx, client, &request, NULL);
}

static int commands(covey_ctx *ctx, void *arg)
{
    covey_redis_reply *reply;

    (void)arg;
    return covey_redis_command(ctx, redis, &reply, "SET %s %d", "user:7", 1);
}

static int queries(covey_ctx *ctx, void *arg)
{
    (void)arg;
    return (int)covey_db_exec(ctx, db, "select 1", NULL, 0);
}

static int leases(covey_ctx *ctx, void *arg)
{
    covey_lease *lease;
    return covey_redlock_acquire(ctx, redlock, arg, &lease);
}

/* Holds what the others want. */
static int holds(covey_ctx *ctx, void *arg)
{
    covey_db *tx;
    covey_lease *lease;

    CHECK_EQ(covey_db_begin(ctx, db, &tx, NULL), 0);
    CHECK_EQ(covey_redlock_acquire(ctx, redlock, "till", &lease), 0);
    covey_wait_note note = {.what = "request", .text = "/till", .is_work = true};
    covey_wait_note_begin(&note);
    covey_chan_close(arg);
    return covey_sleep(ctx, 1000 * COVEY_SEC);
}

static const char *const expected[] = {
    "awaiting HTTP transfer \"GET http://user:***@127.0.0.1:",
    "awaiting HTTP transfer \"PUT http://user:***@127.0.0.1:",
    "awaiting Redis command \"SET user:7\"",
    "awaiting database connection \"sqlite: all 1 are in use\"",
    "awaiting lease \"till\" (held by task ",
    "at work on request \"/till\"",
};

static int wait_all(covey_ctx *ctx, void *arg)
{
    covey_group *g = covey_group_new_with(ctx, &(covey_group_options){.policy = COVEY_ALL});
    covey_chan *is_held = covey_chan_new(0, 0);
    covey_listener *silent;
    char redis_url[64];

    (void)arg;
    CHECK_EQ(covey_listen(&silent, "tcp://127.0.0.1:0", NULL), 0);
    const char *place = covey_listener_addr(silent) + strlen("tcp://");
    (void)snprintf(url, sizeof(url), "http://user:secret@%s/", place);
    (void)snprintf(redis_url, sizeof(redis_url), "redis://%s", place);
    client = covey_http_client_new(NULL);
    CHECK_EQ(covey_redis_open(
                 ctx, &redis, redis_url,
                 &(covey_redis_options){.lazy = true, .connect_timeout_ns = 1000 * COVEY_SEC}),
             0);
    CHECK_EQ(covey_db_open(ctx, &db, "sqlite::memory:", &(covey_db_options){.max_open = 1}), 0);
    /* Debuggers take their time: a wait that began anew meanwhile would be another. */
    redlock = covey_redlock_new(NULL, 0, &(covey_redlock_options){.ttl_ns = 1000 * COVEY_SEC});
    GO(g, holds, is_held);
    CHECK_EQ(covey_chan_recv(ctx, is_held, NULL), COVEY_ECLOSED);
    GO(g, gets, NULL);
    GO(g, puts_body, NULL);
    GO(g, commands, NULL);
    GO(g, queries, NULL);
    GO(g, leases, "till");
    free(waits_dump(ctx, 6, expected, sizeof(expected) / sizeof(expected[0])));
    _exit(0);
}

TEST(what_waits_inside_of_a_library_are_for_is_told)
{
    const covey_options options = {.workers = 2, .diagnose = true};

    CHECK_EQ(covey_run_with(&options, wait_all, NULL), 0);
}
