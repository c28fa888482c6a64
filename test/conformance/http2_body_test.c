/* SPDX-License-Identifier: MIT
 * http2_body_test.c - bodies of HTTP/2: windows that grow for a handler that keeps up, and hold a
 * client back whose handler does not; headers behind a body. */
#include "h2_client.h"

#include <covey/http.h>

#define STREAM(n) (2 * (n) + 1) /* of the nth request, from 0 */
#define MIB ((int64_t)1 << 20)

/* ---- windows ---- */

/* Reads so many bytes, or all of a body, and waits until its gate is closed. */
struct reader {
    covey_chan *gate;
    int64_t most;
    atomic_llong total;
};

static int reads(covey_ctx *ctx, covey_http_server_request *req, covey_http_writer *w, void *arg)
{
    struct reader *r = arg;
    char buf[8192];
    int64_t total = 0;
    ssize_t n = 1;

    while (n > 0 && total < r->most) {
        n = covey_http_body_read(ctx, req, buf, sizeof(buf));
        total += n > 0 ? n : 0;
        atomic_fetch_add(&r->total, n > 0 ? n : 0);
    }
    int code = covey_chan_recv(ctx, r->gate, NULL);
    return code == COVEY_ECLOSED ? covey_http_respondf(ctx, w, 200, "done") : code;
}

/* Sends as much as the windows let through until the stream's, seen from here, is as wide as that
 * at once, or `most` bytes were sent. How wide it was at most. */
static int64_t widen(struct peer *p, int32_t id, int64_t wide, int64_t most)
{
    int64_t sent = 0, widest = 0, *room = &p->stream_room[id / 2 % ANSWERS];

    while (sent < most && widest < wide) {
        widest = *room > widest ? *room : widest;
        sent += (int64_t)say_data(p, id, (size_t)(most - sent));
        sound(p); /* and hears what has come before its answer */
    }
    return widest;
}

TASK_TEST(a_window_grows_for_a_handler_that_keeps_up)
{
    struct reader r = {.gate = covey_chan_new(0, 0), .most = INT64_MAX};
    struct site s = {.handler = reads, .arg = &r, .opts.max_body = COVEY_HTTP_UNLIMITED};
    site_open(&s);

    struct peer *p = peer_open(&s);
    ask(p, 1, 0, "POST", "/", "");
    CHECK(widen(p, 1, MIB / 2 + 1, 64 * MIB) > MIB / 2);
    CHECK(widen(p, 1, INT64_MAX, 8 * MIB) <= MIB); /* and no further */
    frame(p, DATA, END_STREAM, 1, NULL, 0);
    CHECK_EQ(covey_chan_close(r.gate), 0);
    CHECK_EQ(hear_answer(p, 1)->status, 200);
    peer_close(p);
    CHECK_EQ(site_close(&s), 0);
    covey_chan_unref(r.gate);
}

TASK_TEST(a_window_does_not_grow_if_it_is_not_to)
{
    struct reader r = {.gate = covey_chan_new(0, 0), .most = INT64_MAX};
    struct site s = {.handler = reads,
                     .arg = &r,
                     .opts = {.max_body = COVEY_HTTP_UNLIMITED, .max_stream_window = 65536}};
    site_open(&s);

    struct peer *p = peer_open(&s);
    ask(p, 1, 0, "POST", "/", "");
    CHECK(widen(p, 1, INT64_MAX, 4 * MIB) <= 65536);
    CHECK_EQ(covey_chan_close(r.gate), 0);
    peer_close(p);
    CHECK_EQ(site_close(&s), 0);
    covey_chan_unref(r.gate);
}

TASK_TEST(a_handler_that_stops_reading_stops_its_client)
{
    struct reader r = {.gate = covey_chan_new(0, 0), .most = 4 * MIB};
    struct site s = {.handler = reads, .arg = &r, .opts.max_body = COVEY_HTTP_UNLIMITED};
    int64_t sent = 0;
    site_open(&s);

    struct peer *p = peer_open(&s);
    ask(p, 1, 0, "POST", "/", "");
    while (atomic_load(&r.total) < r.most) {
        sent += (int64_t)say_data(p, 1, (size_t)MIB);
        sound(p);
    }
    sound(p);
    for (size_t more = 1; more > 0; sent += (int64_t)more) {
        more = say_data(p, 1, 64 * (size_t)MIB);
        sound(p);
    }
    int64_t ahead = sent - atomic_load(&r.total);
    CHECK(ahead > WINDOW && ahead <= MIB);
    CHECK_EQ(covey_chan_close(r.gate), 0);
    CHECK_EQ(hear_answer(p, 1)->status, 200);
    peer_close(p);
    CHECK_EQ(site_close(&s), 0);
    covey_chan_unref(r.gate);
}

/* Beyond what each begins with, all of a connection have four times max_stream_window; what one
 * had that has ended is another's. */
