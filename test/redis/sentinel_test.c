/* SPDX-License-Identifier: MIT
 * sentinel_test.c - a master, a replica and a sentinel, and what commands see of a failover; a
 * sentinel that is played, and is late. */
#include "server.h"

#include <covey/net.h>
#include <covey/redis.h>

#include <netinet/in.h>

static const covey_backoff patient = {
    .base_ns = 5 * COVEY_MS, .cap_ns = 50 * COVEY_MS, .max_tries = COVEY_RETRY_UNLIMITED};
static const covey_backoff hasty = {.base_ns = COVEY_MS, .cap_ns = COVEY_MS, .max_tries = 2};

/* One where nobody listens, and that the kernel gives to nobody else while this test runs. Redis
 * sets SO_REUSEADDR and may have it, also more than once. */
static int held_port(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(at);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

    CHECK(fd >= 0);
    CHECK_EQ(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)), 0);
    CHECK_EQ(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    CHECK_EQ(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    return ntohs(at.sin_port);
}

/* Sentinels name their servers by address and port. */
struct watched {
    struct server servers[2], sentinel;
    char ports[3][8], config[256], replicaof[32], url[128];
    void (*body)(covey_ctx *ctx, struct watched *w, covey_redis *r);
};

static void listen_on(struct server *s, const char *port)
{
    s->options[0] = "--port";
    s->options[1] = port;
}

static void watched_start(struct watched *w)
{
    for (int i = 0; i < 3; i++) {
        (void)snprintf(w->ports[i], sizeof(w->ports[i]), "%d", held_port());
    }
    (void)snprintf(w->replicaof, sizeof(w->replicaof), "127.0.0.1 %s", w->ports[0]);
    (void)snprintf(w->config, sizeof(w->config),
                   "sentinel monitor shop 127.0.0.1 %s 1\n"
                   "sentinel down-after-milliseconds shop 300\n",
                   w->ports[0]);
    /* Nobody is at the first. */
    (void)snprintf(w->url, sizeof(w->url), "redis://127.0.0.1:%d,127.0.0.1:%s/2?sentinel=shop",
                   held_port(), w->ports[2]);
    listen_on(&w->servers[0], w->ports[0]);
    listen_on(&w->servers[1], w->ports[1]);
    listen_on(&w->sentinel, w->ports[2]);
    w->servers[0].options[2] = "--repl-diskless-sync-delay";
    w->servers[0].options[3] = "0";
    w->servers[1].options[2] = "--replicaof";
    w->servers[1].options[3] = w->replicaof;
    w->sentinel.options[2] = "--sentinel";
    w->sentinel.config = w->config;
    server_start(&w->servers[0]);
    server_start(&w->servers[1]);
}

static bool says(covey_ctx *ctx, covey_redis *r, const char *command, const char *words)
{
    covey_redis_reply *reply = NULL;

    OK(covey_redis_command_again(ctx, r, &reply, command)); /* a promotion cuts connections */
    const char *text = covey_redis_text(reply, NULL);
    bool is_so = text ? strstr(text, words) != NULL : covey_redis_at(reply, 0) != NULL;
    covey_redis_reply_free(reply);
    return is_so;
}

/* Until an answer has these words; of an array, until it is not empty. */
static void await(covey_ctx *ctx, const struct server *s, const char *command, const char *words)
{
    covey_redis *r = NULL;

    OK(covey_redis_open(ctx, &r, s->url, NULL));
    while (!says(ctx, r, command, words)) {
        OK(covey_sleep(ctx, 5 * COVEY_MS)); /* sleeps: other processes are at work */
    }
    covey_redis_close(r);
}

static int watched_main(covey_ctx *ctx, void *arg)
{
    struct watched *w = arg;
    covey_redis *r = NULL;

    /* Sentinels look at replicas every ten seconds only: what they see first must be well. */
    await(ctx, &w->servers[1], "INFO replication", "master_link_status:up");
    server_start(&w->sentinel);
    await(ctx, &w->sentinel, "SENTINEL replicas shop", "");
    OK(covey_redis_open(ctx, &r, w->url, &(covey_redis_options){.reconnect = patient}));
    w->body(ctx, w, r);
    covey_redis_close(r);
    return 0;
}

#define WATCHED_TEST(name)                                                                         \
    static void name##_body(covey_ctx *ctx, struct watched *w, covey_redis *r);                    \
    TEST(name)                                                                                     \
    {                                                                                              \
        struct watched w = {.body = name##_body};                                                  \
        watched_start(&w);                                                                         \
        CHECK_EQ(covey_run(watched_main, &w), 0);                                                  \
        server_end(&w.sentinel);                                                                   \
        server_end(&w.servers[0]);                                                                 \
        server_end(&w.servers[1]);                                                                 \
    }                                                                                              \
    static void name##_body(covey_ctx *ctx, struct watched *w, covey_redis *r)

/* Which of the two commands reach. */
static int where(covey_ctx *ctx, struct watched *w, covey_redis *r)
{
    covey_redis_reply *reply = NULL;

    OK(covey_redis_command_again(ctx, r, &reply, "CONFIG GET port"));
    int i = strcmp(covey_redis_text(covey_redis_at(reply, 1), NULL), w->ports[1]) == 0;
    CHECK_STR(covey_redis_text(covey_redis_at(reply, 1), NULL), w->ports[i]);
    covey_redis_reply_free(reply);
    return i;
}

/* On both servers. */
static void set_and_wait(covey_ctx *ctx, covey_redis *r, const char *value)
{
    covey_redis *own = NULL;

    OK(covey_redis_own(ctx, r, &own));
    OK(covey_redis_command(ctx, own, NULL, "SET k %s", value));
    CHECK_EQ(ask(ctx, own, "WAIT 1 60000"), 1);
    covey_redis_close(own);
}

WATCHED_TEST(after_the_masters_death_commands_go_to_the_new_one)
{
    CHECK_EQ(where(ctx, w, r), 0);
    set_and_wait(ctx, r, "7");
    server_kill(&w->servers[0]);
    /* It waits for as long as that takes, and has not been sent to anybody before. */
    while (stats_of(r).connections > 0) {
        covey_yield();
    }
    CHECK_EQ(ask(ctx, r, "INCR k"), 8);
    CHECK_EQ(where(ctx, w, r), 1);
    CHECK_EQ(stats_of(r).connected, 2);
}

/* What the sentinel does with an old master that lives, but only after ten seconds. */
static void demote(covey_ctx *ctx, struct watched *w)
{
    covey_redis *old = NULL;

    OK(covey_redis_open(ctx, &old, w->servers[0].url, NULL));
    OK(covey_redis_command(ctx, old, NULL, "REPLICAOF 127.0.0.1 %s", w->ports[1]));
    OK(covey_redis_command(ctx, old, NULL, "CLIENT KILL TYPE normal SKIPME yes"));
    OK(covey_redis_command(ctx, old, NULL, "CLIENT KILL TYPE pubsub"));
    covey_redis_close(old);
}

static void fail_over(covey_ctx *ctx, struct watched *w)
{
    covey_redis *sentinel = NULL;

    OK(covey_redis_open(ctx, &sentinel, w->sentinel.url, NULL));
    while (covey_redis_command(ctx, sentinel, NULL, "SENTINEL FAILOVER shop") < 0) {
        CHECK(covey_redis_refused("NOGOODSLAVE")); /* it has not looked at it yet */
        OK(covey_sleep(ctx, 10 * COVEY_MS));       /* sleeps: until it has */
    }
    covey_redis_close(sentinel);
    await(ctx, &w->servers[1], "INFO replication", "role:master");
}

WATCHED_TEST(a_master_that_was_made_a_replica_is_left)
{
    covey_redis_subscription *s = NULL;
    const char *news = "news";
    covey_redis_message *m = NULL;

    OK(covey_redis_subscribe(ctx, r, &s, &news, 1, NULL));
    set_and_wait(ctx, r, "7");
    fail_over(ctx, w);
    demote(ctx, w);
    while (where(ctx, w, r) == 0) {
        OK(covey_sleep(ctx, COVEY_MS)); /* sleeps: between looks */
    }
    CHECK_EQ(ask(ctx, r, "INCR k"), 8);
    OK(covey_chan_recv(ctx, covey_redis_messages(s), &m)); /* what subscribes went along */
    CHECK_EQ(m->kind, COVEY_REDIS_GAP);
    covey_redis_message_free(m);
    covey_redis_unsubscribe(s);
}

WATCHED_TEST(a_name_that_no_sentinel_knows_is_enoent)
{
    covey_redis *other = NULL;
    char url[128];

    (void)r;
    (void)snprintf(url, sizeof(url), "%s?sentinel=nobody", w->sentinel.url);
    CHECK_EQ(covey_redis_open(ctx, &other, url, &(covey_redis_options){.reconnect = hasty}),
             -ENOENT);
    CHECK_STR(covey_errmsg(), "redis: no master \"nobody\" at the sentinels");
}

/* The sentinel itself, over its socket, which has no password yet. */
WATCHED_TEST(sentinels_that_want_a_password_are_given_theirs)
{
    static const struct {
        const char *user, *password;
        int code;
    } asked[] = {{NULL, "sesame", 0},
                 {"ann", "open%20up", 0},
                 {NULL, NULL, -EACCES},
                 {NULL, "secret", -EACCES},
                 {"ann", "secret", -EACCES}};
    covey_redis *sentinel = NULL, *other = NULL;
    char url[256];

    (void)r;
    OK(covey_redis_open(ctx, &sentinel, w->sentinel.url, NULL));
    const char *const ann[] = {"ACL", "SETUSER", "ann", "on", ">open up", "~*", "&*", "+@all"};
    OK(covey_redis_commandv(ctx, sentinel, NULL, 8, ann, NULL));
    OK(covey_redis_command(ctx, sentinel, NULL, "ACL SETUSER default resetpass >sesame"));
    covey_redis_close(sentinel);
    for (size_t i = 0; i < sizeof(asked) / sizeof(asked[0]); i++) {
        const char *user = asked[i].user, *password = asked[i].password;
        (void)snprintf(url, sizeof(url), "redis://127.0.0.1:%s/?sentinel=shop%s%s%s%s", w->ports[2],
                       user ? "&sentinel_user=" : "", user ? user : "",
                       password ? "&sentinel_password=" : "", password ? password : "");
        CHECK_EQ(covey_redis_open(ctx, &other, url, &(covey_redis_options){.reconnect = hasty}),
                 asked[i].code);
        if (asked[i].code == 0) {
            CHECK_EQ(where(ctx, w, other), 0);
            covey_redis_close(other);
        } else {
            CHECK(!strstr(covey_errmsg(), "secret"));
        }
    }
}

/* ---- played ---- */

/* Sentinel and server in one: names itself. */
struct played {
    covey_listener *listener;
    char addr[COVEY_ADDR_SIZE]; /* "127.0.0.1:1234" */
    const char *role;
};

static const char *answer_to(const struct played *p, const char *command, char *text, size_t size)
{
    if (strstr(command, "SENTINEL")) {
        const char *port = strchr(p->addr, ':') + 1;
        (void)snprintf(text, size, "*2\r\n$9\r\n127.0.0.1\r\n$%zu\r\n%s\r\n", strlen(port), port);
        return text;
    }
    if (strstr(command, "ROLE")) {
        (void)snprintf(text, size, "*1\r\n%s\r\n", p->role);
        return text;
    }
    return "+PONG\r\n";
}

static int play(covey_ctx *ctx, void *arg)
{
    struct played *p = arg;
    char command[256], text[256];
    covey_conn *c;
    ssize_t n;

    while (covey_accept(ctx, p->listener, &c) == 0) {
        while ((n = covey_read(ctx, c, command, sizeof(command) - 1)) > 0) {
            command[n] = '\0'; /* one at a time, in one piece */
            const char *answer = answer_to(p, command, text, sizeof(text));
            OK(covey_write(ctx, c, answer, strlen(answer)));
        }
        covey_close(c);
    }
    return 0;
}

TASK_TEST(who_is_no_master_is_no_connection)
{
    struct played p = {.role = "$5\r\nslave"};
    covey_group *g = covey_group_new(ctx);
    covey_redis_options opts = {.lazy = true, .reconnect = hasty};
    covey_redis *r = NULL;
    char url[COVEY_ADDR_SIZE + 32];

    OK(covey_listen(&p.listener, "tcp://127.0.0.1:0", NULL));
    (void)snprintf(p.addr, sizeof(p.addr), "%s",
                   covey_listener_addr(p.listener) + strlen("tcp://"));
    (void)snprintf(url, sizeof(url), "redis://%s?sentinel=shop", p.addr);
    GO(g, play, &p);
    OK(covey_redis_open(ctx, &r, url, &opts));
    CHECK_EQ(covey_redis_command(ctx, r, NULL, "PING"), -ENOTCONN);
    CHECK(strstr(covey_errmsg(), "it is no master, or not yet"));
    p.role = "$6\r\nmaster";
    OK(covey_redis_command(ctx, r, NULL, "PING"));
    covey_redis_close(r);
    r = NULL;
    p.role = "-NOPERM this user may not"; /* who may not ask takes the sentinel's word */
    OK(covey_redis_open(ctx, &r, url, &opts));
    OK(covey_redis_command(ctx, r, NULL, "PING"));
    covey_redis_close(r);
    covey_group_cancel(g, 0);
    JOIN(g);
    covey_listener_close(p.listener);
}
