/* SPDX-License-Identifier: MIT
 * http2_fault_test.c - clients of HTTP/2 that break the protocol, flood, stand still or are gone.
 * Time-outs are short here; nothing depends on how short. */
#include "../conformance/h2_client.h"

#include <covey/http.h>

#define STREAM(n) (2 * (n) + 1) /* of the nth request, from 0 */

/* ---- handlers ---- */

/* Reads the body, and keeps the code that this ended with; answers with what it read. */
static int swallow(covey_ctx *ctx, covey_http_server_request *req, covey_http_writer *w, void *arg)
{
    char buf[1024];
    size_t total = 0;
    ssize_t n;

    while ((n = covey_http_body_read(ctx, req, buf, sizeof(buf))) > 0) {
        total += (size_t)n;
    }
    if (arg) {
        atomic_store((atomic_int *)arg, (int)n);
    }
    return n < 0 ? (int)n : covey_http_respondf(ctx, w, 200, "%zu", total);
}

static int until_done(covey_ctx *ctx, covey_http_server_request *req, covey_http_writer *w,
                      void *arg)
{
    (void)req;
    (void)w;
    (void)arg;
    return covey_sleep(ctx, 600 * COVEY_SEC);
}

static void await_open(struct site *s, uint64_t n)
{
    while (site_stats(s).open != n) {
        covey_yield();
    }
}

/* The server still answers others. */
static void check_alive(struct site *s)
{
    struct peer *p = peer_open(s);

    ask(p, 1, END_STREAM, "HEAD", "/", "");
    CHECK(hear_answer(p, 1)->has_ended || answer_of(p, 1)->is_reset);
    peer_close(p);
}

/* ---- what is no HTTP/2 ---- */

TASK_TEST(what_breaks_the_protocol_ends_the_connection_and_says_why)
{
    static char large[20000];
    static const struct {
        int type, flags;
        int32_t id;
        const void *data;
        size_t len;
        uint32_t why;
    } faults[] = {
        {DATA, 0, 0, large, 16385, NGHTTP2_FRAME_SIZE_ERROR},
        {DATA, 0, 1, "idle", 4, NGHTTP2_PROTOCOL_ERROR},
        {HEADERS, END_HEADERS, 2, "\x82", 1, NGHTTP2_PROTOCOL_ERROR},
        {HEADERS, END_HEADERS, 0, "\x82", 1, NGHTTP2_PROTOCOL_ERROR},
        {HEADERS, END_HEADERS, 1, "\xff\xff\xff\xff\xff", 5, NGHTTP2_COMPRESSION_ERROR},
        {HEADERS, END_HEADERS, 1, "\xc0", 1, NGHTTP2_COMPRESSION_ERROR}, /* no such index */
        {PUSH, END_HEADERS, 1, "\0\0\0\2\x82", 5, NGHTTP2_PROTOCOL_ERROR},
        {CONTINUATION, END_HEADERS, 1, "\x82", 1, NGHTTP2_PROTOCOL_ERROR},
        {SETTINGS, 0, 0, "12345", 5, NGHTTP2_FRAME_SIZE_ERROR},
        {SETTINGS, 0, 1, NULL, 0, NGHTTP2_PROTOCOL_ERROR},
        {SETTINGS, 0, 0, "\0\4\x80\0\0\0", 6, NGHTTP2_FLOW_CONTROL_ERROR},
        {PING, 0, 0, "short", 5, NGHTTP2_FRAME_SIZE_ERROR},
        {WINDOW_UPDATE, 0, 0, "\0\0\0\0", 4, NGHTTP2_PROTOCOL_ERROR},
        {WINDOW_UPDATE, 0, 0, "\x7f\xff\xff\xff", 4, NGHTTP2_FLOW_CONTROL_ERROR},
        {RST_STREAM, 0, 1, "\0\0\0\0", 4, NGHTTP2_PROTOCOL_ERROR}, /* idle */
    };
    struct site s = {.handler = hello};
    site_open(&s);

    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        struct peer *p = peer_open(&s);
        frame(p, faults[i].type, faults[i].flags, faults[i].id, faults[i].data, faults[i].len);
        hear_end(p);
        if (p->why != faults[i].why) {
            fprintf(stderr, "# fault %zu\n", i);
        }
        CHECK(p->is_leaving);
        CHECK_EQ(p->why, faults[i].why);
        peer_close(p);
    }
    check_alive(&s);
    CHECK_EQ(site_close(&s), 0);
    CHECK_EQ(s.stats.requests, 1);
}

