/* SPDX-License-Identifier: MIT
 * http_upstream_test.c - the HTTP client against a server that lies, breaks off or talks nonsense.
 *
 * A row of the table says what the server sends to each request, in which pieces, and how it ends;
 * and what the client must answer. Each is asked for alone, by a crowd, and with a client whose
 * deadline comes in the middle. After that no connection, descriptor or task is left, and the same
 * client gets a good answer from a good server. */
#include "harness.h"
#include "view.h"

#include <covey.h>
#include <covey/http.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum ending { KEEPS_OPEN, CLOSES, RESETS };

struct upstream {
    const char *says;
    size_t len;
    const char *again; /* and then this without end; NULL: nothing */
    bool is_slow;      /* byte by byte */
    enum ending ending;
    /* What the client makes of it. */
    int code;
    const char *body; /* if it is a success */
};

#define SAYS(text) .says = (text), .len = sizeof(text) - 1
#define OK_HEAD "HTTP/1.1 200 OK\r\n"

static const struct upstream good = {SAYS(OK_HEAD "Content-Length: 5\r\n\r\nhello"),
                                     .body = "hello"};

struct server {
    const struct upstream *upstream;
    covey_listener *listener;
    covey_group *group;
    char url[64];
};

struct visit {
    const struct upstream *upstream;
    covey_conn *conn;
};

static int say(covey_ctx *ctx, covey_conn *c, const struct upstream *u)
{
    size_t piece = u->is_slow ? 1 : u->len;
    ssize_t n = 0;

    for (size_t done = 0; done < u->len && n >= 0; done += piece) {
        n = covey_write(ctx, c, u->says + done, piece);
        covey_yield();
    }
    while (u->again && n >= 0) {
        n = covey_write(ctx, c, u->again, strlen(u->again));
        covey_yield();
    }
    return n < 0 ? (int)n : 0;
}

/* Requests have no body, and one is small enough to come at once or in a few pieces. */
static int read_request(covey_ctx *ctx, covey_conn *c)
{
    char buf[4096];
    size_t len = 0;

    while (len < 4 || memcmp(buf + len - 4, "\r\n\r\n", 4) != 0) {
        ssize_t n = covey_read(ctx, c, buf + len, sizeof(buf) - len);
        if (n <= 0) {
            return n < 0 ? (int)n : COVEY_ECLOSED;
        }
        len += (size_t)n;
    }
    return 0;
}

