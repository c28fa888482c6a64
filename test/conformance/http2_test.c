/* SPDX-License-Identifier: MIT
 * http2_test.c - what covey_http_serve() promises, over HTTP/2, seen by a client that sends frames.
 */
#include "h2_client.h"

#include <covey/http.h>

#include <unistd.h>

#define STREAM(n) (2 * (n) + 1) /* of the nth request, from 0 */

/* ---- handlers ---- */

/* What a request was, in words. */
static int tells(covey_ctx *ctx, covey_http_server_request *req, covey_http_writer *w, void *arg)
{
    const char *cookie = covey_http_request_header(req, "Cookie");
    const char *own = covey_http_request_header(req, "x-own");
    char q[16] = "";

    (void)arg;
    (void)covey_http_query_param(req, "q", q, sizeof(q));
    return covey_http_respondf(ctx, w, 200, "%s %s [%s] q=%s %s %d %lld %zu %s %s", req->method,
                               req->target, req->path, q, req->host, req->http_version,
                               (long long)req->content_length, req->header_count,
                               cookie ? cookie : "-", own ? own : "-");
}

/* Waits for the gate, or the end of its context. */
struct wait {
    covey_chan *gate;
    atomic_int canceled, cause;
};

static int waits(covey_ctx *ctx, covey_http_server_request *req, covey_http_writer *w, void *arg)
{
    struct wait *wait = arg;
    bool is_now = strcmp(req->path, "/now") == 0;
    int code = is_now ? COVEY_ECLOSED : covey_chan_recv(ctx, wait->gate, NULL);

    if (code == COVEY_ECLOSED) {
        return covey_http_respondf(ctx, w, 200, "%s", req->path);
    }
    atomic_store(&wait->cause, covey_ctx_cause(ctx));
    atomic_fetch_add(&wait->canceled, 1);
    return code;
}

/* By path: what a handler may do. */
static int does(covey_ctx *ctx, covey_http_server_request *req, covey_http_writer *w, void *arg)
{
    const char *path = req->path;

    (void)arg;
    if (strcmp(path, "/fails") == 0) {
        CHECK_EQ(covey_http_write(ctx, w, "secret", 6), 6);
        return -EIO;
    }
    if (strcmp(path, "/breaks") == 0) {
        CHECK_EQ(covey_http_write(ctx, w, "some", 4), 4);
        CHECK_EQ(covey_http_flush(ctx, w), 0);
        return -EIO;
    }
    if (strcmp(path, "/short") == 0) {
        CHECK_EQ(covey_http_set_header(w, "Content-Length", "10"), 0);
        CHECK_EQ(covey_http_write(ctx, w, "some", 4), 4);
        return 0;
    }
    if (strcmp(path, "/none") == 0) {
        return covey_http_respond(ctx, w, 204, NULL, NULL, 0);
    }
    if (strcmp(path, "/close") == 0) {
        CHECK_EQ(covey_http_set_header(w, "Connection", "close"), 0);
    }
    CHECK_EQ(covey_http_set_header(w, "X-Own", "first"), 0);
    CHECK_EQ(covey_http_add_header(w, "X-Own", "second"), 0);
    CHECK_EQ(covey_http_set_header(w, "Keep-Alive", "timeout=5"), 0);
    CHECK_EQ(covey_http_set_header(w, "Upgrade", "h3"), 0);
    return 0;
}

/* ---- requests and responses ---- */

TASK_TEST(a_request_is_told_as_it_was_meant)
{
    struct site s = {.handler = tells};
    struct peer *p = visit(&s);
    ask(p, 1, END_STREAM, "GET", "/a%20b?q=1+2",
        "x-own: me\ncookie: a=1\nuser-agent: test\ncookie: b=2\ncookie: c=3\n");
    struct answer *a = hear_answer(p, 1);
    CHECK_EQ(a->status, 200);
    CHECK_STR(a->body, "GET /a%20b?q=1+2 [/a b] q=1 2 x 20 0 3 a=1; b=2; c=3 me");
    CHECK(strstr(a->head, "content-type: text/plain; charset=utf-8\n"));
    CHECK(strstr(a->head, "content-length: 55\n"));
    CHECK_EQ(count_of(a->head, "date: "), 1);
    ask(p, 3, 0, "PUT", "/", "content-length: 2\nhost: x\n");
    frame(p, DATA, END_STREAM, 3, "ab", 2);
    CHECK_STR(hear_answer(p, 3)->body, "PUT / [/] q= x 20 2 2 - -");
    ask(p, 5, 0, "OPTIONS", "*", "");
    CHECK_STR(hear_answer(p, 5)->body, "OPTIONS * [*] q= x 20 -1 0 - -");
    part(p, &s);
    CHECK_EQ(s.stats.requests, 3);
    CHECK_EQ(s.stats.accepted, 1);
}

