/* SPDX-License-Identifier: MIT
 * http2_audit_test.c - the HTTP/2 server against RFC 9113, frame by frame: which heads are
 * requests, which are malformed and cost their stream, and what a stream's state does not allow.
 * Floods and what does not end stand in test/fault/http2_fault_test.c. */
#include "h2_client.h"

#include <covey/http.h>

#define STREAM(n) (2 * (n) + 1) /* of the nth request, from 0 */
#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

/* "<METHOD path host body>", once the body has ended; of "/wait" not before its client goes. */
static int audited(covey_ctx *ctx, covey_http_server_request *req, covey_http_writer *w, void *arg)
{
    char body[64];
    size_t len = 0;
    ssize_t n;

    (void)arg;
    if (strcmp(req->path, "/wait") == 0) {
        return covey_sleep(ctx, 600 * COVEY_SEC);
    }
    do {
        n = covey_http_body_read(ctx, req, body + len, sizeof(body) - len);
        len += n > 0 ? (size_t)n : 0;
    } while (n > 0);
    return n < 0 ? (int)n
                 : covey_http_respondf(ctx, w, 200, "<%s %s %s %.*s>", req->method, req->path,
                                       req->host, (int)len, body);
}

/* ---- heads ---- */

#define REQUEST(method, path) ":method: " method "\n:scheme: http\n:authority: x\n:path: " path "\n"
#define GET REQUEST("GET", "/")

static const struct {
    const char *fields; /* and the stream ends */
    int status;         /* 0: it is reset, PROTOCOL_ERROR */
    const char *body;
} heads[] = {
    {GET "x: y\nX-: z\n", 0, NULL},
    {GET "x-: z\n", 200, "<GET / x >"},
    {GET "te: trailers\n", 200, "<GET / x >"},
    {GET "te: gzip\n", 0, NULL},
    {GET "te: trailers, gzip\n", 0, NULL},
    {GET "connection: close\n", 0, NULL},
    {GET "keep-alive: 5\n", 0, NULL},
    {GET "proxy-connection: x\n", 0, NULL},
    {GET "upgrade: h2c\n", 0, NULL},
    {GET "transfer-encoding: identity\n", 0, NULL},
    {GET "x y: z\n", 0, NULL},
    {GET "x: a\rb\n", 0, NULL},
    {GET "x: a\x01\n", 0, NULL},
    {GET "x:  a\n", 0, NULL}, /* a blank before it */
    {GET "x: a \n", 0, NULL},
    {GET "x: \n", 200, "<GET / x >"},
    {GET "content-length: 0\n", 200, "<GET / x >"},
    {GET "content-length: +0\n", 0, NULL},
    {GET "content-length: 1\n", 0, NULL},
    {GET "content-length: \n", 0, NULL},
    {GET "content-length: 0\ncontent-length: 0\n", 0, NULL},
    {GET "host: x\n", 200, "<GET / x >"},
    {GET "host: y\n", 400, NULL},
    {GET "expect: 100-CONTINUE\n", 200, "<GET / x >"},
    {GET "expect: else\n", 417, NULL},
    {GET ":path: /\n", 0, NULL},
    {GET ":status: 200\n", 0, NULL},
    {GET ":other: x\n", 0, NULL},
    {":status: 200\n" GET, 0, NULL},
    {":other: x\n" GET, 0, NULL},
    {":method: GET\nx: y\n:scheme: http\n:authority: x\n:path: /\n", 0, NULL},
    {":scheme: http\n:authority: x\n:path: /\n", 0, NULL},
    {":method: GET\n:authority: x\n:path: /\n", 0, NULL},
    {":method: GET\n:scheme: http\n:authority: x\n", 0, NULL},
    {":method: GET\n:scheme: http\n:path: /\n", 0, NULL},
    {":method: GET\n:scheme: http\n:path: /\nhost: x\n", 200, "<GET / x >"},
    {":method: GET\n:scheme: http\n:path: /\nhost: x\nhost: x\n", 0, NULL},
    {":method: GET\n:scheme: http\n:authority: x\n:authority: x\n:path: /\n", 0, NULL},
    {":method: GET\n:scheme: http\n:authority: u@x\n:path: /\n", 400, NULL},
    {":method: GET\n:scheme: http\n:authority: x/y\n:path: /\n", 0, NULL},
    {":method: GET\n:scheme: http\n:authority: x:y\n:path: /\n", 400, NULL},
    {":method: GET\n:scheme: http\n:authority: [::1]:80\n:path: /\n", 200, "<GET / [::1]:80 >"},
    {REQUEST("GET", ""), 0, NULL},
    {REQUEST("GET", "x"), 0, NULL},
    {REQUEST("GET", "http://x/"), 0, NULL},
    {REQUEST("GET", "*"), 0, NULL},
    {REQUEST("OPTIONS", "*"), 200, "<OPTIONS * x >"},
    {REQUEST("GET", "/a%2fb?c"), 200, "<GET /a/b x >"},
    {REQUEST("GET", "/%"), 400, NULL},
    {REQUEST("GET", "/%00"), 400, NULL},
    {REQUEST("GET", "/a b"), 0, NULL},
    {REQUEST("GET", "/#a"), 400, NULL},
    {REQUEST("BREW", "/"), 501, NULL},
    {REQUEST("get", "/"), 501, NULL},
    {REQUEST("G T", "/"), 0, NULL},
    {REQUEST("", "/"), 0, NULL},
    {REQUEST("CONNECT", "/"), 0, NULL},
    {":method: CONNECT\n:authority: x:80\n", 501, NULL},
    {":method: GET\n:scheme: ftp\n:authority: x\n:path: *\n", 400, NULL},
};