TASK_TEST(garbage_in_the_preface_or_behind_it_ends_the_connection)
{
    static const char *const texts[] = {
        "PRI * HTTP/2.0\r\n\r\nSX\r\n\r\n",
        PREFACE "GET / HTTP/1.1\r\nHost: x\r\n\r\n and more, so that it is a frame's worth of it",
        PREFACE "\0\0\0\0", /* nothing like settings; ends in the middle */
    };
    struct site s = {.handler = hello, .opts.header_timeout_ns = 100 * COVEY_MS};
    site_open(&s);

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        covey_conn *c = dial(&s);
        say(c, texts[i]);
        free(hear_all(c));
        covey_close(c);
    }
    CHECK_EQ(site_close(&s), 0);
    CHECK_EQ(s.stats.requests, 0);
}

/* ---- who stands still ---- */

TASK_TEST(a_preface_or_a_head_that_does_not_end_ends_the_connection)
{
    struct site hasty = {.handler = until_done, .opts.header_timeout_ns = 100 * COVEY_MS};
    site_open(&hasty);

    struct peer *p = peer_over(dial(&hasty));
    p->is_mute = true;
    say_bytes(p->c, PREFACE, 18);
    hear_end(p);
    peer_close(p);
    p = peer_over(dial(&hasty));
    p->is_mute = true;
    say_bytes(p->c, PREFACE, strlen(PREFACE)); /* and no settings */
    hear_end(p);
    peer_close(p);
    CHECK_EQ(site_close(&hasty), 0);

    struct site s = {
        .handler = until_done,
        .opts = {.header_timeout_ns = COVEY_SEC, .idle_timeout_ns = COVEY_HTTP_UNLIMITED}};
    site_open(&s);
    p = peer_open(&s);
    p->is_mute = true;
    get2(p, 1, "/"); /* runs, and ends with the connection */
    await_running(&s, 1);
    frame(p, HEADERS, 0, 3, "\x82", 1);
    hear_end(p);
    await_running(&s, 0);
    peer_close(p);
    CHECK_EQ(site_close(&s), 0);
}

TASK_TEST(the_time_for_a_head_does_not_run_while_none_comes)
{
    struct site s = {
        .handler = hello,
        .opts = {.header_timeout_ns = COVEY_SEC, .idle_timeout_ns = COVEY_HTTP_UNLIMITED}};
    site_open(&s);

    struct peer *p = peer_open(&s), *late = peer_over(dial(&s));
    sound(p);
    late->is_mute = true;
    say_bytes(late->c, PREFACE, strlen(PREFACE));
    hear_end(late); /* whose time has run out, and that of p would have, too */
    get2(p, 1, "/");
    CHECK_EQ(hear_answer(p, 1)->status, 200);
    peer_close(late);
    peer_close(p);
    CHECK_EQ(site_close(&s), 0);
}

/* A byte now and then, for ever. */
static int drip(covey_ctx *ctx, void *arg)
{
    ssize_t n = 0;

    while (n >= 0) {
        n = covey_write(ctx, arg, "\0", 1);
        if (n >= 0) {
            n = covey_sleep(ctx, COVEY_MS);
        }
    }
    return 0;
}