TASK_TEST(a_request_may_come_byte_by_byte)
{
    struct site s = {.handler = echo};
    char bytes[1024];
    site_open(&s);

    struct peer *p = peer_over(dial(&s));
    size_t n = strlen(PREFACE);
    memcpy(bytes, PREFACE, n);
    n += frame_write(bytes + n, SETTINGS, 0, 0, NULL, 0);
    char block[256];
    size_t len = fields_write(block, ":method: POST\n:scheme: http\n:authority: x\n:path: /\n");
    n += frame_write(bytes + n, HEADERS, 0, 1, block, len / 2);
    n += frame_write(bytes + n, CONTINUATION, END_HEADERS, 1, block + len / 2, len - len / 2);
    n += frame_write(bytes + n, DATA, PADDED, 1, "\3abcxyz", 7);
    n +=
        frame_write(bytes + n, HEADERS, END_STREAM | END_HEADERS, 1, "\0\1t\1v", 5); /* a trailer */
    p->stream_window[0] = WINDOW;
    for (size_t i = 0; i < n; i++) {
        say_bytes(p->c, bytes + i, 1);
        covey_yield();
    }
    CHECK_STR(hear_answer(p, 1)->body, "abc");
    part(p, &s);
}

TASK_TEST(responses_have_what_http_2_has_and_no_more)
{
    struct site s = {.handler = does};
    struct peer *p = visit(&s);
    get2(p, 1, "/");
    struct answer *a = hear_answer(p, 1);
    CHECK_EQ(a->status, 200);
    CHECK(strstr(a->head, "x-own: first\nx-own: second\n"));
    CHECK(strstr(a->head, "content-length: 0\n"));
    CHECK_EQ(count_of(a->head, "keep-alive") + count_of(a->head, "upgrade"), 0);
    ask(p, 3, END_STREAM, "HEAD", "/", "");
    CHECK_EQ(hear_answer(p, 3)->status, 200);
    CHECK_EQ(answer_of(p, 3)->datas, 0);
    get2(p, 5, "/none");
    a = hear_answer(p, 5);
    CHECK_EQ(a->status, 204);
    CHECK_EQ(count_of(a->head, "content-length"), 0);
    CHECK_EQ(a->datas, 0);
    part(p, &s);
}

TASK_TEST(requests_run_at_once_and_are_answered_as_they_end)
{
    struct wait wait = {.gate = covey_chan_new(0, 0)};
    struct site s = {.handler = waits, .arg = &wait};
    enum { MANY = 50 };
    struct peer *p = visit(&s);
    for (int i = 0; i < MANY; i++) {
        get2(p, STREAM(i), "/later");
    }
    await_running(&s, MANY);
    get2(p, STREAM(MANY), "/now");
    CHECK_STR(hear_answer(p, STREAM(MANY))->body, "/now");
    CHECK_EQ(covey_chan_close(wait.gate), 0);
    for (int i = 0; i < MANY; i++) {
        CHECK_STR(hear_answer(p, STREAM(i))->body, "/later");
    }
    part(p, &s);
    covey_chan_unref(wait.gate);
}

/* ---- bodies and windows ---- */

