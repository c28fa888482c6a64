/* SPDX-License-Identifier: MIT
 * http_tls_test.c - the HTTP server over TLS: what holds in clear text holds here, and no answer
 * that was cut looks whole. */
#include "http_tls.h"

#include <covey/http.h>
#include <covey/tls.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#define HOST "Host: shop.test\r\n"

static int who(covey_ctx *ctx, covey_http_server_request *req, covey_http_writer *w, void *arg)
{
    const covey_tls_info *info = covey_tls_info_of(covey_http_request_conn(req));

    (void)arg;
    CHECK(info);
    return covey_http_respondf(ctx, w, 200, "%s to %s", info->peer_subject, info->server_name);
}

/* Waits for the end of its context, or for its channel to be closed. */
struct wait {
    covey_chan *gate;
    atomic_int code;
};

static int waits(covey_ctx *ctx, covey_http_server_request *req, covey_http_writer *w, void *arg)
{
    struct wait *wait = arg;
    bool is_now = strcmp(req->path, "/now") == 0;
    int code = is_now ? COVEY_ECLOSED : covey_chan_recv(ctx, wait->gate, NULL);

    atomic_store(&wait->code, code);
    return code == COVEY_ECLOSED ? covey_http_respond(ctx, w, 200, NULL, "done", 4) : code;
}

/* How the stream ended: 0 or a code; the text as hear_all(). */
static int end_of(covey_conn *c, char *buf, size_t size)
{
    size_t len = 0;
    ssize_t n;

    while ((n = covey_read(NULL, c, buf + len, size - len - 1)) > 0) {
        len += (size_t)n;
    }
    buf[len] = '\0';
    return (int)n;
}

/* ---- requests ---- */

TASK_TEST(requests_are_answered_and_the_client_is_known)
{
    struct site s = {.handler = who};
    struct secure t;
    char buf[4096];
    secure_open(&t, &s, NULL, NULL);

    covey_conn *c = secure_dial(&t, &s);
    for (int i = 0; i < 3; i++) {
        say(c, "GET / HTTP/1.1\r\n" HOST "\r\n");
        hear_until(c, buf, sizeof(buf), "CN=alice to shop.test");
    }
    say(c, "GET / HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n");
    CHECK_EQ(end_of(c, buf, sizeof(buf)), 0);
    CHECK_EQ(status_in(buf), 200);
    covey_close(c);
    CHECK_EQ(secure_close(&t, &s), 0);
    CHECK_EQ(s.stats.requests, 4);
}

#define LARGE ((size_t)2 << 20)

static int send_large(covey_ctx *ctx, void *conn)
{
    char *data = calloc(1, LARGE);

    CHECK(data);
    memset(data, 'x', LARGE);
    CHECK_EQ(covey_write(ctx, conn, data, LARGE), (ssize_t)LARGE);
    free(data);
    return 0;
}

TASK_TEST(bodies_larger_than_all_buffers_go_both_ways_at_once)
{
    struct site s = {.handler = echo};
    struct secure t;
    char head[256];
    secure_open(&t, &s, "http/1.1", "http/1.1");

    covey_conn *c = secure_dial(&t, &s);
    (void)snprintf(head, sizeof(head), "POST / HTTP/1.0\r\n" HOST "Content-Length: %zu\r\n\r\n",
                   LARGE);
    say(c, head);
    covey_group *g = covey_group_new(NULL);
    GO(g, send_large, c);
    char *buf = malloc(LARGE + 4096);
    CHECK_EQ(end_of(c, buf, LARGE + 4096), 0);
    CHECK_EQ(strspn(strstr(buf, "\r\n\r\n") + 4, "x"), LARGE);
    free(buf);
    JOIN(g);
    covey_close(c);
    CHECK_EQ(secure_close(&t, &s), 0);
}

/* ---- ends ---- */