TASK_TEST(slowloris_does_not_hold_a_connection)
{
    enum { SLOW = 20 };
    struct site s = {.handler = hello, .opts.header_timeout_ns = COVEY_SEC};
    struct peer *p[SLOW];
    site_open(&s);

    covey_group *g = covey_group_new(NULL);
    for (int i = 0; i < SLOW; i++) {
        static const char begin[] = "\0\x3f\xff\1\5\0\0\0\1\x82";
        p[i] = peer_open(&s);
        p[i]->is_mute = true;
        say_bytes(p[i]->c, begin, 10);
        GO(g, drip, p[i]->c);
    }
    check_alive(&s);
    for (int i = 0; i < SLOW; i++) {
        hear_end(p[i]);
    }
    covey_group_cancel(g, 0);
    JOIN(g);
    for (int i = 0; i < SLOW; i++) {
        peer_close(p[i]);
    }
    CHECK_EQ(site_close(&s), 0);
}

TASK_TEST(a_body_that_stops_is_408_and_the_connection_goes_on)
{
    atomic_int code = 0;
    struct site s = {.handler = swallow, .arg = &code, .opts.io_timeout_ns = COVEY_SEC};
    site_open(&s);

    struct peer *p = peer_open(&s);
    ask(p, 1, 0, "POST", "/", "");
    frame(p, DATA, 0, 1, "abc", 3);
    CHECK_EQ(hear_answer(p, 1)->status, 408);
    CHECK_EQ(atomic_load(&code), -ETIMEDOUT);
    ask(p, 3, 0, "POST", "/", "");
    frame(p, DATA, END_STREAM, 3, "abcd", 4);
    CHECK_STR(hear_answer(p, 3)->body, "4");
    peer_close(p);
    CHECK_EQ(site_close(&s), 0);
}

/* It lets so many bytes of a stream come, and gives no more by itself. */
static struct peer *stingy_peer(struct site *s, char window)
{
    struct peer *p = peer_over(dial(s));
    const char setting[] = {0, 4, 0, 0, 0, window}; /* INITIAL_WINDOW_SIZE */

    p->is_stingy = true;
    say_bytes(p->c, PREFACE, strlen(PREFACE));
    frame(p, SETTINGS, 0, 0, setting, sizeof(setting));
    return p;
}

TASK_TEST(a_window_that_stays_shut_ends_its_stream)
{
    atomic_int code = 0;
    struct site s = {.handler = pour, .arg = &code, .opts.io_timeout_ns = 100 * COVEY_MS};
    site_open(&s);

    struct peer *p = stingy_peer(&s, 0);
    get2(p, 1, "/");
    struct answer *a = hear_answer(p, 1);
    CHECK(a->is_reset);
    CHECK_EQ(a->len, 0);
    CHECK_EQ(atomic_load(&code), -ETIMEDOUT);
    sound(p); /* the connection is none the worse */
    peer_close(p);
    CHECK_EQ(site_close(&s), 0);
}

TASK_TEST(a_short_answer_to_a_shut_window_does_not_wait_for_ever)
{
    struct site s = {.handler = hello, .opts.io_timeout_ns = 100 * COVEY_MS};
    site_open(&s);

    struct peer *p = peer_over(dial(&s));
    say_bytes(p->c, PREFACE, strlen(PREFACE));
    frame(p, SETTINGS, 0, 0, "\0\4\0\0\0\0", 6);
    for (int i = 0; i < 50; i++) {
        get2(p, STREAM(i), "/");
    }
    for (int i = 0; i < 50; i++) {
        CHECK(hear_answer(p, STREAM(i))->is_reset);
    }
    peer_close(p);
    CHECK_EQ(site_close(&s), 0);
}

