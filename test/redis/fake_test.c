/* SPDX-License-Identifier: MIT
 * fake_test.c - a server that answers by a script: byte by byte, in halves, with garbage, and with
 * a hang-up after every byte. */
#include "server.h"

#include <covey/net.h>
#include <covey/redis.h>

/* Answers the greeting, then what the test says. */
struct fake {
    covey_listener *listener;
    char url[COVEY_ADDR_SIZE];
    const char *answer;
    size_t len;        /* of it, to send */
    bool by_bytes;     /* one write each, with others' turns between */
    bool stays;        /* does not hang up after it */
    size_t half;       /* so many bytes are sent first, */
    covey_chan *go_on; /* and the rest when this says so */
    atomic_int served;
};

/* Reads one command of n words, all of them short. */
static bool hear(covey_ctx *ctx, covey_conn *c)
{
    char buf[512];
    size_t len = 0;

    for (;;) {
        ssize_t n = covey_read(ctx, c, buf + len, sizeof(buf) - 1 - len);
        if (n <= 0) {
            return false;
        }
        len += (size_t)n;
        buf[len] = '\0';
        int lines = 0;
        for (size_t i = 0; i < len; i++) {
            lines += buf[i] == '\n';
        }
        if (lines >= 1 + 2 * (buf[1] - '0')) {
            return true;
        }
    }
}

static void say(covey_ctx *ctx, covey_conn *c, const char *text, size_t len, bool by_bytes)
{
    for (size_t i = 0; i < len; i += by_bytes ? 1 : len) {
        if (covey_write(ctx, c, text + i, by_bytes ? 1 : len) < 0) {
            return;
        }
        covey_yield();
    }
}

static void serve(covey_ctx *ctx, struct fake *f, covey_conn *c)
{
    char rest[64];

    if (!hear(ctx, c)) {
        return;
    }
    say(ctx, c, "+PONG\r\n", 7, f->by_bytes);
    if (!hear(ctx, c)) {
        return;
    }
    size_t first = f->go_on ? f->half : f->len;
    say(ctx, c, f->answer, first, f->by_bytes);
    atomic_fetch_add(&f->served, 1);
    if (f->go_on && covey_chan_recv(ctx, f->go_on, NULL) == 0) {
        say(ctx, c, f->answer + first, f->len - first, f->by_bytes);
    }
    while (f->stays && covey_read(ctx, c, rest, sizeof(rest)) > 0) {
    }
}

static int accept_all(covey_ctx *ctx, void *arg)
{
    struct fake *f = arg;
    covey_conn *c;

    while (covey_accept(ctx, f->listener, &c) == 0) {
        serve(ctx, f, c);
        covey_close(c);
    }
    return 0;
}

static void fake_start(covey_group *g, struct fake *f)
{
    OK(covey_listen(&f->listener, "tcp://127.0.0.1:0", NULL));
    (void)snprintf(f->url, sizeof(f->url), "redis://%s",
                   covey_listener_addr(f->listener) + strlen("tcp://"));
    GO(g, accept_all, f);
}

static void fake_end(covey_group *g, struct fake *f)
{
    covey_group_cancel(g, 0);
    JOIN(g);
    covey_listener_close(f->listener);
}

/* What the first command on a lazy handle gets for this answer. */
static int ask_fake(covey_ctx *ctx, struct fake *f, const char *answer, size_t len,
                    covey_redis_reply **reply, size_t max_reply)
{
    covey_redis_options opts = {.lazy = true, .max_reply = max_reply};
    covey_group *g = covey_group_new(ctx);
    covey_redis *r = NULL;

    f->answer = answer;
    f->len = len;
    fake_start(g, f);
    OK(covey_redis_open(ctx, &r, f->url, &opts));
    int code = covey_redis_command(ctx, r, reply, "GET k");
    char *words = strdup(covey_errmsg());
    covey_redis_close(r);
    fake_end(g, f);
    code = code < 0 ? covey_errorf(code, "%s", words) : code;
    free(words);
    return code;
}

static const char array[] = "*4\r\n$5\r\na\r\nbc\r\n:-12\r\n$-1\r\n*2\r\n+OK\r\n-ERR x\r\n";

TASK_TEST(a_reply_may_come_byte_by_byte)
{
    struct fake f = {.by_bytes = true};
    covey_redis_reply *reply = NULL;

    OK(ask_fake(ctx, &f, array, sizeof(array) - 1, &reply, 0));
    CHECK_EQ(reply->count, 4);
    CHECK_STR(covey_redis_text(covey_redis_at(reply, 0), NULL), "a\r\nbc");
    CHECK_EQ(covey_redis_at(reply, 1)->integer, -12);
    CHECK(covey_redis_is_nil(covey_redis_at(reply, 2)));
    CHECK_EQ(covey_redis_at(covey_redis_at(reply, 3), 1)->type, COVEY_REDIS_ERROR);
    covey_redis_reply_free(reply);
}

TASK_TEST(a_hang_up_after_any_byte_is_a_lost_connection)
{
    for (size_t len = 0; len < sizeof(array) - 1; len++) {
        struct fake f = {.stays = false};
        covey_redis_reply *reply = NULL;
        CHECK_EQ(ask_fake(ctx, &f, array, len, &reply, 0), -ECONNRESET);
        CHECK(!reply);
    }
}

