/* SPDX-License-Identifier: MIT
 * http2_tls_test.c - which protocol is spoken over TLS, and HTTP/2's ends there. */
#include "h2_client.h"
#include "http_tls.h"

#include <covey/http.h>
#include <covey/tls.h>
#include <openssl/ssl.h>

static int version(covey_ctx *ctx, covey_http_server_request *req, covey_http_writer *w, void *arg)
{
    const covey_tls_info *info = covey_tls_info_of(covey_http_request_conn(req));

    (void)arg;
    return covey_http_respondf(ctx, w, 200, "%d %s %s", req->http_version, info->alpn,
                               info->peer_subject);
}

static struct peer *secure_peer(struct secure *t, struct site *s)
{
    return peer_begin(peer_over(secure_dial(t, s)));
}

TASK_TEST(http_2_is_spoken_where_both_have_agreed_on_it)
{
    struct site s = {.handler = version};
    struct secure t;
    secure_open(&t, &s, covey_http_alpn(), "h2");

    struct peer *p = secure_peer(&t, &s);
    for (int i = 0; i < 10; i++) {
        get2(p, 2 * i + 1, "/");
    }
    for (int i = 0; i < 10; i++) {
        CHECK_STR(hear_answer(p, 2 * i + 1)->body, "20 h2 CN=alice");
    }
    covey_ctx_cancel(s.ctx);
    hear_end(p);
    CHECK(p->is_leaving);
    CHECK_EQ(covey_read(NULL, p->c, &(char){0}, 1), 0); /* with a goodbye */
    peer_close(p);
    CHECK_EQ(secure_close(&t, &s), 0);
    CHECK_EQ(s.stats.accepted, 1);
}

TASK_TEST(who_offers_http_1_only_gets_it_and_cannot_change_its_mind)
{
    struct site s = {.handler = version};
    struct secure t;
    char buf[1024];
    secure_open(&t, &s, covey_http_alpn(), "http/1.1");

    covey_conn *c = secure_dial(&t, &s);
    say(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    hear_until(c, buf, sizeof(buf), "11 http/1.1 CN=alice");
    covey_close(c);
    c = secure_dial(&t, &s);
    say_bytes(c, PREFACE, strlen(PREFACE));
    char *text = hear_all(c);
    CHECK(status_in(text) >= 400);
    free(text);
    covey_close(c);
    CHECK_EQ(secure_close(&t, &s), 0);
}

struct flow {
    atomic_int code, canceled;
};

/* Writes until it fails. */
static int pours(covey_ctx *ctx, covey_http_server_request *req, covey_http_writer *w, void *arg)
{
    static const char block[20000];
    struct flow *f = arg;
    ssize_t n;

    (void)req;
    do {
        n = covey_http_write(ctx, w, block, sizeof(block));
    } while (n > 0);
    atomic_store(&f->code, (int)n);
    return (int)n;
}

TASK_TEST(a_client_that_goes_away_in_the_middle_ends_what_is_written)
{
    struct flow f = {0};
    struct site s = {.handler = pours, .arg = &f};
    struct secure t;
    secure_open(&t, &s, covey_http_alpn(), "h2");

    struct peer *p = secure_peer(&t, &s);
    get2(p, 1, "/");
    while (answer_of(p, 1)->len < 100000) {
        CHECK(hear(p) >= 0);
    }
    peer_close(p);
    await_running(&s, 0);
    int code = atomic_load(&f.code);
    CHECK(code == COVEY_ECANCELED || code == -ECONNRESET || code == -EPIPE);
    CHECK_EQ(secure_close(&t, &s), 0);
}

TASK_TEST(an_idle_connection_is_told_before_it_is_closed)
{
    struct site s = {.handler = version, .opts.idle_timeout_ns = COVEY_SEC};
    struct secure t;
    secure_open(&t, &s, covey_http_alpn(), "h2");

    struct peer *p = secure_peer(&t, &s);
    get2(p, 1, "/");
    hear_answer(p, 1);
    hear_end(p);
    CHECK(p->is_leaving);
    CHECK_EQ(p->why, NGHTTP2_NO_ERROR);
    CHECK_EQ(p->last, 1);
    peer_close(p);
    CHECK_EQ(secure_close(&t, &s), 0);
}

/* ---- trailers, as covey's client gets them ---- */

/* "/N": a body of so many bytes, and two trailers. */
static int trails(covey_ctx *ctx, covey_http_server_request *req, covey_http_writer *w, void *arg)
{
    static const char body[100000];
    size_t len = strtoul(req->path + 1, NULL, 10);
    ssize_t n = covey_http_set_trailer(w, "X-Sum", "12");

    (void)arg;
    n = n < 0 ? n : covey_http_write(ctx, w, body, len);
    n = n < 0 ? n : covey_http_flush(ctx, w);
    return n < 0 ? (int)n : covey_http_set_trailer(w, "X-Late", "yes");
}

static int see_none(covey_ctx *ctx, const covey_http_response *resp, void *arg)
{
    (void)ctx;
    CHECK(!covey_http_response_header(resp, "X-Sum"));
    CHECK_EQ(resp->trailer_count, 0);
    ++*(int *)arg;
    return 0;
}

static int count_bytes(covey_ctx *ctx, const void *data, size_t len, void *arg)
{
    (void)ctx;
    (void)data;
    (void)len;
    (void)arg;
    return 0;
}

static void check_trailers(struct site *s, bool http1)
{
    static const char *const paths[] = {"/0", "/5", "/100000"};
    covey_http_client *c = covey_http_client_new(
        &(covey_http_client_options){.proxy = "", .insecure = true, .http1 = http1});
    char url[128];

    CHECK(c);
    for (int i = 0; i < 6; i++) {
        bool is_stream = i % 2;
        int heads = 0;
        covey_http_response r;
        (void)snprintf(url, sizeof(url), "https%s%s", covey_listener_addr(s->listener) + 3,
                       paths[i / 2]);
        covey_http_request req = {.url = url,
                                  .on_headers = is_stream ? see_none : NULL,
                                  .on_body = is_stream ? count_bytes : NULL,
                                  .body_arg = &heads};
        CHECK_EQ(covey_http_do(NULL, c, &req, &r), 0);
        CHECK_EQ(r.http_version, http1 ? 11 : 20);
        CHECK_EQ(r.len, strtoul(paths[i / 2] + 1, NULL, 10));
        CHECK_EQ(heads, is_stream);
        CHECK_EQ(r.trailer_count, 2);
        CHECK_STR(covey_http_response_trailer(&r, "x-SUM"), "12");
        CHECK_STR(covey_http_response_trailer(&r, "X-Late"), "yes");
        CHECK(!covey_http_response_header(&r, "X-Sum"));
        covey_http_response_free(&r);
    }
    covey_http_client_free(c);
}

TASK_TEST(a_client_gets_trailers_in_either_version)
{
    struct site s = {.handler = trails};
    struct secure t;
    secure_open(&t, &s, covey_http_alpn(), "h2");

    check_trailers(&s, false);
    check_trailers(&s, true);
    CHECK_EQ(secure_close(&t, &s), 0);
}