/* Its answer is held back, and so is what it sends; another's is not. */
TASK_TEST(a_handler_that_does_not_read_holds_up_its_own_client_only)
{
    struct wait wait = {.gate = covey_chan_new(0, 0)};
    struct site s = {.handler = waits, .arg = &wait};
    static char block[16384];
    struct peer *p = visit(&s);
    ask(p, 1, 0, "POST", "/later", "");
    ask(p, 3, 0, "POST", "/later", "");
    for (int i = 0; i < 3; i++) {
        frame(p, DATA, 0, 1, block, sizeof(block));
        frame(p, DATA, 0, 3, block, sizeof(block));
    }
    get2(p, 5, "/now");
    CHECK_STR(hear_answer(p, 5)->body, "/now");
    for (int i = 0; i < 300; i++) { /* 4.9 MB: more than the connection's window to begin with */
        ask(p, STREAM(3 + i), 0, "POST", "/now", "");
        frame(p, DATA, END_STREAM, STREAM(3 + i), block, sizeof(block));
        hear_answer(p, STREAM(3 + i));
    }
    CHECK_EQ(covey_chan_close(wait.gate), 0);
    CHECK_EQ(hear_answer(p, 1)->status, 200);
    part(p, &s);
    covey_chan_unref(wait.gate);
}

TASK_TEST(more_than_the_window_is_a_fault_of_that_stream)
{
    struct wait wait = {.gate = covey_chan_new(0, 0)};
    struct site s = {.handler = waits, .arg = &wait};
    static char block[16384];
    struct peer *p = visit(&s);
    ask(p, 1, 0, "POST", "/later", "");
    await_running(&s, 1);
    for (int i = 0; i < 5; i++) {
        frame(p, DATA, 0, 1, block, sizeof(block));
    }
    struct answer *a = hear_answer(p, 1);
    CHECK(a->is_reset);
    CHECK_EQ(a->why, NGHTTP2_FLOW_CONTROL_ERROR);
    await_running(&s, 0);
    CHECK_EQ(atomic_load(&wait.cause), -ECONNRESET);
    part(p, &s);
    covey_chan_unref(wait.gate);
}

TASK_TEST(bodies_larger_than_all_windows_come_whole)
{
    struct site s = {.handler = echo, .opts.max_body = COVEY_HTTP_UNLIMITED};
    static char block[8192];
    struct peer *p = visit(&s);
    ask(p, 1, 0, "POST", "/", "");
    for (int i = 0; i < 400; i++) { /* what comes back is taken: the windows are open again */
        frame(p, DATA, i == 399 ? END_STREAM : 0, 1, block, sizeof(block));
        while (answer_of(p, 1)->len + 2 * sizeof(block) < (size_t)(i + 1) * sizeof(block)) {
            CHECK(hear(p) >= 0);
        }
    }
    struct answer *a = hear_answer(p, 1);
    CHECK(a->has_ended);
    CHECK_EQ(a->len, 400 * sizeof(block));
    part(p, &s);
}

static int pours(covey_ctx *ctx, covey_http_server_request *req, covey_http_writer *w, void *arg)
{
    static const char block[100000];

    (void)req;
    (void)arg;
    CHECK_EQ(covey_http_write(ctx, w, block, sizeof(block)), (ssize_t)sizeof(block));
    return 0;
}

TASK_TEST(a_response_waits_for_its_window)
{
    struct site s = {.handler = pours};
    struct peer *p = visit(&s);
    p->is_stingy = true;
    get2(p, 1, "/");
    while (answer_of(p, 1)->len < WINDOW) {
        CHECK(hear(p) >= 0);
    }
    sound(p);
    CHECK_EQ(answer_of(p, 1)->len, WINDOW);
    CHECK(!answer_of(p, 1)->has_ended);
    p->window += 100000;
    p->stream_window[0] += 100000;
    frame_word(p, WINDOW_UPDATE, 1, 100000);
    frame_word(p, WINDOW_UPDATE, 0, 100000);
    CHECK_EQ(hear_answer(p, 1)->len, 100000);
    part(p, &s);
}

TASK_TEST(continue_is_said_when_the_body_is_asked_for)
{
    struct site s = {.handler = echo};
    struct peer *p = visit(&s);
    ask(p, 1, 0, "POST", "/", "expect: 100-continue\n");
    while (answer_of(p, 1)->interim == 0) {
        CHECK(hear(p) >= 0);
    }
    frame(p, DATA, END_STREAM, 1, "body", 4);
    CHECK_STR(hear_answer(p, 1)->body, "body");
    CHECK_EQ(answer_of(p, 1)->interim, 1);
    ask(p, 3, 0, "POST", "/", "expect: 200-ok\n");
    CHECK_EQ(hear_answer(p, 3)->status, 417);
    part(p, &s);
}