TASK_TEST(windows_of_many_streams_have_a_bound_in_all)
{
    enum { MANY = 20 };
    struct reader r = {.gate = covey_chan_new(0, 0), .most = INT64_MAX};
    struct site s = {.handler = reads, .arg = &r, .opts.max_body = COVEY_HTTP_UNLIMITED};
    site_open(&s);

    struct peer *p = peer_open(&s);
    int64_t beyond = 0;
    for (int i = 0; i < MANY; i++) {
        ask(p, STREAM(i), 0, "POST", "/", "");
        beyond += widen(p, STREAM(i), INT64_MAX, 4 * MIB) - WINDOW;
    }
    CHECK(beyond > MIB && beyond <= 4 * MIB);
    for (int i = 0; i < MANY; i++) {
        frame_word(p, RST_STREAM, STREAM(i), NGHTTP2_CANCEL);
    }
    await_running(&s, 0);
    ask(p, STREAM(MANY), 0, "POST", "/", "");
    CHECK(widen(p, STREAM(MANY), MIB / 2 + 1, 64 * MIB) > MIB / 2);
    peer_close(p);
    CHECK_EQ(site_close(&s), 0);
    covey_chan_unref(r.gate);
}

/* ---- trailers ---- */

static const char *or_none(const char *text)
{
    return text ? text : "-";
}

/* The request's trailers as the body, and as one of the answer's. */
static int tells(covey_ctx *ctx, covey_http_server_request *req, covey_http_writer *w, void *arg)
{
    char buf[64];
    ssize_t n;

    (void)arg;
    while ((n = covey_http_body_read(ctx, req, buf, sizeof(buf))) > 0) {
        CHECK(!covey_http_request_trailer(req, "x-sum"));
    }
    if (n < 0) {
        return (int)n;
    }
    const char *sum = or_none(covey_http_request_trailer(req, "X-Sum"));
    CHECK_EQ(covey_http_set_trailer(w, "X-Sum", sum), 0);
    if (strcmp(req->path, "/empty") == 0) {
        return 0;
    }
    if (strcmp(req->path, "/pieces") == 0) {
        CHECK_EQ(covey_http_write(ctx, w, "begin ", 6), 6);
        CHECK_EQ(covey_http_flush(ctx, w), 0);
        CHECK_EQ(covey_http_set_trailer(w, "X-Late", "yes"), 0);
        return 0;
    }
    return covey_http_respondf(ctx, w, 200, "sum=%s", sum);
}

static void trailer(struct peer *p, int32_t id, const char *fields)
{
    char block[4096];

    frame(p, HEADERS, END_STREAM | END_HEADERS, id, block, fields_write(block, fields));
}

TASK_TEST(trailers_come_and_go)
{
    struct site s = {.handler = tells};
    site_open(&s);

    struct peer *p = peer_open(&s);
    ask(p, 1, 0, "POST", "/", "");
    frame(p, DATA, 0, 1, "abc", 3);
    trailer(p, 1, "x-sum: 12\n");
    struct answer *a = hear_answer(p, 1);
    CHECK_STR(a->body, "sum=12");
    CHECK_EQ(count_of(a->head, "x-sum: 12\n"), 1);
    CHECK_EQ(count_of(a->head, "content-length: 6\n"), 1);
    ask(p, 3, 0, "POST", "/pieces", "");
    trailer(p, 3, "x-other: 1\nx-sum: 13\n"); /* no body at all */
    a = hear_answer(p, 3);
    CHECK_STR(a->body, "begin ");
    CHECK_EQ(count_of(a->head, "x-sum: 13\nx-late: yes\n"), 1);
    get2(p, 5, "/empty");
    a = hear_answer(p, 5);
    CHECK_EQ(a->status, 200);
    CHECK_EQ(a->len, 0);
    CHECK_EQ(count_of(a->head, "x-sum: -\n"), 1);
    ask(p, 7, END_STREAM, "HEAD", "/", "");
    a = hear_answer(p, 7);
    CHECK_EQ(a->status, 200);
    CHECK_EQ(count_of(a->head, "x-sum"), 0);
    peer_close(p);
    CHECK_EQ(site_close(&s), 0);
}

TASK_TEST(trailers_that_are_too_large_are_413_and_malformed_ones_a_reset)
{
    struct site s = {.handler = tells, .opts.max_header_size = 2048};
    char large[3000];
    site_open(&s);

    struct peer *p = peer_open(&s);
    ask(p, 1, 0, "POST", "/", "");
    (void)snprintf(large, sizeof(large), "x-sum: %02500d\n", 1);
    trailer(p, 1, large);
    CHECK_EQ(hear_answer(p, 1)->status, 413);
    static const char *const bad[] = {":path: /\n", "X-Sum: 1\n", "x sum: 1\n", "te: x\n"};
    for (int i = 0; i < 4; i++) {
        ask(p, STREAM(1 + i), 0, "POST", "/", "");
        trailer(p, STREAM(1 + i), bad[i]);
        CHECK(hear_answer(p, STREAM(1 + i))->is_reset);
    }
    ask(p, 11, 0, "POST", "/", "");
    char block[64];
    frame(p, HEADERS, END_HEADERS, 11, block, fields_write(block, "x-sum: 1\n")); /* no end */
    CHECK(hear_answer(p, 11)->is_reset);
    sound(p);
    peer_close(p);
    CHECK_EQ(site_close(&s), 0);
}

/* A block of them that does not end holds the connection no longer than a head does. */
TASK_TEST(trailers_that_do_not_end_end_the_connection)
{
    struct site s = {.handler = tells, .opts.header_timeout_ns = COVEY_SEC};
    char block[64];
    site_open(&s);

    struct peer *p = peer_open(&s);
    ask(p, 1, 0, "POST", "/", "");
    frame(p, HEADERS, END_STREAM, 1, block, fields_write(block, "x-sum: 1\n"));
    hear_end(p);
    peer_close(p);
    CHECK_EQ(site_close(&s), 0);
}