static int serve_visit(covey_ctx *ctx, void *arg)
{
    struct visit *v = arg;
    const struct linger reset = {.l_onoff = 1};
    int code = 0;

    do {
        code = read_request(ctx, v->conn);
        code = code < 0 ? code : say(ctx, v->conn, v->upstream);
    } while (code == 0 && v->upstream->ending == KEEPS_OPEN);
    if (v->upstream->ending == RESETS) {
        (void)setsockopt(covey_conn_fd(v->conn), SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    }
    covey_close(v->conn);
    return 0;
}

static int serve(covey_ctx *ctx, void *arg)
{
    struct server *s = arg;
    covey_group *visits = covey_group_new(ctx);
    struct visit v = {.upstream = s->upstream};

    while (covey_accept(ctx, s->listener, &v.conn) == 0) {
        CHECK_EQ(covey_group_go_copy(visits, serve_visit, &v, sizeof(v)), 0);
    }
    covey_group_cancel(visits, 0);
    return covey_group_wait(visits);
}

static void start(covey_ctx *ctx, struct server *s, const struct upstream *u)
{
    s->upstream = u;
    CHECK_EQ(covey_listen(&s->listener, "tcp://127.0.0.1:0", NULL), 0);
    (void)snprintf(s->url, sizeof(s->url), "http%s/", covey_listener_addr(s->listener) + 3);
    s->group = covey_group_new(ctx);
    CHECK_EQ(covey_group_go(s->group, serve, s), 0);
}

static void stop(struct server *s)
{
    covey_group_cancel(s->group, 0);
    CHECK_EQ(covey_group_wait(s->group), 0);
    covey_listener_close(s->listener);
}

struct question {
    covey_http_client *client;
    const struct server *server;
};

/* Asks once and compares with the row. */
static int ask(covey_ctx *ctx, void *arg)
{
    const struct question *q = arg;
    const struct upstream *u = q->server->upstream;
    covey_http_response r;

    int code = covey_http_get(ctx, q->client, q->server->url, &r);
    if (code != u->code) {
        fprintf(stderr, "# %s\n", covey_errmsg());
    }
    CHECK_EQ(code, u->code);
    if (code == 0) {
        CHECK_STR(r.body, u->body);
    } else {
        CHECK(strncmp(covey_errmsg(), "fetch http://127.0.0.1:", 23) == 0);
    }
    covey_http_response_free(&r);
    return 0;
}

/* The same with a deadline in the middle: either answer is right, nothing may be left. */
static void ask_hastily(covey_ctx *ctx, struct question *q)
{
    for (int i = 0; i < 20; i++) {
        covey_ctx *timed = covey_ctx_with_timeout(ctx, (i * 7919 % 1500) * COVEY_US);
        covey_http_response r;
        int code = covey_http_get(timed, q->client, q->server->url, &r);
        CHECK(code == COVEY_EDEADLINE || code == q->server->upstream->code);
        covey_http_response_free(&r);
        covey_ctx_unref(timed);
    }
}

static int meet(covey_ctx *ctx, void *arg)
{
    covey_http_client_options options = {.proxy = "", .max_body = 1 << 20};
    covey_http_client *client = covey_http_client_new(&options);
    struct server bad, fine;
    struct question q = {client, &bad}, again = {client, &fine};

    CHECK(client);
    start(ctx, &bad, arg);
    start(ctx, &fine, &good);
    CHECK_EQ(ask(ctx, &q), 0);
    covey_group *crowd = covey_group_new(ctx);
    for (int i = 0; i < 100; i++) {
        CHECK_EQ(covey_group_go(crowd, ask, &q), 0);
    }
    CHECK_EQ(covey_group_wait(crowd), 0);
    ask_hastily(ctx, &q);
    CHECK_EQ(ask(ctx, &again), 0);
    covey_http_client_free(client);
    stop(&bad);
    stop(&fine);
    return 0;
}

static void check_upstream(const struct upstream *u)
{
    int before = count_fds();

    CHECK_EQ(covey_run(meet, (void *)u), 0);
    CHECK_EQ(count_fds(), before);
}

#define UPSTREAM_TEST(test, ...)                                                                   \
    TEST(test)                                                                                     \
    {                                                                                              \
        static const struct upstream row = {__VA_ARGS__};                                          \
        check_upstream(&row);                                                                      \
    }

UPSTREAM_TEST(a_good_upstream_is_understood_byte_by_byte,
              SAYS(OK_HEAD "Content-Length: 5\r\n\r\nhello"), .is_slow = true, .body = "hello")
UPSTREAM_TEST(chunks_are_understood_byte_by_byte,
              SAYS(OK_HEAD
                   "Transfer-Encoding: chunked\r\n\r\n3;x=y\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n"),
              .is_slow = true, .body = "hello")
UPSTREAM_TEST(interim_responses_and_trailers_are_understood_byte_by_byte,
              SAYS("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" OK_HEAD
                   "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: y\r\n\r\n"),
              .is_slow = true, .body = "hello")
UPSTREAM_TEST(a_close_within_the_trailers_is_a_reset,
              SAYS(OK_HEAD "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: y\r\n"),
              .ending = CLOSES, .code = -ECONNRESET)
UPSTREAM_TEST(a_close_without_an_answer_is_a_reset, SAYS(""), .ending = CLOSES, .code = -ECONNRESET)
UPSTREAM_TEST(a_reset_without_an_answer_is_a_reset, SAYS(""), .ending = RESETS, .code = -ECONNRESET)
UPSTREAM_TEST(a_close_within_the_body_is_a_reset, SAYS(OK_HEAD "Content-Length: 500\r\n\r\nhello"),
              .ending = CLOSES, .code = -ECONNRESET)
UPSTREAM_TEST(a_close_within_a_chunk_is_a_reset,
              SAYS(OK_HEAD "Transfer-Encoding: chunked\r\n\r\nff\r\nhello"), .ending = CLOSES,
              .code = -ECONNRESET)
UPSTREAM_TEST(what_comes_after_the_announced_body_is_not_part_of_it,
              SAYS(OK_HEAD "Content-Length: 5\r\n\r\nhello, world"), .ending = CLOSES,
              .body = "hello")
UPSTREAM_TEST(a_negative_length_breaks_the_protocol,
              SAYS(OK_HEAD "Content-Length: -5\r\n\r\nhello"), .ending = CLOSES,
              .code = COVEY_EPROTO)
UPSTREAM_TEST(a_length_that_is_no_number_breaks_the_protocol,
              SAYS(OK_HEAD "Content-Length: five\r\n\r\nhello"), .ending = CLOSES,
              .code = COVEY_EPROTO)
UPSTREAM_TEST(a_nul_in_the_head_breaks_the_protocol,
              SAYS(OK_HEAD "X-Odd: a\0b\r\nContent-Length: 5\r\n\r\nhello"), .ending = CLOSES,
              .code = COVEY_EPROTO)
UPSTREAM_TEST(a_chunk_size_that_is_no_number_breaks_the_protocol,
              SAYS(OK_HEAD "Transfer-Encoding: chunked\r\n\r\nzwei\r\nhello\r\n0\r\n\r\n"),
              .ending = CLOSES, .code = COVEY_EPROTO)
UPSTREAM_TEST(a_chunk_size_beyond_all_bounds_breaks_the_protocol,
              SAYS(OK_HEAD "Transfer-Encoding: chunked\r\n\r\n"
                           "fffffffffffffffffffff\r\nhello\r\n0\r\n\r\n"),
              .ending = CLOSES, .code = COVEY_EPROTO)
UPSTREAM_TEST(a_chunk_longer_than_its_size_breaks_the_protocol,
              SAYS(OK_HEAD "Transfer-Encoding: chunked\r\n\r\n3\r\nhello\r\n0\r\n\r\n"),
              .ending = CLOSES, .code = COVEY_EPROTO)
UPSTREAM_TEST(garbage_in_place_of_chunks_breaks_the_protocol,
              SAYS(OK_HEAD "Transfer-Encoding: chunked\r\n\r\n<html>oops</html>"), .ending = CLOSES,
              .code = COVEY_EPROTO)
UPSTREAM_TEST(two_lengths_break_the_protocol,
              SAYS(OK_HEAD "Content-Length: 7\r\nContent-Length: 5\r\n\r\nhello"),
              .code = COVEY_EPROTO)
UPSTREAM_TEST(a_list_of_lengths_breaks_the_protocol,
              SAYS(OK_HEAD "Content-Length: 5, 7\r\n\r\nhello"), .code = COVEY_EPROTO)
UPSTREAM_TEST(the_same_length_twice_is_one,
              SAYS(OK_HEAD "Content-Length: 5\r\n"
                           "Content-Length: 5\r\n\r\nhello"),
              .body = "hello")
UPSTREAM_TEST(chunks_win_over_a_length,
              SAYS(OK_HEAD "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"
                           "5\r\nhello\r\n0\r\n\r\n"),
              .ending = CLOSES, .body = "hello")
UPSTREAM_TEST(an_answer_that_is_not_http_breaks_the_protocol, SAYS("SSH-2.0-OpenSSH_9.2\r\n"),
              .ending = CLOSES, .code = COVEY_EPROTO)

#define TIMES_4(text) text text text text
#define TIMES_256(text) TIMES_4(TIMES_4(TIMES_4(TIMES_4(text))))

UPSTREAM_TEST(a_head_without_end_is_too_large, SAYS(OK_HEAD),
              .again = TIMES_256("X-More: of the same\r\n"), .ending = CLOSES,
              .code = COVEY_ETOOLARGE)
UPSTREAM_TEST(lines_that_are_no_headers_break_the_protocol, SAYS(OK_HEAD),
              .again = TIMES_256("more of the same\r\n"), .ending = CLOSES, .code = COVEY_EPROTO)
UPSTREAM_TEST(a_line_without_end_is_too_large, SAYS(OK_HEAD "X: "), .again = TIMES_256("more "),
              .ending = CLOSES, .code = COVEY_ETOOLARGE)
UPSTREAM_TEST(interim_responses_without_end_are_too_large,
              SAYS("HTTP/1.1 103 Wait\r\nX: y\r\n\r\n"),
              .again = TIMES_256("HTTP/1.1 102 Wait\r\n\r\n"), .ending = CLOSES,
              .code = COVEY_ETOOLARGE)
UPSTREAM_TEST(trailers_without_end_are_too_large,
              SAYS(OK_HEAD "Transfer-Encoding: chunked\r\n\r\n0\r\n"),
              .again = TIMES_256("X-More: of the same\r\n"), .ending = CLOSES,
              .code = COVEY_ETOOLARGE)
UPSTREAM_TEST(a_trailer_without_end_is_too_large,
              SAYS(OK_HEAD "Transfer-Encoding: chunked\r\n\r\n0\r\nX: "),
              .again = TIMES_256("more "), .ending = CLOSES, .code = COVEY_ETOOLARGE)
UPSTREAM_TEST(what_is_compressed_stays_so,
              SAYS(OK_HEAD "Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello"),
              .body = "hello")
UPSTREAM_TEST(a_body_without_end_is_too_large, SAYS(OK_HEAD "Transfer-Encoding: chunked\r\n\r\n"),
              .again = "1000\r\n" TIMES_256("0123456789abcdef") "\r\n", .ending = CLOSES,
              .code = COVEY_ETOOLARGE)

/* A crowd asks, until its deadline. */
static int meet_silence(covey_ctx *ctx, void *arg)
{
    covey_ctx *timed = covey_ctx_with_timeout(ctx, 50 * COVEY_MS);
    covey_http_client_options options = {.proxy = ""};
    struct server s;
    struct question q = {covey_http_client_new(&options), &s};

    CHECK(q.client);
    start(ctx, &s, arg);
    covey_group *crowd = covey_group_new(timed);
    for (int i = 0; i < 100; i++) {
        CHECK_EQ(covey_group_go(crowd, ask, &q), 0);
    }
    CHECK_EQ(covey_group_wait(crowd), 0);
    covey_ctx_unref(timed);
    covey_http_client_free(q.client);
    stop(&s);
    return 0;
}

static void check_deadline(const struct upstream *u)
{
    int before = count_fds();

    CHECK_EQ(covey_run(meet_silence, (void *)u), 0);
    CHECK_EQ(count_fds(), before);
}

TEST(an_upstream_that_hangs_is_left_at_the_deadline)
{
    static const struct upstream silent = {SAYS(""), .code = COVEY_EDEADLINE};

    check_deadline(&silent);
}

TEST(an_upstream_that_drips_for_ever_is_left_at_the_deadline)
{
    static const struct upstream drips = {SAYS(OK_HEAD "Content-Length: 50000000\r\n\r\n"),
                                          .again = "x", .code = COVEY_EDEADLINE};

    check_deadline(&drips);
}