TASK_TEST(who_has_its_answer_need_not_send_the_rest)
{
    struct site s = {.handler = hello};
    struct peer *p = visit(&s);
    ask(p, 1, 0, "POST", "/", "");
    frame(p, DATA, 0, 1, "some", 4);
    struct answer *a = hear_answer(p, 1);
    CHECK_STR(a->body, "hello");
    while (!a->is_reset) {
        CHECK(hear(p) >= 0);
    }
    CHECK_EQ(a->why, NGHTTP2_NO_ERROR);
    get2(p, 3, "/");
    CHECK_EQ(hear_answer(p, 3)->status, 200);
    part(p, &s);
}

/* ---- failures ---- */

TASK_TEST(a_failure_before_anything_was_sent_is_500_and_later_a_reset)
{
    struct site s = {.handler = does};
    struct peer *p = visit(&s);
    get2(p, 1, "/fails");
    CHECK_EQ(hear_answer(p, 1)->status, 500);
    CHECK_EQ(count_of(answer_of(p, 1)->body, "secret"), 0);
    get2(p, 3, "/breaks");
    struct answer *a = hear_answer(p, 3);
    CHECK(a->is_reset && !a->has_ended);
    CHECK_EQ(a->why, NGHTTP2_INTERNAL_ERROR);
    get2(p, 5, "/short");
    a = hear_answer(p, 5);
    CHECK(a->is_reset && !a->has_ended);
    get2(p, 7, "/");
    CHECK_EQ(hear_answer(p, 7)->status, 200);
    part(p, &s);
    CHECK_EQ(s.stats.failed, 2);
}

TASK_TEST(limits_have_their_status)
{
    struct site s = {.handler = echo,
                     .opts = {.max_header_size = 2000, .max_header_count = 10, .max_body = 100}};
    char large[9000], fields[9100], *at = fields;
    struct peer *p = visit(&s);
    memset(large, 'x', sizeof(large));
    large[2000] = '\0';
    (void)snprintf(fields, sizeof(fields), "x: %s\n", large);
    ask(p, 1, END_STREAM, "GET", "/", fields);
    CHECK_EQ(hear_answer(p, 1)->status, 431);
    for (int i = 0; i < 11; i++) {
        at += sprintf(at, "x%c: y\n", 'a' + i);
    }
    ask(p, 3, END_STREAM, "GET", "/", fields);
    CHECK_EQ(hear_answer(p, 3)->status, 431);
    ask(p, 5, 0, "POST", "/", "content-length: 101\n");
    CHECK_EQ(hear_answer(p, 5)->status, 413);
    ask(p, 7, 0, "POST", "/", "");
    frame(p, DATA, END_STREAM, 7, fields, 101);
    CHECK_EQ(hear_answer(p, 7)->status, 413);
    ask(p, 9, END_STREAM, "BREW", "/", "");
    CHECK_EQ(hear_answer(p, 9)->status, 501);
    ask(p, 11, END_STREAM, "GET", "/a%00b", "");
    CHECK_EQ(hear_answer(p, 11)->status, 400);
    ask(p, 13, END_STREAM, "GET", "/a#b", "");
    CHECK_EQ(hear_answer(p, 13)->status, 400);
    ask(p, 15, END_STREAM, "GET", "/", "host: other\n");
    CHECK_EQ(hear_answer(p, 15)->status, 400);
    ask(p, 17, END_STREAM, "GET", "/", "");
    CHECK_EQ(hear_answer(p, 17)->status, 200);
    part(p, &s);
    CHECK_EQ(s.stats.refused, 7);
    CHECK_EQ(s.stats.requests, 2);
}