static int breaks(covey_ctx *ctx, covey_http_server_request *req, covey_http_writer *w, void *arg)
{
    (void)req;
    (void)arg;
    CHECK_EQ(covey_http_write(ctx, w, "some of it", 10), 10);
    CHECK_EQ(covey_http_flush(ctx, w), 0);
    return -EIO;
}

/* HTTP/1.0: the end of the stream is that of the body. */
TASK_TEST(an_answer_that_was_cut_has_no_goodbye)
{
    struct site s = {.handler = breaks};
    struct secure t;
    char buf[4096];
    secure_open(&t, &s, NULL, NULL);

    covey_conn *c = secure_dial(&t, &s);
    say(c, "GET / HTTP/1.0\r\n\r\n");
    CHECK(end_of(c, buf, sizeof(buf)) < 0);
    covey_close(c);
    CHECK_EQ(secure_close(&t, &s), 0);
    CHECK_EQ(s.stats.failed, 1);
}

TASK_TEST(a_body_that_ends_without_goodbye_has_ended_early)
{
    atomic_int code = 0;
    struct site s = {.handler = echo, .arg = &code, .opts.half_close = true};
    struct secure t;
    secure_open(&t, &s, NULL, NULL);

    covey_conn *c = secure_dial(&t, &s);
    say(c, "POST / HTTP/1.1\r\n" HOST "Content-Length: 100\r\n\r\nabc");
    await_running(&s, 1);
    CHECK_EQ(shutdown(covey_conn_fd(c), SHUT_WR), 0);
    char *text = hear_all(c);
    CHECK_EQ(atomic_load(&code), -ECONNRESET);
    free(text);
    covey_close(c);
    CHECK_EQ(secure_close(&t, &s), 0);
}

TASK_TEST(the_context_ends_when_the_client_goes_away)
{
    struct wait wait = {.gate = covey_chan_new(0, 0)};
    struct site s = {.handler = waits, .arg = &wait};
    struct secure t;
    secure_open(&t, &s, NULL, NULL);

    covey_conn *c = secure_dial(&t, &s);
    say(c, "GET / HTTP/1.1\r\n" HOST "\r\n");
    await_running(&s, 1);
    covey_close(c);
    await_running(&s, 0);
    CHECK_EQ(atomic_load(&wait.code), COVEY_ECANCELED);
    CHECK_EQ(secure_close(&t, &s), 0);
    CHECK_EQ(s.stats.gone, 1);
    covey_chan_unref(wait.gate);
}

/* ---- time-outs ---- */

/* What is said over one connection, until the server closes it, gets this status. */
static void check_time_out(covey_http_server_options opts, const char *said, int status)
{
    struct site s = {.handler = echo, .opts = opts};
    struct secure t;
    char buf[4096];
    secure_open(&t, &s, NULL, NULL);

    covey_conn *c = secure_dial(&t, &s);
    say(c, said);
    CHECK_EQ(end_of(c, buf, sizeof(buf)), 0);
    CHECK_EQ(status_in(buf), status);
    covey_close(c);
    CHECK_EQ(secure_close(&t, &s), 0);
}

TASK_TEST(time_outs_are_told_as_in_clear_text)
{
    /* The handshake is within the first, and takes its time. */
    check_time_out((covey_http_server_options){.header_timeout_ns = COVEY_SEC},
                   "GET / HTTP/1.1\r\n", 408);
    check_time_out((covey_http_server_options){.io_timeout_ns = 100 * COVEY_MS},
                   "POST / HTTP/1.1\r\n" HOST "Content-Length: 10\r\n\r\nabc", 408);
    check_time_out((covey_http_server_options){.idle_timeout_ns = 100 * COVEY_MS},
                   "GET / HTTP/1.1\r\n" HOST "\r\n", 200);
}

