/* SPDX-License-Identifier: MIT
 * command_test.c - commands and their replies, many tasks on one connection, batches, scripts,
 * connections of one's own, with a server that does what it should. */
#include "server.h"

#include <covey/redis.h>
#include <pthread.h>

/* ---- replies ---- */

REDIS_TEST(each_kind_of_reply_is_told_apart)
{
    covey_redis_reply *reply;
    int64_t n = 5;

    OK(covey_redis_command(ctx, r, &reply, "SET %s %s", "k", "41"));
    CHECK_EQ(reply->type, COVEY_REDIS_STATUS);
    CHECK_STR(covey_redis_text(reply, NULL), "OK");
    covey_redis_reply_free(reply);
    OK(covey_redis_command(ctx, r, &reply, "GET k"));
    CHECK_EQ(reply->type, COVEY_REDIS_STRING);
    CHECK_EQ(covey_redis_int(reply, &n), 0);
    CHECK_EQ(n, 41);
    covey_redis_reply_free(reply);
    OK(covey_redis_command(ctx, r, &reply, "INCR k"));
    CHECK_EQ(reply->type, COVEY_REDIS_INT);
    CHECK_EQ(reply->integer, 42);
    CHECK(!covey_redis_text(reply, NULL));
    covey_redis_reply_free(reply);
    OK(covey_redis_command(ctx, r, &reply, "GET missing"));
    CHECK(covey_redis_is_nil(reply));
    CHECK_EQ(covey_redis_int(reply, &n), COVEY_ETYPE);
    covey_redis_reply_free(reply);
    OK(covey_redis_command(ctx, r, &reply, "MGET k missing k"));
    CHECK_EQ(reply->type, COVEY_REDIS_ARRAY);
    CHECK_EQ(reply->count, 3);
    CHECK_STR(covey_redis_text(covey_redis_at(reply, 2), NULL), "42");
    CHECK(covey_redis_is_nil(covey_redis_at(reply, 1)));
    CHECK(!covey_redis_at(reply, 3));
    CHECK(!covey_redis_at(covey_redis_at(reply, 7), 1));
    covey_redis_reply_free(reply);
}

REDIS_TEST(nested_replies_keep_their_shape)
{
    covey_redis_reply *reply;

    OK(covey_redis_command(ctx, r, NULL, "XADD s 1-1 name %s empty %s", "a b", ""));
    OK(covey_redis_command(ctx, r, &reply, "XRANGE s - +"));
    const covey_redis_reply *fields = covey_redis_at(covey_redis_at(reply, 0), 1);
    CHECK_STR(covey_redis_text(covey_redis_at(covey_redis_at(reply, 0), 0), NULL), "1-1");
    CHECK_EQ(fields->count, 4);
    CHECK_STR(covey_redis_text(covey_redis_at(fields, 1), NULL), "a b");
    CHECK_STR(covey_redis_text(covey_redis_at(fields, 3), NULL), "");
    covey_redis_reply_free(reply);
    OK(covey_redis_command(ctx, r, &reply, "KEYS none*"));
    CHECK_EQ(reply->type, COVEY_REDIS_ARRAY);
    CHECK_EQ(reply->count, 0);
    covey_redis_reply_free(reply);
}

REDIS_TEST(any_bytes_come_back_as_they_went)
{
    static const char bytes[] = "a\0b\r\n$5\r\n*1\r\n%s\xff";
    const char *argv[] = {"SET", "k\0k", bytes};
    const size_t lens[] = {3, 3, sizeof(bytes)};
    covey_redis_reply *reply;
    size_t len;

    OK(covey_redis_commandv(ctx, r, NULL, 3, argv, lens));
    OK(covey_redis_command(ctx, r, &reply, "GET %b", "k\0k", (size_t)3));
    const char *text = covey_redis_text(reply, &len);
    CHECK_EQ(len, sizeof(bytes));
    CHECK_EQ(memcmp(text, bytes, len), 0);
    CHECK_EQ(text[len], 0);
    covey_redis_reply_free(reply);
}