TASK_TEST(what_is_malformed_resets_its_stream_only)
{
    static const char *const heads[] = {
        ":method: GET\n:scheme: http\n:authority: x\n:path: /\nUpper: case\n",
        ":method: GET\n:scheme: http\n:authority: x\n",
        ":method: GET\n:scheme: http\n:path: /\n", /* no host */
        ":method: GET\n:method: GET\n:scheme: http\n:authority: x\n:path: /\n",
        ":method: GET\n:scheme: http\n:authority: x\n:path: /\nconnection: close\n",
        ":method: GET\n:scheme: http\n:authority: x\n:path: /\ntransfer-encoding: chunked\n",
        ":method: GET\n:scheme: http\n:authority: x\n:path: /\nx: a\n:late: pseudo\n",
        ":method: POST\n:scheme: http\n:authority: x\n:path: /\ncontent-length: 5\n", /* and ends */
        (":method: POST\n:scheme: http\n:authority: x\n:path: /\ncontent-length: 1\n"
         "content-length: 2\n"),
    };
    enum { HEADS = sizeof(heads) / sizeof(heads[0]) };
    struct site s = {.handler = hello};
    struct peer *p = visit(&s);
    for (int i = 0; i < HEADS; i++) {
        head(p, STREAM(i), END_STREAM, heads[i]);
    }
    for (int i = 0; i < HEADS; i++) {
        struct answer *a = hear_answer(p, STREAM(i));
        CHECK(a->is_reset);
        CHECK_EQ(a->why, NGHTTP2_PROTOCOL_ERROR);
    }
    ask(p, STREAM(HEADS), 0, "POST", "/", "content-length: 5\n"); /* and is longer */
    frame(p, DATA, END_STREAM, STREAM(HEADS), "abcdef", 6);
    get2(p, STREAM(HEADS + 1), "/");
    CHECK_EQ(hear_answer(p, STREAM(HEADS + 1))->status, 200);
    part(p, &s);
}

TASK_TEST(more_than_may_run_are_503)
{
    struct wait wait = {.gate = covey_chan_new(0, 0)};
    struct site s = {.handler = waits, .arg = &wait, .opts = {.max_running = 2}};
    struct peer *p = visit(&s);
    get2(p, 1, "/");
    get2(p, 3, "/");
    await_running(&s, 2);
    get2(p, 5, "/");
    CHECK_EQ(hear_answer(p, 5)->status, 503);
    CHECK(strstr(answer_of(p, 5)->head, "retry-after: 1\n"));
    CHECK_EQ(covey_chan_close(wait.gate), 0);
    CHECK_EQ(hear_answer(p, 1)->status, 200);
    part(p, &s);
    covey_chan_unref(wait.gate);
}

/* A client that does not know the limit yet is told which one to try again. */
TASK_TEST(more_streams_than_may_be_are_refused)
{
    struct wait wait = {.gate = covey_chan_new(0, 0)};
    struct site s = {.handler = waits, .arg = &wait, .opts.max_streams = 3};
    struct peer *p = visit(&s);
    for (int i = 0; i < 4; i++) {
        get2(p, STREAM(i), "/");
    }
    CHECK(hear_answer(p, 7)->is_reset);
    CHECK_EQ(answer_of(p, 7)->why, NGHTTP2_REFUSED_STREAM);
    sound(p);
    await_running(&s, 3);
    get2(p, 9, "/"); /* now it does */
    hear_end(p);
    CHECK_EQ(p->why, NGHTTP2_PROTOCOL_ERROR);
    await_running(&s, 0);
    CHECK_EQ(atomic_load(&wait.canceled), 3);
    part(p, &s);
    covey_chan_unref(wait.gate);
}

static int file_of(covey_ctx *ctx, covey_http_server_request *req, covey_http_writer *w, void *arg)
{
    return covey_http_serve_file(ctx, req, w, arg, "file.txt");
}