TASK_TEST(a_client_that_never_reads_is_given_up)
{
    atomic_int code = 0;
    struct site s = {.handler = pour, .arg = &code, .opts.io_timeout_ns = 100 * COVEY_MS};
    struct secure t;
    secure_open(&t, &s, NULL, NULL);

    covey_conn *c = secure_dial(&t, &s);
    say(c, "GET / HTTP/1.1\r\n" HOST "\r\n");
    while (atomic_load(&code) == 0) {
        covey_yield();
    }
    CHECK_EQ(atomic_load(&code), -ETIMEDOUT);
    covey_close(c);
    CHECK_EQ(secure_close(&t, &s), 0);
}

/* ---- handshakes ---- */

static uint64_t wrap_failures(struct site *s)
{
    return site_stats(s).wrap_failures;
}

TASK_TEST(a_handshake_that_fails_is_counted_and_hurts_nobody)
{
    struct site s = {.handler = who};
    struct secure t;
    secure_open(&t, &s, NULL, NULL);

    covey_conn *good = secure_dial(&t, &s);
    covey_conn *bad = dial(&s);
    say(bad, "GET / HTTP/1.1\r\n" HOST "\r\n");
    char *text = hear_all(bad);
    CHECK_EQ(status_in(text), 0);
    free(text);
    covey_close(bad);
    bad = dial(&s);
    covey_close(bad);
    while (wrap_failures(&s) < 2) {
        covey_yield();
    }
    char buf[4096];
    say(good, "GET / HTTP/1.1\r\n" HOST "\r\n");
    hear_until(good, buf, sizeof(buf), "CN=alice");
    covey_close(good);
    CHECK_EQ(secure_close(&t, &s), 0);
    CHECK_EQ(s.stats.requests, 1);
}

TASK_TEST(a_handshake_that_stands_still_ends_with_the_time_for_a_head)
{
    struct site s = {.handler = who, .opts.header_timeout_ns = 100 * COVEY_MS};
    struct secure t;
    secure_open(&t, &s, NULL, NULL);

    covey_conn *c = dial(&s);
    say_bytes(c, "\x16\x03\x01", 3);
    char *text = hear_all(c);
    CHECK_EQ(*text, 0);
    free(text);
    covey_close(c);
    while (wrap_failures(&s) < 1) {
        covey_yield();
    }
    CHECK_EQ(secure_close(&t, &s), 0);
}

TASK_TEST(a_drain_ends_handshakes_and_idle_connections_and_answers_what_runs)
{
    struct wait wait = {.gate = covey_chan_new(0, 0)};
    struct site s = {.handler = waits,
                     .arg = &wait,
                     .opts = {.header_timeout_ns = COVEY_HTTP_UNLIMITED,
                              .idle_timeout_ns = COVEY_HTTP_UNLIMITED,
                              .grace_ns = 600 * COVEY_SEC}};
    struct secure t;
    char buf[4096];
    secure_open(&t, &s, NULL, NULL);

    covey_conn *shaking = dial(&s), *idle = secure_dial(&t, &s), *busy = secure_dial(&t, &s);
    say(idle, "GET /now HTTP/1.1\r\n" HOST "\r\n"); /* its handshake has ended here too */
    hear_until(idle, buf, sizeof(buf), "done");
    say(busy, "GET / HTTP/1.1\r\n" HOST "\r\n");
    await_running(&s, 1);
    covey_ctx_cancel(s.ctx);
    (void)end_of(shaking, buf, sizeof(buf));
    CHECK_EQ(end_of(idle, buf, sizeof(buf)), 0);
    CHECK_STR(buf, "");
    CHECK_EQ(covey_chan_close(wait.gate), 0);
    CHECK_EQ(end_of(busy, buf, sizeof(buf)), 0);
    CHECK_EQ(status_in(buf), 200);
    CHECK_EQ(count_of(buf, "\r\nConnection: close\r\n"), 1);
    covey_close(shaking);
    covey_close(idle);
    covey_close(busy);
    CHECK_EQ(secure_close(&t, &s), 0);
    covey_chan_unref(wait.gate);
}