static bool is_as_it_must_be(size_t i, const struct answer *a)
{
    return heads[i].status == 0 ? a->is_reset && a->why == NGHTTP2_PROTOCOL_ERROR && a->status == 0
                                : a->status == heads[i].status &&
                                      (!heads[i].body || strcmp(a->body, heads[i].body) == 0);
}

TASK_TEST(a_head_is_a_request_or_costs_its_stream)
{
    struct site s = {.handler = audited};
    struct peer *p = visit(&s);
    int bad = 0;

    for (size_t i = 0; i < COUNT(heads); i++) {
        head(p, STREAM((int32_t)i), END_STREAM, heads[i].fields);
        const struct answer *a = hear_answer(p, STREAM((int32_t)i));
        if (!is_as_it_must_be(i, a)) {
            fprintf(stderr, "# not %d but %d (reset: %d, %u) %s:\n%s\n", heads[i].status, a->status,
                    a->is_reset, a->why, a->body, heads[i].fields);
            bad++;
        }
    }
    CHECK_EQ(bad, 0);
    sound(p);
    part(p, &s);
}

/* ---- states ---- */

/* What is said on a connection of its own, where stream 1 has its answer, 3 has not ended, and 5
 * waits for its answer. What comes for a closed stream is let pass (nghttp2): it may have been on
 * its way. */