REDIS_TEST(large_values_pass)
{
    size_t size = (size_t)5 << 20;
    char *big = malloc(size);
    const char *argv[] = {"SET", "big", big};
    const size_t lens[] = {3, 3, size};
    covey_redis_reply *reply;

    CHECK(big);
    for (size_t i = 0; i < size; i++) {
        big[i] = (char)(i * 7 + i / 251);
    }
    OK(covey_redis_commandv(ctx, r, NULL, 3, argv, lens));
    OK(covey_redis_command(ctx, r, &reply, "GET big"));
    CHECK_EQ(reply->len, size);
    CHECK_EQ(memcmp(reply->text, big, size), 0);
    covey_redis_reply_free(reply);
    free(big);
}

REDIS_TEST(only_decimal_integers_read_as_integers)
{
    static const char *const no[] = {
        "", "-", "1 ", " 1", "0x1", "1.5", "9223372036854775808", "-9223372036854775809", "+1"};
    int64_t n = 7;

    for (size_t i = 0; i < sizeof(no) / sizeof(*no); i++) {
        covey_redis_reply reply = {.type = COVEY_REDIS_STRING, .text = no[i], .len = strlen(no[i])};
        CHECK_EQ(covey_redis_int(&reply, &n), COVEY_ETYPE);
    }
    CHECK_EQ(n, 7);
    OK(covey_redis_command(ctx, r, NULL, "SET k -9223372036854775808"));
    CHECK_EQ(ask(ctx, r, "GET k"), INT64_MIN);
    CHECK_EQ(ask(ctx, r, "DECRBY zero 0"), 0);
    CHECK_EQ(ask(ctx, r, "INCRBY most 9223372036854775807"), INT64_MAX);
}

/* ---- refusals ---- */

REDIS_TEST(a_refusal_has_the_servers_words)
{
    covey_redis_reply *reply = NULL;

    OK(covey_redis_command(ctx, r, NULL, "SET k x"));
    CHECK_EQ(covey_redis_command(ctx, r, &reply, "LPUSH k y"), COVEY_EREDIS);
    CHECK_STR(covey_errmsg(), "redis: WRONGTYPE Operation against a key holding the wrong kind of "
                              "value");
    CHECK(covey_redis_refused("WRONGTYPE"));
    CHECK(!covey_redis_refused("WRONG"));
    CHECK(!covey_redis_refused("ERR"));
    CHECK(!reply);
    CHECK_EQ(covey_redis_command(ctx, r, NULL, "NOSUCH"), COVEY_EREDIS);
    CHECK(covey_redis_refused("ERR"));
    CHECK_EQ(stats_of(r).refused, 2);
}

/* The server would answer nothing at all. */
REDIS_TEST(a_command_without_a_word_is_refused)
{
    covey_redis_args none = {0, NULL, NULL};

    CHECK_EQ(covey_redis_command(ctx, r, NULL, " "), -EINVAL);
    CHECK_EQ(covey_redis_command(ctx, r, NULL, "%s", ""), -EINVAL);
    CHECK_EQ(covey_redis_commandv(ctx, r, NULL, 0, NULL, NULL), -EINVAL);
    CHECK_EQ(covey_redis_batch(ctx, r, NULL, &none, 1, 0), -EINVAL);
    CHECK_EQ(stats_of(r).commands, 1); /* the greeting of its opening */
}

REDIS_TEST(what_would_change_a_shared_connection_needs_one_of_ones_own)
{
    static const char *const commands[] = {"SELECT 1",    "multi",   "WATCH k", "BLPOP k 0",
                                           "SUBSCRIBE c", "MONITOR", "Quit",    "RESET"};

    for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++) {
        CHECK_EQ(covey_redis_command(ctx, r, NULL, commands[i]), -EINVAL);
    }
    CHECK_STR(covey_errmsg(), "redis: RESET needs a connection of its own (covey_redis_own)");
    CHECK_EQ(covey_redis_command(ctx, r, NULL, "GET %y", 1), -EINVAL);
    CHECK_EQ(covey_redis_commandv(ctx, r, NULL, 0, NULL, NULL), -EINVAL);
}

/* ---- many tasks ---- */

struct client {
    covey_redis *r;
    int number, turns;
};

/* Its own replies, in its own order, or it notices. */
static int talk(covey_ctx *ctx, void *arg)
{
    const struct client *c = arg;

    for (int i = 0; i < c->turns; i++) {
        covey_redis_reply *reply = NULL;
        int64_t n = -1;
        OK(covey_redis_command(ctx, c->r, &reply, "ECHO %d", c->number * 1000 + i));
        CHECK_EQ(covey_redis_int(reply, &n), 0);
        CHECK_EQ(n, c->number * 1000 + i);
        covey_redis_reply_free(reply);
        OK(covey_redis_command(ctx, c->r, NULL, "INCR counter"));
    }
    return 0;
}