TASK_TEST(a_client_that_goes_ends_the_wait_for_its_window)
{
    struct site s = {.handler = hello, .opts.io_timeout_ns = COVEY_HTTP_UNLIMITED};
    site_open(&s);

    struct peer *p = peer_over(dial(&s));
    say_bytes(p->c, PREFACE, strlen(PREFACE));
    frame(p, SETTINGS, 0, 0, "\0\4\0\0\0\0", 6);
    get2(p, 1, "/");
    while (answer_of(p, 1)->status == 0) {
        CHECK(hear(p) >= 0);
    }
    peer_close(p);
    await_open(&s, 0);
    CHECK_EQ(site_close(&s), 0);
}

TASK_TEST(a_client_that_never_reads_is_given_up)
{
    atomic_int code = 0;
    struct site s = {.handler = pour, .arg = &code, .opts.io_timeout_ns = 100 * COVEY_MS};
    site_open(&s);

    struct peer *p = peer_over(dial(&s));
    say_bytes(p->c, PREFACE, strlen(PREFACE));
    frame(p, SETTINGS, 0, 0, "\0\4\x7f\xff\xff\xff", 6);
    frame_word(p, WINDOW_UPDATE, 0, INT32_MAX - WINDOW);
    get2(p, 1, "/");
    while (atomic_load(&code) == 0) { /* not accepted yet looks like gone */
        CHECK_EQ(covey_sleep(NULL, COVEY_MS), 0);
    }
    CHECK(atomic_load(&code) < 0);
    await_open(&s, 0);
    peer_close(p);
    CHECK_EQ(site_close(&s), 0);
}

/* ---- floods ---- */

/* Sends the same frames until the server has had enough. */
static void flood(struct peer *p, int type, const void *data, size_t len)
{
    enum { AT_ONCE = 2000, MOST = 5000 };
    char *frames = malloc(AT_ONCE * (len + 9));
    size_t n = 0;

    CHECK(frames);
    for (int i = 0; i < AT_ONCE; i++) {
        n += frame_write(frames + n, type, 0, 0, data, len);
    }
    int sent = 0;
    while (sent < MOST && covey_write(NULL, p->c, frames, n) >= 0) {
        sent++;
    }
    CHECK(sent < MOST);
    free(frames);
}

TASK_TEST(floods_that_nobody_reads_the_answers_of_end_the_connection)
{
    struct site s = {.handler = hello};
    const covey_conn_options small = {.receive_buffer = 4096};
    site_open(&s);

    struct peer *p = peer_open(&s);
    CHECK_EQ(covey_conn_set_options(p->c, &small), 0);
    flood(p, PING, "12345678", 8);
    peer_close(p);
    p = peer_open(&s);
    CHECK_EQ(covey_conn_set_options(p->c, &small), 0);
    flood(p, SETTINGS, "\0\3\0\0\0\1", 6);
    peer_close(p);
    check_alive(&s);
    CHECK_EQ(site_close(&s), 0);
}

TASK_TEST(a_head_in_pieces_without_end_ends_the_connection)
{
    struct site s = {.handler = hello};
    site_open(&s);

    struct peer *p = peer_open(&s);
    p->is_mute = true;
    frame(p, HEADERS, 0, 1, "\x82", 1);
    for (int i = 0; i < 1000; i++) {
        (void)frame_try(p, CONTINUATION, 0, 1, "\x86", 1);
    }
    hear_end(p);
    peer_close(p);
    check_alive(&s);
    CHECK_EQ(site_close(&s), 0);
}

/* A large header enters the table once, and is named ten thousand times. */
TASK_TEST(a_head_that_unpacks_to_megabytes_is_431)
{
    struct site s = {.handler = hello};
    static char block[20000], value[3001];
    site_open(&s);

    struct peer *p = peer_open(&s);
    memset(value, 'v', sizeof(value) - 1);
    size_t n = fields_write(block, ":method: GET\n:scheme: http\n:authority: x\n:path: /\n");
    size_t at = n;
    n += field_write(block + n, "x", value);
    block[at] = 0x40; /* is to be kept */
    memset(block + n, 0xbe, 10000);
    p->stream_window[0] = WINDOW;
    frame(p, HEADERS, END_STREAM | END_HEADERS, 1, block, n + 10000);
    CHECK_EQ(hear_answer(p, 1)->status, 431);
    get2(p, 3, "/");
    CHECK_EQ(hear_answer(p, 3)->status, 200);
    peer_close(p);
    CHECK_EQ(site_close(&s), 0);
    CHECK_EQ(s.stats.requests, 1);
}