TASK_TEST(files_are_served_whole_in_part_or_not_again)
{
    char root[] = "/tmp/covey-h2-XXXXXX", name[64], again[256];
    CHECK(mkdtemp(root));
    (void)snprintf(name, sizeof(name), "%s/file.txt", root);
    FILE *f = fopen(name, "w");
    CHECK(f && fputs("0123456789", f) >= 0 && fclose(f) == 0);
    struct site s = {.handler = file_of, .arg = root};
    struct peer *p = visit(&s);
    get2(p, 1, "/");
    CHECK_STR(hear_answer(p, 1)->body, "0123456789");
    ask(p, 3, END_STREAM, "GET", "/", "range: bytes=2-4\n");
    struct answer *a = hear_answer(p, 3);
    CHECK_EQ(a->status, 206);
    CHECK_STR(a->body, "234");
    CHECK(strstr(a->head, "content-range: bytes 2-4/10\n"));
    const char *etag = strstr(a->head, "etag: ") + 6;
    (void)snprintf(again, sizeof(again), "if-none-match: %.*s\n", (int)strcspn(etag, "\n"), etag);
    ask(p, 5, END_STREAM, "GET", "/", again);
    CHECK_EQ(hear_answer(p, 5)->status, 304);
    CHECK_EQ(answer_of(p, 5)->len, 0);
    part(p, &s);
    CHECK_EQ(unlink(name), 0);
    CHECK_EQ(rmdir(root), 0);
}

/* ---- ends ---- */

TASK_TEST(a_reset_ends_the_context_of_its_request_only)
{
    struct wait wait = {.gate = covey_chan_new(0, 0)};
    struct site s = {.handler = waits, .arg = &wait};
    struct peer *p = visit(&s);
    get2(p, 1, "/");
    get2(p, 3, "/");
    await_running(&s, 2);
    frame_word(p, RST_STREAM, 1, NGHTTP2_CANCEL);
    await_running(&s, 1);
    CHECK_EQ(atomic_load(&wait.canceled), 1);
    CHECK_EQ(atomic_load(&wait.cause), -ECONNRESET);
    CHECK_EQ(covey_chan_close(wait.gate), 0);
    CHECK_EQ(hear_answer(p, 3)->status, 200);
    CHECK_EQ(answer_of(p, 1)->status, 0);
    part(p, &s);
    CHECK_EQ(s.stats.gone, 1);
    covey_chan_unref(wait.gate);
}

TASK_TEST(the_contexts_end_when_the_client_goes_away)
{
    struct wait wait = {.gate = covey_chan_new(0, 0)};
    struct site s = {.handler = waits, .arg = &wait};
    struct peer *p = visit(&s);
    for (int i = 0; i < 10; i++) {
        get2(p, STREAM(i), "/");
    }
    await_running(&s, 10);
    peer_close(p);
    await_running(&s, 0);
    CHECK_EQ(atomic_load(&wait.canceled), 10);
    CHECK_EQ(site_close(&s), 0);
    CHECK_EQ(s.stats.gone, 10);
    covey_chan_unref(wait.gate);
}

TASK_TEST(a_half_closed_client_is_gone_unless_told_otherwise)
{
    for (int half = 0; half < 2; half++) {
        struct wait wait = {.gate = covey_chan_new(0, 0)};
        struct site s = {.handler = waits, .arg = &wait, .opts.half_close = half};
        struct peer *p = visit(&s);
        get2(p, 1, "/");
        await_running(&s, 1);
        CHECK_EQ(covey_shutdown_write(p->c), 0);
        if (half) {
            CHECK_EQ(covey_chan_close(wait.gate), 0);
            CHECK_EQ(hear_answer(p, 1)->status, 200);
        } else {
            await_running(&s, 0);
            CHECK_EQ(atomic_load(&wait.canceled), 1);
        }
        hear_end(p);
        part(p, &s);
        covey_chan_unref(wait.gate);
    }
}

TASK_TEST(the_context_ends_at_the_requests_deadline)
{
    struct wait wait = {.gate = covey_chan_new(0, 0)};
    struct site s = {.handler = waits, .arg = &wait, .opts.request_timeout_ns = 20 * COVEY_MS};
    struct peer *p = visit(&s);
    get2(p, 1, "/");
    CHECK_EQ(hear_answer(p, 1)->status, 500);
    CHECK_EQ(atomic_load(&wait.cause), COVEY_EDEADLINE);
    part(p, &s);
    covey_chan_unref(wait.gate);
}