REDIS_TEST(a_thousand_tasks_share_one_connection)
{
    covey_group *g = covey_group_new(ctx);

    for (int i = 0; i < 1000; i++) {
        struct client c = {r, i, 10};
        CHECK_EQ(covey_group_go_copy(g, talk, &c, sizeof(c)), 0);
    }
    JOIN(g);
    CHECK_EQ(ask(ctx, r, "GET counter"), 10000);
    covey_redis_stats s2 = stats_of(r);
    CHECK_EQ(s2.connections, 1);
    CHECK_EQ(s2.connected, 1);
    CHECK_EQ(s2.pending, 0);
    CHECK_EQ(s2.commands, 20002); /* with the open's PING */
    CHECK(s2.writes < s2.commands / 4);
}

REDIS_TEST_WITH(several_connections_share_the_load, .connections = 3)
{
    covey_group *g = covey_group_new(ctx);

    for (int i = 0; i < 30; i++) {
        struct client c = {r, i, 10};
        CHECK_EQ(covey_group_go_copy(g, talk, &c, sizeof(c)), 0);
    }
    JOIN(g);
    CHECK_EQ(ask(ctx, r, "GET counter"), 300);
    CHECK_EQ(stats_of(r).connections, 3);
}

static void *thread_main(void *arg)
{
    struct client c = {arg, 7, 50};

    CHECK_EQ(talk(NULL, &c), 0);
    return NULL;
}

static int join_thread(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    return pthread_join(*(pthread_t *)arg, NULL);
}

REDIS_TEST(plain_threads_may_send_commands)
{
    pthread_t thread;

    CHECK_EQ(pthread_create(&thread, NULL, thread_main, r), 0);
    CHECK_EQ(covey_blocking(NULL, join_thread, &thread), 0);
    CHECK_EQ(ask(ctx, r, "GET counter"), 50);
}

/* ---- batches ---- */

static covey_redis_args args_of(int argc, const char *const *argv)
{
    return (covey_redis_args){argc, argv, NULL};
}

REDIS_TEST(a_batch_answers_in_order_and_keeps_its_failures_apart)
{
    const char *set[] = {"SET", "k", "1"}, *bad[] = {"LPUSH", "k", "x"}, *get[] = {"GET", "k"};
    covey_redis_args commands[] = {args_of(3, set), args_of(3, bad), args_of(2, get)};
    covey_redis_reply *replies;

    OK(covey_redis_batch(ctx, r, &replies, commands, 3, 0));
    CHECK_EQ(replies->count, 3);
    CHECK_STR(covey_redis_at(replies, 0)->text, "OK");
    CHECK_EQ(covey_redis_at(replies, 1)->type, COVEY_REDIS_ERROR);
    CHECK_STR(covey_redis_text(covey_redis_at(replies, 2), NULL), "1");
    covey_redis_reply_free(replies);
    OK(covey_redis_batch(ctx, r, NULL, commands, 1, COVEY_REDIS_AGAIN));
    CHECK_EQ(covey_redis_batch(ctx, r, NULL, commands, 0, 0), -EINVAL);
}

REDIS_TEST(a_transaction_in_a_batch_is_whole)
{
    const char *multi[] = {"MULTI"}, *exec[] = {"EXEC"}, *incr[] = {"INCR", "n"};
    covey_redis_args commands[] = {args_of(1, multi), args_of(2, incr), args_of(2, incr),
                                   args_of(1, exec)};
    covey_redis_reply *replies;

    OK(covey_redis_batch(ctx, r, &replies, commands, 4, 0));
    CHECK_EQ(covey_redis_at(replies, 3)->count, 2);
    CHECK_EQ(covey_redis_at(covey_redis_at(replies, 3), 1)->integer, 2);
    covey_redis_reply_free(replies);
    CHECK_EQ(covey_redis_batch(ctx, r, NULL, commands, 3, 0), -EINVAL);
    CHECK_EQ(ask(ctx, r, "GET n"), 2);
}

/* ---- scripts ---- */