/* CVE-2023-44487: requests that are reset as soon as they are made. */
TASK_TEST(rapid_resets_end_the_connection_and_never_run_too_many)
{
    struct site s = {.handler = until_done, .opts.max_streams = 20};
    site_open(&s);

    struct peer *p = peer_open(&s);
    char fields[256], frames[400];
    size_t len = fields_write(fields, ":method: GET\n:scheme: http\n:authority: x\n:path: /\n");
    for (int i = 0; i < 3000; i++) {
        size_t n = frame_write(frames, HEADERS, END_STREAM | END_HEADERS, STREAM(i), fields, len);
        n += frame_write(frames + n, RST_STREAM, 0, STREAM(i), "\0\0\0\x8", 4);
        (void)covey_write(NULL, p->c, frames, n);
        CHECK(site_stats(&s).running <= 2 * 20);
    }
    hear_end(p);
    CHECK(p->is_leaving);
    CHECK(p->last < 2 * 700); /* some two hundred, and a hundred a second */
    await_running(&s, 0);
    peer_close(p);
    CHECK_EQ(site_close(&s), 0);
}

static int stubborn(covey_ctx *ctx, covey_http_server_request *req, covey_http_writer *w, void *arg)
{
    (void)ctx;
    (void)req;
    (void)w;
    return covey_chan_recv(NULL, arg, NULL) == COVEY_ECLOSED ? 0 : -EIO;
}

TASK_TEST(handlers_that_outlive_their_requests_do_not_pile_up)
{
    enum { MOST = 10 };
    covey_chan *gate = covey_chan_new(0, 0);
    struct site s = {.handler = stubborn, .arg = gate, .opts.max_streams = MOST};
    site_open(&s);

    struct peer *p = peer_open(&s);
    sound(p);
    for (int i = 0; i < 10 * MOST; i++) {
        get2(p, STREAM(i), "/");
        frame_word(p, RST_STREAM, STREAM(i), NGHTTP2_CANCEL);
    }
    sound(p);
    await_running(&s, 2 * MOST);
    get2(p, STREAM(10 * MOST), "/");
    CHECK(hear_answer(p, STREAM(10 * MOST))->is_reset);
    CHECK_EQ(answer_of(p, STREAM(10 * MOST))->why, NGHTTP2_REFUSED_STREAM);
    CHECK_EQ(covey_chan_close(gate), 0);
    await_running(&s, 0);
    peer_close(p);
    CHECK_EQ(site_close(&s), 0);
    CHECK_EQ(s.stats.requests, 2 * MOST);
    covey_chan_unref(gate);
}

/* The same without the client's own resets: each request is followed by a frame that makes the
 * server reset it (CVE-2025-8671). */
TASK_TEST(resets_that_a_client_provokes_never_run_too_many)
{
    enum { MOST = 10 };
    covey_chan *gate = covey_chan_new(0, 0);
    struct site s = {.handler = stubborn, .arg = gate, .opts.max_streams = MOST};
    site_open(&s);

    struct peer *p = peer_open(&s);
    sound(p);
    for (int i = 0; i < 20 * MOST; i++) {
        get2(p, STREAM(i), "/");
        frame_word(p, WINDOW_UPDATE, STREAM(i), INT32_MAX); /* too much: a fault of the stream */
        CHECK(hear_answer(p, STREAM(i))->is_reset);
        CHECK(site_stats(&s).running <= 2 * MOST);
    }
    CHECK_EQ(site_stats(&s).requests, 2 * MOST);
    CHECK_EQ(covey_chan_close(gate), 0);
    await_running(&s, 0);
    peer_close(p);
    check_alive(&s);
    CHECK_EQ(site_close(&s), 0);
    covey_chan_unref(gate);
}