/* Of a cluster: the words name the node, and the kind can be told. */
TASK_TEST(a_redirection_is_a_refusal_that_names_the_node)
{
    static const char *const answers[] = {"-MOVED 3999 10.0.0.2:6379\r\n",
                                          "-ASK 3999 10.0.0.2:6379\r\n"};

    for (int i = 0; i < 2; i++) {
        struct fake f = {.stays = true};
        CHECK_EQ(ask_fake(ctx, &f, answers[i], strlen(answers[i]), NULL, 0), COVEY_EREDIS);
        CHECK(covey_redis_refused(i == 0 ? "MOVED" : "ASK"));
        CHECK(!covey_redis_refused("MOVE"));
        CHECK(strstr(covey_errmsg(), "(the key is on the cluster's node 10.0.0.2:6379: "));
    }
}

TASK_TEST(what_is_no_reply_is_a_broken_protocol)
{
    static const char deep[] = "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n";
    static const char *const garbage[] = {
        "HTTP/1.1 400 Bad Request\r\n\r\n", "?\r\n", "\r\n\r\n", "$x", "*-7\r\n", deep};

    for (size_t i = 0; i < sizeof(garbage) / sizeof(*garbage); i++) {
        struct fake f = {.stays = i != 3};
        int code = ask_fake(ctx, &f, garbage[i], strlen(garbage[i]), NULL, 0);
        if (code != (i == 3 ? -ECONNRESET : COVEY_EPROTO)) {
            fprintf(stderr, "# %zu: %d %s\n", i, code, covey_errmsg());
        }
        CHECK_EQ(code, i == 3 ? -ECONNRESET : COVEY_EPROTO);
    }
}

TASK_TEST(two_replies_to_one_command_are_a_broken_protocol)
{
    struct fake f = {.stays = true};
    covey_redis_options opts = {.lazy = true};
    covey_group *g = covey_group_new(ctx);
    covey_redis *r = NULL;

    f.answer = "+A\r\n+B\r\n";
    f.len = 8;
    fake_start(g, &f);
    OK(covey_redis_open(ctx, &r, f.url, &opts));
    int code = covey_redis_command(ctx, r, NULL, "GET k");
    CHECK_EQ(code, 0); /* its own came first */
    while (stats_of(r).lost == 0) {
        covey_yield();
    }
    covey_redis_close(r);
    fake_end(g, &f);
}

TASK_TEST(a_reply_beyond_the_limit_is_refused_before_it_is_kept)
{
    static const char *const large[] = {"$2000\r\n", "*1000000000\r\n", "*30\r\n*30\r\n",
                                        "*2000000\r\n:1\r\n"};
    char *text = calloc(1, 40000);

    CHECK(text);
    for (size_t i = 0; i < sizeof(large) / sizeof(*large); i++) {
        struct fake f = {.stays = true};
        size_t len = strlen(large[i]);
        memset(text, 'x', 20000);
        memcpy(text, large[i], len);
        CHECK_EQ(ask_fake(ctx, &f, text, i == 0 ? 20000 : len, NULL, 1000), COVEY_ETOOLARGE);
    }
    free(text);
}

struct call {
    covey_redis *r;
    covey_redis_reply *reply;
    int code;
};

static int get(covey_ctx *ctx, void *arg)
{
    struct call *c = arg;

    c->code = covey_redis_command(ctx, c->r, &c->reply, "GET k");
    return 0;
}

/* The rest of an abandoned reply is not the next command's, wherever it was cut. */
TASK_TEST(half_a_reply_belongs_to_the_command_that_left)
{
    static const char two[] = "$6\r\nfirst!\r\n$6\r\nsecond\r\n";

    for (size_t half = 1; half < 12; half++) {
        struct fake f = {.stays = true, .answer = two, .len = sizeof(two) - 1, .half = half};
        covey_redis_options opts = {.lazy = true};
        covey_group *g = covey_group_new(ctx), *left = covey_group_new(ctx);
        covey_group *calls = covey_group_new(ctx);
        struct call first = {0}, second = {0};

        f.go_on = covey_chan_new(0, 1);
        fake_start(g, &f);
        OK(covey_redis_open(ctx, &second.r, f.url, &opts));
        first.r = second.r;
        GO(left, get, &first);
        while (atomic_load(&f.served) == 0) { /* half of its reply is on its way */
            covey_yield();
        }
        covey_group_cancel(left, 0);
        JOIN(left);
        CHECK_EQ(first.code, COVEY_ECANCELED);
        uint64_t before = stats_of(second.r).writes;
        GO(calls, get, &second);
        while (stats_of(second.r).writes == before) {
            covey_yield();
        }
        OK(covey_chan_send(ctx, f.go_on, NULL));
        JOIN(calls);
        CHECK_EQ(second.code, 0);
        CHECK_STR(covey_redis_text(second.reply, NULL), "second");
        covey_redis_reply_free(second.reply);
        covey_redis_close(second.r);
        covey_chan_unref(f.go_on);
        fake_end(g, &f);
    }
}