static const struct {
    int type, flags;
    int32_t id;
    const char *data;
    size_t len;
    int error; /* of the connection; -1: it goes on */
} faults[] = {
    /* closed, or half closed by the client */
    {DATA, 0, 1, "abc", 3, -1},
    {HEADERS, END_HEADERS | END_STREAM, 1, "\x82\x84\x86\x41\x01x", 6, -1},
    {DATA, 0, 5, "abc", 3, NGHTTP2_STREAM_CLOSED},
    {HEADERS, END_HEADERS | END_STREAM, 5, "\x82\x84\x86\x41\x01x", 6, NGHTTP2_STREAM_CLOSED},
    {RST_STREAM, 0, 1, "\0\0\0\x8", 4, -1},
    {WINDOW_UPDATE, 0, 1, "\0\0\0\1", 4, -1},
    /* idle, and not in order */
    {DATA, 0, 9, "abc", 3, NGHTTP2_PROTOCOL_ERROR},
    {WINDOW_UPDATE, 0, 9, "\0\0\0\1", 4, NGHTTP2_PROTOCOL_ERROR},
    {HEADERS, END_HEADERS | END_STREAM, 4, "\x82\x84\x86\x41\x01x", 6, NGHTTP2_PROTOCOL_ERROR},
    /* open */
    {WINDOW_UPDATE, 0, 3, "\0\0\0\0", 4, NGHTTP2_PROTOCOL_ERROR},
    {DATA, PADDED, 3,
     "\x3"
     "ab",
     3, NGHTTP2_PROTOCOL_ERROR},
    {DATA, PADDED, 3, "", 0, NGHTTP2_PROTOCOL_ERROR},
    {RST_STREAM, 0, 3, "\0\0\0", 3, NGHTTP2_FRAME_SIZE_ERROR},
    {PUSH, END_HEADERS, 3, "\0\0\0\2\x82", 5, NGHTTP2_PROTOCOL_ERROR},
    {PRIORITY, 0, 3, "\0\0\0\1\1", 5, -1},
    {11, 0, 3, "unknown", 7, -1},
    /* settings */
    {SETTINGS, ACK, 0, "\0\4\0\0\0\0", 6, NGHTTP2_FRAME_SIZE_ERROR},
    {SETTINGS, 0, 0, "\0\2\0\0\0\2", 6, NGHTTP2_PROTOCOL_ERROR},
    {SETTINGS, 0, 0, "\0\5\0\0\0\1", 6, NGHTTP2_PROTOCOL_ERROR},
    {SETTINGS, 0, 0, "\0\5\x7f\xff\xff\xff", 6, NGHTTP2_PROTOCOL_ERROR},
    {SETTINGS, 0, 0, "\0\4\x80\0\0\0", 6, NGHTTP2_FLOW_CONTROL_ERROR},
    {SETTINGS, 0, 0, "\x99\x99\0\0\0\1", 6, -1},
    /* of the connection, said of a stream, and the other way round */
    {PING, 0, 3, "12345678", 8, NGHTTP2_PROTOCOL_ERROR},
    {GOAWAY, 0, 3, "\0\0\0\0\0\0\0\0", 8, NGHTTP2_PROTOCOL_ERROR},
    {GOAWAY, 0, 0, "\0\0\0\0", 4, NGHTTP2_FRAME_SIZE_ERROR},
    {RST_STREAM, 0, 0, "\0\0\0\0", 4, NGHTTP2_PROTOCOL_ERROR},
    {PRIORITY, 0, 0, "\0\0\0\1\1", 5, NGHTTP2_PROTOCOL_ERROR},
    {CONTINUATION, END_HEADERS, 3, "\x82", 1, NGHTTP2_PROTOCOL_ERROR},
};

static struct peer *open_with_streams(struct site *s)
{
    struct peer *p = peer_open(s);

    get2(p, 1, "/");
    CHECK_EQ(hear_answer(p, 1)->status, 200);
    ask(p, 3, 0, "POST", "/", "");
    get2(p, 5, "/wait");
    sound(p);
    return p;
}

TASK_TEST(what_a_state_does_not_allow_ends_the_connection_and_says_why)
{
    struct site s = {.handler = audited};
    int bad = 0;
    site_open(&s);

    for (size_t i = 0; i < COUNT(faults); i++) {
        struct peer *p = open_with_streams(&s);
        frame(p, faults[i].type, faults[i].flags, faults[i].id, faults[i].data, faults[i].len);
        int error = -1;
        if (faults[i].error >= 0) {
            hear_end(p);
            error = p->is_leaving ? (int)p->why : -2;
        } else {
            sound(p);
            frame(p, DATA, END_STREAM, 3, "end", 3);
            CHECK_STR(hear_answer(p, 3)->body, "<POST / x end>");
        }
        if (error != faults[i].error) {
            fprintf(stderr, "# fault %zu: not %d but %d\n", i, faults[i].error, error);
            bad++;
        }
        peer_close(p);
    }
    CHECK_EQ(bad, 0);
    CHECK_EQ(site_close(&s), 0);
}

/* A client that says that it goes still gets what it has asked for. */
TASK_TEST(a_goaway_of_the_client_lets_its_streams_end)
{
    struct site s = {.handler = audited};
    site_open(&s);

    struct peer *p = open_with_streams(&s);
    frame(p, GOAWAY, 0, 0, "\0\0\0\0\0\0\0\0", 8);
    frame(p, DATA, END_STREAM, 3, "end", 3);
    CHECK_STR(hear_answer(p, 3)->body, "<POST / x end>");
    part(p, &s);
}