/* Frames that ask for nothing, over and over, until the server has had enough. */
static int pester(covey_ctx *ctx, void *arg)
{
    static const char priority[] = "\0\0\0\0\1";
    struct peer *p = arg;
    bool is_heard = true;

    while (is_heard && covey_sleep(ctx, COVEY_MS) == 0) {
        is_heard = frame_try(p, PING, 0, 0, "12345678", 8) &&
                   frame_try(p, PRIORITY, 0, 1, priority, 5) &&
                   frame_try(p, SETTINGS, 0, 0, "\0\3\0\0\0\1", 6) &&
                   word_try(p, WINDOW_UPDATE, 0, 1) && frame_try(p, 42, 0, 0, "unknown", 7);
    }
    return 0;
}

TASK_TEST(frames_that_ask_for_nothing_do_not_keep_a_connection)
{
    struct site s = {.handler = hello, .opts.idle_timeout_ns = COVEY_SEC};
    site_open(&s);

    struct peer *p = peer_open(&s);
    sound(p); /* from here on it only reads */
    covey_group *g = covey_group_new(NULL);
    GO(g, pester, p);
    hear_end(p);
    covey_group_cancel(g, 0);
    JOIN(g);
    peer_close(p);
    CHECK_EQ(site_close(&s), 0);
    CHECK_EQ(s.stats.requests, 0);
}

/* CVE-2019-9518 */
static int send_empty(covey_ctx *ctx, void *arg)
{
    while (covey_sleep(ctx, COVEY_MS) == 0 && frame_try(arg, DATA, 0, 1, NULL, 0)) {
    }
    return 0;
}

TASK_TEST(empty_pieces_of_a_body_are_no_progress)
{
    atomic_int code = 0;
    struct site s = {.handler = swallow, .arg = &code, .opts.io_timeout_ns = 100 * COVEY_MS};
    site_open(&s);

    struct peer *p = peer_open(&s);
    p->is_stingy = true;
    ask(p, 1, 0, "POST", "/", "");
    sound(p);
    covey_group *g = covey_group_new(NULL);
    GO(g, send_empty, p);
    CHECK_EQ(hear_answer(p, 1)->status, 408);
    CHECK_EQ(atomic_load(&code), -ETIMEDOUT);
    covey_group_cancel(g, 0);
    JOIN(g);
    peer_close(p);
    CHECK_EQ(site_close(&s), 0);
}

/* CVE-2019-9511: always some progress, a byte at a time. */
TASK_TEST(a_window_that_opens_byte_by_byte_ends_with_the_requests_time)
{
    atomic_int code = 0;
    struct site s = {.handler = pour, .arg = &code, .opts.request_timeout_ns = 500 * COVEY_MS};
    site_open(&s);

    struct peer *p = stingy_peer(&s, 1);
    p->stream_window[0] = INT32_MAX;
    get2(p, 1, "/");
    while (!answer_of(p, 1)->is_reset) {
        CHECK(hear(p) >= 0);
        (void)word_try(p, WINDOW_UPDATE, 1, 1);
    }
    CHECK_EQ(atomic_load(&code), COVEY_EDEADLINE);
    sound(p);
    peer_close(p);
    CHECK_EQ(site_close(&s), 0);
}