TASK_TEST(a_drain_says_goaway_lets_streams_end_and_takes_no_more)
{
    struct wait wait = {.gate = covey_chan_new(0, 0)};
    struct site s = {
        .handler = waits,
        .arg = &wait,
        .opts = {.grace_ns = 600 * COVEY_SEC, .idle_timeout_ns = COVEY_HTTP_UNLIMITED}};
    site_open(&s);

    struct peer *idle = peer_open(&s), *busy = peer_open(&s);
    get2(idle, 1, "/now");
    CHECK_EQ(hear_answer(idle, 1)->status, 200);
    ask(busy, 1, 0, "POST", "/", "");
    await_running(&s, 1);
    covey_ctx_cancel(s.ctx);
    hear_end(idle);
    CHECK(idle->is_leaving);
    CHECK_EQ(idle->why, NGHTTP2_NO_ERROR);
    while (!busy->is_leaving) {
        CHECK(hear(busy) >= 0);
    }
    CHECK_EQ(busy->last, 1);
    get2(busy, 3, "/now"); /* too late: it is not looked at */
    frame(busy, DATA, END_STREAM, 1, "body", 4);
    sound(busy);
    CHECK(!answer_of(busy, 3)->has_ended);
    CHECK_EQ(covey_chan_close(wait.gate), 0);
    CHECK_EQ(hear_answer(busy, 1)->status, 200);
    hear_end(busy);
    peer_close(idle);
    peer_close(busy);
    CHECK_EQ(site_close(&s), 0);
    CHECK_EQ(s.stats.requests, 2);
    covey_chan_unref(wait.gate);
}

TASK_TEST(what_outlasts_the_grace_period_is_cut)
{
    struct wait wait = {.gate = covey_chan_new(0, 0)};
    struct site s = {.handler = waits, .arg = &wait, .opts.grace_ns = 20 * COVEY_MS};
    struct peer *p = visit(&s);
    get2(p, 1, "/");
    await_running(&s, 1);
    covey_ctx_cancel(s.ctx);
    hear_end(p);
    CHECK(!answer_of(p, 1)->has_ended || answer_of(p, 1)->status == 500);
    peer_close(p);
    CHECK_EQ(site_close(&s), -ETIMEDOUT);
    CHECK_EQ(atomic_load(&wait.canceled), 1);
    covey_chan_unref(wait.gate);
}

TASK_TEST(a_handler_may_end_the_connection)
{
    struct site s = {.handler = does};
    struct peer *p = visit(&s);
    get2(p, 1, "/close");
    struct answer *a = hear_answer(p, 1);
    CHECK_EQ(a->status, 200);
    CHECK_EQ(count_of(a->head, "connection"), 0);
    hear_end(p);
    CHECK(p->is_leaving);
    part(p, &s);
}

/* ---- the rest ---- */

struct log {
    atomic_int calls, status, refused;
    _Atomic uint64_t body_len;
};

static void on_access(const covey_http_access *a, void *arg)
{
    struct log *l = arg;

    atomic_store(&l->status, a->status);
    atomic_store(&l->body_len, a->body_len);
    atomic_fetch_add(&l->refused, !a->req);
    atomic_fetch_add(&l->calls, 1);
}

TASK_TEST(each_answer_is_told_to_the_access_log)
{
    struct log l = {0};
    struct site s = {.handler = hello, .opts = {.on_access = on_access, .access_arg = &l}};
    struct peer *p = visit(&s);
    get2(p, 1, "/");
    hear_answer(p, 1);
    while (atomic_load(&l.calls) < 1) {
        covey_yield();
    }
    CHECK_EQ(atomic_load(&l.status), 200);
    CHECK_EQ(atomic_load(&l.body_len), 5);
    ask(p, 3, END_STREAM, "BREW", "/", "");
    hear_answer(p, 3);
    while (atomic_load(&l.calls) < 2) {
        covey_yield();
    }
    CHECK_EQ(atomic_load(&l.status), 501);
    CHECK_EQ(atomic_load(&l.refused), 1);
    part(p, &s);
}

TASK_TEST(http_2_is_not_spoken_where_it_is_not_wanted)
{
    struct site s = {.handler = hello, .opts.no_http2 = true};
    site_open(&s);

    CHECK(status_for(&s, PREFACE, strlen(PREFACE)) >= 400);
    char *text = get(&s, "/");
    CHECK_EQ(status_in(text), 200);
    free(text);
    CHECK_EQ(site_close(&s), 0);
    CHECK_STR(covey_http_alpn(), "h2,http/1.1");
}