REDIS_TEST(a_script_runs_by_its_hash_once_the_server_knows_it)
{
    static covey_redis_script add =
        COVEY_REDIS_SCRIPT("return redis.call('INCRBY', KEYS[1], ARGV[1])");
    const char *argv[] = {"n", "5"};

    for (int64_t i = 1; i <= 3; i++) {
        covey_redis_reply *reply;
        OK(covey_redis_eval(ctx, r, &reply, &add, 1, 2, argv, NULL, 0));
        CHECK_EQ(reply->integer, 5 * i);
        covey_redis_reply_free(reply);
        if (i == 2) {
            OK(covey_redis_command(ctx, r, NULL, "SCRIPT FLUSH"));
        }
    }
    CHECK_EQ(stats_of(r).refused, 2); /* NOSCRIPT, before the first and after the flush */
    CHECK_EQ(covey_redis_eval(ctx, r, NULL, &add, 3, 2, argv, NULL, 0), -EINVAL);
}

/* ---- connections of one's own ---- */

REDIS_TEST(a_watched_key_that_changes_fails_the_transaction)
{
    covey_redis_reply *reply;
    covey_redis *own;

    OK(covey_redis_own(ctx, r, &own));
    for (int i = 0; i < 2; i++) {
        OK(covey_redis_command(ctx, own, NULL, "WATCH k"));
        OK(covey_redis_command(ctx, own, NULL, "MULTI"));
        OK(covey_redis_command(ctx, own, NULL, "SET k mine"));
        if (i == 0) {
            OK(covey_redis_command(ctx, r, NULL, "SET k others"));
        }
        OK(covey_redis_command(ctx, own, &reply, "EXEC"));
        CHECK_EQ(reply->type, i == 0 ? COVEY_REDIS_NIL : COVEY_REDIS_ARRAY);
        covey_redis_reply_free(reply);
    }
    covey_redis_close(own);
}

REDIS_TEST(what_one_user_of_a_connection_set_the_next_does_not_see)
{
    covey_redis *own;

    OK(covey_redis_command(ctx, r, NULL, "SET k 1"));
    OK(covey_redis_own(ctx, r, &own));
    OK(covey_redis_command(ctx, own, NULL, "SELECT 5"));
    OK(covey_redis_command(ctx, own, NULL, "MULTI"));
    covey_redis_close(own);
    CHECK_EQ(stats_of(r).own_idle, 1);
    OK(covey_redis_own(ctx, r, &own));
    CHECK_EQ(stats_of(r).own_idle, 0);
    CHECK_EQ(ask(ctx, own, "GET k"), 1);
    covey_redis_close(own);
}

struct blocked {
    covey_redis *own;
    int code;
};

static int pop(covey_ctx *ctx, void *arg)
{
    struct blocked *b = arg;
    covey_redis_reply *reply = NULL;

    b->code = covey_redis_command(ctx, b->own, &reply, "BLPOP list 0");
    covey_redis_reply_free(reply);
    return 0;
}

REDIS_TEST(a_blocking_command_waits_beside_the_others)
{
    covey_group *g = covey_group_new(ctx);
    struct blocked b = {.code = 1};

    OK(covey_redis_own(ctx, r, &b.own));
    go_waiting(g, "pop", pop, &b);
    while (!dump_says(", awaiting Redis command \"BLPOP list\"")) {
        covey_yield();
    }
    CHECK_EQ(covey_redis_command(ctx, b.own, NULL, "PING"), -EBUSY);
    OK(covey_redis_command(ctx, r, NULL, "RPUSH list x"));
    JOIN(g);
    CHECK_EQ(b.code, 0);
    covey_redis_close(b.own);
}

REDIS_TEST(a_cancelled_blocking_command_ends_in_the_server_with_its_connection)
{
    covey_group *g = covey_group_new(ctx);
    struct blocked b = {.code = 1};

    OK(covey_redis_own(ctx, r, &b.own));
    go_waiting(g, "pop", pop, &b);
    covey_group_cancel(g, 0);
    JOIN(g);
    CHECK_EQ(b.code, COVEY_ECANCELED);
    CHECK_EQ(covey_redis_command(ctx, b.own, NULL, "PING"), -ECONNRESET);
    covey_redis_close(b.own);
    CHECK_EQ(stats_of(r).own_idle, 0);
    for (;;) { /* until the server has seen it */
        covey_redis_reply *reply;
        OK(covey_redis_command(ctx, r, &reply, "INFO clients"));
        bool is_gone = strstr(covey_redis_text(reply, NULL), "blocked_clients:0") != NULL;
        covey_redis_reply_free(reply);
        if (is_gone) {
            break;
        }
    }
    OK(covey_redis_command(ctx, r, NULL, "RPUSH list x"));
    CHECK_EQ(ask(ctx, r, "LLEN list"), 1);
}