TASK_TEST(a_window_beyond_all_bounds_is_a_fault)
{
    atomic_int code = 0;
    struct site s = {.handler = pour, .arg = &code};
    site_open(&s);

    struct peer *p = peer_open(&s);
    p->is_stingy = true;
    get2(p, 1, "/");
    frame_word(p, WINDOW_UPDATE, 1, INT32_MAX); /* with what it has left: of this stream ... */
    frame_word(p, WINDOW_UPDATE, 1, INT32_MAX); /* ... or with the first, if nothing was left */
    CHECK(hear_answer(p, 1)->is_reset);
    CHECK_EQ(answer_of(p, 1)->why, NGHTTP2_FLOW_CONTROL_ERROR);
    sound(p);
    get2(p, 3, "/");
    frame_word(p, WINDOW_UPDATE, 3, INT32_MAX - WINDOW);
    frame(p, SETTINGS, 0, 0, "\0\4\x7f\xff\xff\xff", 6); /* more for it, as for all */
    CHECK(hear_answer(p, 3)->is_reset);
    CHECK_EQ(answer_of(p, 3)->why, NGHTTP2_FLOW_CONTROL_ERROR);
    sound(p);
    peer_close(p);
    await_running(&s, 0);
    CHECK_EQ(site_close(&s), 0);
}

/* ---- who is gone ---- */

TASK_TEST(a_client_that_goes_in_the_middle_of_a_body_is_told_to_the_handler)
{
    for (int half = 0; half < 2; half++) {
        atomic_int code = 0;
        struct site s = {.handler = swallow, .arg = &code, .opts.half_close = half};
        site_open(&s);

        struct peer *p = peer_open(&s);
        ask(p, 1, 0, "POST", "/", "content-length: 100\n");
        say_bytes(p->c, "\0\0\x64\0\1\0\0\0\1some", 13); /* a frame of 100 bytes begins */
        await_running(&s, 1);
        if (half) {
            CHECK_EQ(covey_shutdown_write(p->c), 0);
            CHECK_EQ(hear_answer(p, 1)->status, 500);
            CHECK_EQ(atomic_load(&code), -ECONNRESET);
            peer_close(p);
        } else {
            peer_close(p);
            await_running(&s, 0);
            CHECK(atomic_load(&code) == -ECONNRESET || atomic_load(&code) == COVEY_ECANCELED);
        }
        CHECK_EQ(site_close(&s), 0);
    }
}

TASK_TEST(a_hundred_clients_with_ten_requests_each_hang_up)
{
    enum { CLIENTS = 100, EACH = 10 };
    struct site s = {.handler = until_done};
    struct peer *p[CLIENTS];
    site_open(&s);

    for (int i = 0; i < CLIENTS; i++) {
        p[i] = peer_open(&s);
        for (int j = 0; j < EACH; j++) {
            get2(p[i], STREAM(j), "/");
        }
    }
    await_running(&s, (uint64_t)CLIENTS * EACH);
    for (int i = 0; i < CLIENTS; i++) {
        peer_close(p[i]);
    }
    await_running(&s, 0);
    await_open(&s, 0);
    CHECK_EQ(site_close(&s), 0);
    CHECK_EQ(s.stats.gone, CLIENTS * EACH);
}

/* ---- many ---- */

TASK_TEST(a_thousand_streams_at_once_on_one_connection)
{
    enum { MANY = 1000 };
    struct site s = {.handler = swallow, .opts.max_streams = MANY};
    site_open(&s);

    struct peer *p = peer_open(&s);
    sound(p);
    for (int i = 0; i < MANY; i++) {
        ask(p, STREAM(i), 0, "POST", "/", "");
    }
    await_running(&s, MANY);
    for (int i = 0; i < MANY; i++) {
        frame(p, DATA, 0, STREAM(i), "first", 5);
    }
    for (int i = MANY - 1; i >= 0; i--) {
        frame(p, DATA, END_STREAM, STREAM(i), "second", 6);
    }
    for (int i = 0; i < MANY; i++) {
        CHECK_STR(hear_answer(p, STREAM(i))->body, "11");
    }
    peer_close(p);
    CHECK_EQ(site_close(&s), 0);
    CHECK_EQ(s.stats.requests, MANY);
}