static int take_own(covey_ctx *ctx, void *arg)
{
    struct blocked *b = arg;
    covey_redis *own;

    b->code = covey_redis_own(ctx, b->own, &own);
    if (b->code == 0) {
        covey_redis_close(own);
    }
    return 0;
}

REDIS_TEST_WITH(connections_of_ones_own_are_as_many_as_allowed, .own_max = 2)
{
    covey_group *g = covey_group_new(ctx);
    struct blocked b = {.own = r, .code = 1};
    covey_redis *own[2], *third;

    OK(covey_redis_own(ctx, r, &own[0]));
    OK(covey_redis_own(ctx, r, &own[1]));
    CHECK_EQ(covey_redis_own(ctx, own[0], &third), -EINVAL);
    covey_ctx *soon = covey_ctx_with_timeout(ctx, 5 * COVEY_MS);
    CHECK_EQ(covey_redis_own(soon, r, &third), COVEY_EDEADLINE);
    covey_ctx_unref(soon);
    go_waiting(g, "own", take_own, &b);
    covey_redis_close(own[0]);
    JOIN(g);
    CHECK_EQ(b.code, 0);
    covey_redis_close(own[1]);
    CHECK_EQ(stats_of(r).own, 0);
}

/* ---- who asks ---- */

static int open_three_ways(covey_ctx *ctx, void *arg)
{
    const struct server *s = arg;
    covey_redis *r = NULL, *none = NULL;
    char url[160];

    (void)snprintf(url, sizeof(url), "unix://:p%%40ss%%2F%%20word@%s?db=3", s->socket);
    OK(covey_redis_open(ctx, &r, url, &(covey_redis_options){.name = "shop"}));
    OK(covey_redis_command(ctx, r, NULL, "SET k here"));
    CHECK_EQ(ask(ctx, r, "EXISTS k"), 1);
    covey_redis_reply *reply;
    OK(covey_redis_command(ctx, r, &reply, "CLIENT LIST"));
    CHECK(strstr(covey_redis_text(reply, NULL), "name=shop"));
    CHECK(strstr(covey_redis_text(reply, NULL), "db=3"));
    covey_redis_reply_free(reply);
    OK(covey_redis_command(ctx, r, NULL, "ACL SETUSER ann on >secret ~* +@all"));
    covey_redis_close(r);
    CHECK_EQ(covey_redis_open(ctx, &none, s->url, NULL), -EACCES);
    CHECK(covey_redis_refused("NOAUTH"));
    (void)snprintf(url, sizeof(url), "unix://ann:wrong@%s", s->socket);
    CHECK_EQ(covey_redis_open(ctx, &none, url, NULL), -EACCES);
    CHECK(covey_redis_refused("WRONGPASS"));
    (void)snprintf(url, sizeof(url), "unix://ann:secret@%s", s->socket);
    OK(covey_redis_open(ctx, &r, url, NULL));
    CHECK_EQ(ask(ctx, r, "EXISTS k"), 0); /* that was in 3 */
    covey_redis_close(r);
    CHECK(!none);
    return 0;
}

TEST(user_password_and_database_come_from_the_url)
{
    struct server s = {.options = {"--requirepass", "p@ss/ word"}};

    server_start(&s);
    CHECK_EQ(covey_run(open_three_ways, &s), 0);
    server_end(&s);
}

/* ---- figures ---- */

static bool metrics_say(const char *words)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);

    CHECK(out);
    CHECK_EQ(covey_metrics_write(out), 0);
    CHECK_EQ(fclose(out), 0);
    bool found = strstr(text, words) != NULL;
    free(text);
    return found;
}

REDIS_TEST_WITH(a_handle_with_a_name_shows_in_the_metrics, .name = "orders")
{
    CHECK(metrics_say("covey_redis_commands_total{redis=\"orders\"} 1\n"));
    CHECK(metrics_say("covey_redis_connections{redis=\"orders\",use=\"shared\"} 1\n"));
}
