/* SPDX-License-Identifier: MIT
 * http_audit_test.c - the HTTP/1 server against RFC 9110 and 9112, byte by byte: what a client says
 * on a connection of its own, and which answers it must get. What is refused outright stands in
 * http_server_test.c; here are the cases where several answers would be possible, and those that a
 * strict server could take for an attack and must not. */
#include "http_support.h"

#include <covey/http.h>

#define HOST "Host: x\r\n"
#define GET "GET / HTTP/1.1\r\n" HOST
#define POST "POST / HTTP/1.1\r\n" HOST
#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"
/* Behind a request: served if the connection goes on, and its last. */
#define END "GET /end HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n"

/* ---- the handler ---- */

/* "/205/text", with a body and a length that some of them must not have. */
static int answer_status(covey_ctx *ctx, covey_http_writer *w, int status)
{
    if (status != 205) {
        CHECK_EQ(covey_http_set_header(w, "Content-Length", "4"), 0);
    }
    CHECK_EQ(covey_http_set_status(w, status), 0);
    ssize_t n = covey_http_write(ctx, w, "body", 4);
    return n < 0 ? (int)n : 0;
}

/* What would begin a header, or an answer, of the client's own. */
static int reflect(covey_ctx *ctx, const char *value, covey_http_writer *w)
{
    int code = covey_http_set_header(w, "X-Reflected", value);

    CHECK_EQ(covey_http_add_header(w, "X-Reflected", value), code);
    CHECK_EQ(covey_http_set_trailer(w, "X-Reflected", value), code);
    return covey_http_respondf(ctx, w, code < 0 ? 400 : 200, "%d", code);
}

static int audited(covey_ctx *ctx, covey_http_server_request *req, covey_http_writer *w, void *arg)
{
    char body[256];
    size_t len = 0;
    ssize_t n;
    const char *path = req->path;

    (void)arg;
    if (path[0] == '/' && path[1] >= '2' && path[1] <= '5') {
        return answer_status(ctx, w, atoi(path + 1));
    }
    if (strncmp(path, "/reflect/", 9) == 0) {
        return reflect(ctx, path + 9, w);
    }
    if (strcmp(path, "/unread") == 0) {
        return covey_http_respondf(ctx, w, 200, "unread");
    }
    do {
        len = len < sizeof(body) ? len : 0; /* of a flood the beginning is not kept */
        n = covey_http_body_read(ctx, req, body + len, sizeof(body) - len);
        len += n > 0 ? (size_t)n : 0;
    } while (n > 0);
    return n < 0 ? (int)n
                 : covey_http_respondf(ctx, w, 200, "<%s %s %s %.*s>", req->method, path, req->host,
                                       (int)len, body);
}

/* ---- the table ---- */

struct row {
    const char *says;
    size_t len;
    const char *statuses;     /* of all answers in their order, "200 400"; then the end */
    const char *has, *has_no; /* NULL: whatever */
};

/* More: .has and .has_no. */
#define ROW(answers, text, ...)                                                                    \
    {                                                                                              \
        .says = (text), .len = sizeof(text) - 1, .statuses = (answers), ##__VA_ARGS__              \
    }

static const struct row requests[] = {
    /* lines, names, values */
    ROW("200 200", "\r\n\r\n" GET "\r\n" END, .has = "<GET / x >"),
    ROW("200", "GET / HTTP/1.1\r\nhOsT:x\r\ncOnNeCtIoN:\tcLoSe \t\r\n\r\n" END,
        .has = "<GET / x >"),
    ROW("200 200", GET "X: \xe9\xff\t!\r\n\r\n" END),
    ROW("400", GET "X: a\x01"
                   "b\r\n\r\n" END),
    ROW("400", GET "X: a\x7f\r\n\r\n" END),
    ROW("400", GET "X\xe9: a\r\n\r\n" END),
    ROW("400", "GET / HTTP/1.1\r\r\n" HOST "\r\n" END),
    ROW("400", "GET /\r HTTP/1.1\r\n" HOST "\r\n" END),
    ROW("400", "GE\0T / HTTP/1.1\r\n" HOST "\r\n" END),
    ROW("400", GET "\r\r\n" END),
    ROW("400", GET "X: a\r\n\tb\r\n\r\n" END),
    ROW("400", "GET / HTTP/1.1\r\n X: a\r\n" HOST "\r\n" END),
    ROW("400", "GET / http/1.1\r\n" HOST "\r\n" END),
    ROW("400", "GET / HTTP/1.10\r\n" HOST "\r\n" END),
    ROW("400", "GET / HTTP/11\r\n" HOST "\r\n" END),
    ROW("400", "GET /\r\n\r\n" END), /* HTTP/0.9 */
    ROW("505", "GET / HTTP/0.9\r\n" HOST "\r\n" END),

    /* Host */
    ROW("200 200", "GET / HTTP/1.1\r\nHost:\r\n\r\n" END, .has = "<GET /  >"),
    ROW("200 200", "GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n" END, .has = "<GET / [::1]:80 >"),
    ROW("200 200", "GET / HTTP/1.1\r\nHost: a-b.c_d:\r\n\r\n" END),
    ROW("200 200", "GET / HTTP/1.1\r\nHost: %c3%a9!$&'()*+;=~:80\r\n\r\n" END),
    ROW("400", "GET / HTTP/1.1\r\nHost: x/y\r\n\r\n" END),
    ROW("400", "GET / HTTP/1.1\r\nHost: x?y\r\n\r\n" END),
    ROW("400", "GET / HTTP/1.1\r\nHost: x#y\r\n\r\n" END),
    ROW("400", "GET / HTTP/1.1\r\nHost: x\\y\r\n\r\n" END),
    ROW("400", "GET / HTTP/1.1\r\nHost: x:y\r\n\r\n" END),
    ROW("400", "GET / HTTP/1.1\r\nHost: x:80:80\r\n\r\n" END),
    ROW("400", "GET / HTTP/1.1\r\nHost: :80\r\n\r\n" END),
    ROW("400", "GET / HTTP/1.1\r\nHost: x y\r\n\r\n" END),
    ROW("400", "GET / HTTP/1.1\r\nHost: x,y\r\n\r\n" END),
    ROW("400", "GET / HTTP/1.1\r\nHost: <x>\r\n\r\n" END),
    ROW("400", "GET / HTTP/1.1\r\nHost: \"x\"\r\n\r\n" END),
    ROW("400", "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n" END),
    ROW("400", "GET / HTTP/1.1\r\nHost: []\r\n\r\n" END),
    ROW("400", "GET / HTTP/1.1\r\nHost: ::1\r\n\r\n" END),
    ROW("400", "GET / HTTP/1.1\r\nHost: x%\r\n\r\n" END),
    ROW("400", "GET / HTTP/1.1\r\nHost: x%0\r\n\r\n" END),
    ROW("400", "GET / HTTP/1.1\r\nHost: \xc3\xa9\r\n\r\n" END),
    ROW("400", "GET / HTTP/1.1\r\nHost: x\r\nhost:\r\n\r\n" END),

    /* targets */
    ROW("200 200", "GET http://y:80/p?q HTTP/1.1\r\n" HOST "\r\n" END, .has = "<GET /p y:80 >"),
    ROW("200 200", "GET HTTPS://y HTTP/1.1\r\n" HOST "\r\n" END, .has = "<GET / y >"),
    ROW("200 200", "GET http://y?q HTTP/1.1\r\n" HOST "\r\n" END, .has = "<GET / y >"),
    ROW("200 200", "OPTIONS * HTTP/1.1\r\n" HOST "\r\n" END, .has = "<OPTIONS * x >"),
    ROW("200 200", "GET //y/p HTTP/1.1\r\n" HOST "\r\n" END, .has = "<GET //y/p x >"),
    ROW("200 200", "GET /a%2Fb%2e HTTP/1.1\r\n" HOST "\r\n" END, .has = "<GET /a/b. x >"),
    ROW("400", "GET http://y/ HTTP/1.1\r\n\r\n" END), /* Host is a must, even so */
    ROW("400", "GET http://y/ HTTP/1.1\r\nHost: a b\r\n\r\n" END),
    ROW("400", "GET http://u:p@y/ HTTP/1.1\r\n" HOST "\r\n" END),
    ROW("400", "GET http:///p HTTP/1.1\r\n" HOST "\r\n" END),
    ROW("400", "GET http://y:99999999/ HTTP/1.1\r\n" HOST "\r\n" END),
    ROW("400", "GET http:/p HTTP/1.1\r\n" HOST "\r\n" END),
    ROW("400", "GET httpx://y/ HTTP/1.1\r\n" HOST "\r\n" END),
    ROW("400", "GET ftp://y/ HTTP/1.1\r\n" HOST "\r\n" END),
    ROW("400", "GET y:80 HTTP/1.1\r\n" HOST "\r\n" END),
    ROW("400", "GET p HTTP/1.1\r\n" HOST "\r\n" END),
    ROW("400", "GET ?q HTTP/1.1\r\n" HOST "\r\n" END),
    ROW("400", "GET * HTTP/1.1\r\n" HOST "\r\n" END),
    ROW("400", "OPTIONS *x HTTP/1.1\r\n" HOST "\r\n" END),
    ROW("400", "GET /%2 HTTP/1.1\r\n" HOST "\r\n" END),
    ROW("400", "GET /%-1 HTTP/1.1\r\n" HOST "\r\n" END),
    ROW("501", "CONNECT y:80 HTTP/1.1\r\n" HOST "\r\n" END),
    ROW("501", "get / HTTP/1.1\r\n" HOST "\r\n" END),

    /* lengths and chunks */
    ROW("200 200", POST "Content-Length: 00005 \r\n\r\nhello" END, .has = "<POST / x hello>"),
    ROW("200 200", GET "Content-Length: 5\r\n\r\nhello" END, .has = "<GET / x hello>"),
    ROW("200 200", GET "Content-Length: 0\r\n\r\n" END, .has = "<GET / x >"),
    ROW("200 200", POST "tRANSFER-eNCODING:\tCHUNKED \r\n\r\n0005\r\nhello\r\n000\r\n\r\n" END,
        .has = "<POST / x hello>"),
    ROW("200 200", CHUNKED "2;a;b=c;d=\"e;f\"\r\nhe\r\n3\t ;a\r\nllo\r\n0;z\r\nX: y\r\n\r\n" END,
        .has = "<POST / x hello>"),
    ROW("400", CHUNKED "3 \r\nabc\r\n0\r\n\r\n" END),
    ROW("400", CHUNKED "3 4\r\nabc\r\n0\r\n\r\n" END),
    ROW("400", CHUNKED "3\v;a\r\nabc\r\n0\r\n\r\n" END),
    ROW("400", CHUNKED ";a\r\nabc\r\n0\r\n\r\n" END),
    ROW("400", CHUNKED "3g\r\nabc\r\n0\r\n\r\n" END),
    ROW("400", CHUNKED "0\r\n\r\r\n\r\n" END),
    ROW("400", POST "Content-Length: 5,\r\n\r\nhello" END),
    ROW("400", POST "Content-Length: 5;\r\n\r\nhello" END),
    ROW("400", POST "Content-Length: 5\v\r\n\r\nhello" END),
    ROW("400", POST "Content-Length: 5\r\ncontent-length: 5\r\n\r\nhello" END),
    ROW("400", POST "Content-Length: 18446744073709551621\r\n\r\nhello" END),
    ROW("413", POST "Content-Length: 9223372036854775808\r\n\r\nhello" END),
    ROW("400", POST "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" END),
    ROW("400", POST "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n" END),
    ROW("400", POST "Transfer-Encoding: chunked,\r\n\r\n0\r\n\r\n" END),
    ROW("400", POST "Transfer-Encoding: ,chunked\r\n\r\n0\r\n\r\n" END),
    ROW("400", POST "Transfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n" END),
    ROW("400", POST "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n" END),
    ROW("400", POST "Transfer-Encoding:\r\n\r\n0\r\n\r\n" END),
    ROW("400", POST "Transfer-Encoding: identity, chunked\r\nContent-Length: 3\r\n\r\nabc" END),

    /* the connection */
    ROW("200", GET "Connection: close, keep-alive\r\n\r\n" END, .has = "Connection: close"),
    ROW("200", GET "Connection: keep-alive\r\nConnection: close\r\n\r\n" END,
        .has = "Connection: close"),
    ROW("200 200", GET "Connection: keep-alive, x-close\r\n\r\n" END),
    ROW("200", "GET / HTTP/1.0\r\n\r\n" END, .has = "Connection: close"),
    ROW("200", "GET / HTTP/1.0\r\nConnection: x\r\n\r\n" END, .has = "Connection: close"),
    ROW("200", "GET / HTTP/1.0\r\nConnection: close, keep-alive\r\n\r\n" END,
        .has = "Connection: close"),
    ROW("200 200", "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n" END,
        .has = "Connection: keep-alive"),
    ROW("200 400", GET "\r\nnonsense\r\n\r\n" END, .has_no = "/end"),
    ROW("200 400", GET "\r\n" POST "Content-Length: x\r\n\r\n" END, .has_no = "/end"),
    ROW("200 400", POST "Content-Length: 5\r\n\r\nhello, world" END, .has = "<POST / x hello>",
        .has_no = "/end"),
    ROW("200 200 400", GET "\r\n" GET "\r\n" CHUNKED "5\r\nhello0\r\n\r\n" END, .has_no = "/end"),
    ROW("200 200",
        GET "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
            "HTTP2-Settings: AAMAAABk\r\n\r\n" END,
        .has = "<GET / x >", .has_no = "101"),
    ROW("200 200", GET "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n" END, .has = "<GET / x >",
        .has_no = "101"),

    /* Expect */
    ROW("100 200 200", POST "Expect: 100-Continue\r\nContent-Length: 5\r\n\r\nhello" END,
        .has = "<POST / x hello>"),
    ROW("200 200", GET "Expect: 100-continue\r\n\r\n" END, .has = "<GET / x >"),
    ROW("200 200", POST "Expect: 100-continue\r\nContent-Length: 0\r\n\r\n" END,
        .has = "<POST / x >"),
    ROW("200", "POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello" END,
        .has = "<POST /  hello>"),
    ROW("200",
        "POST /unread HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 5\r\n\r\n" END,
        .has = "Connection: close"),
    ROW("417", POST "Expect: 200-ok\r\n\r\n" END),
    ROW("417", POST "Expect: 100-continue, x\r\n\r\n" END),
};

static const struct row answers[] = {
    ROW("204 200", "GET /204 HTTP/1.1\r\n" HOST "\r\n" END, .has_no = "body"),
    ROW("204", "GET /204 HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n",
        .has_no = "Content-Length"),
    ROW("204", "GET /204 HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n", .has_no = "Transfer-Enc"),
    ROW("205 200", "GET /205 HTTP/1.1\r\n" HOST "\r\n" END, .has = "Content-Length: 0\r\n",
        .has_no = "body"),
    ROW("205 200", "HEAD /205 HTTP/1.1\r\n" HOST "\r\n" END, .has = "Content-Length: 0\r\n",
        .has_no = "body"),
    ROW("304 200", "GET /304 HTTP/1.1\r\n" HOST "\r\n" END, .has = "Content-Length: 4\r\n",
        .has_no = "body"),
    ROW("200 200", "HEAD /200 HTTP/1.1\r\n" HOST "\r\n" END, .has = "Content-Length: 4\r\n",
        .has_no = "body"),
    ROW("404 200", "HEAD /404 HTTP/1.1\r\n" HOST "\r\n" END, .has = "Content-Length: 4\r\n",
        .has_no = "body"),
    ROW("299 200", "GET /299 HTTP/1.1\r\n" HOST "\r\n" END, .has = "HTTP/1.1 299 \r\n",
        .has_no = "unknown"),
    /* what a handler takes from a request does not begin a header */
    ROW("400 200", "GET /reflect/a%0d%0aX-Evil:%20b HTTP/1.1\r\n" HOST "\r\n" END,
        .has_no = "Evil"),
    ROW("400 200", "GET /reflect/a%0aX-Evil:%20b HTTP/1.1\r\n" HOST "\r\n" END, .has_no = "Evil"),
    ROW("400 200", "GET /reflect/a%0dX-Evil:%20b HTTP/1.1\r\n" HOST "\r\n" END, .has_no = "Evil"),
    ROW("400 200", "GET /reflect/a%01%7f HTTP/1.1\r\n" HOST "\r\n" END, .has_no = "a\x01"),
    ROW("200 200", "GET /reflect/%20%09a%09b%20%20 HTTP/1.1\r\n" HOST "\r\n" END,
        .has = "\r\nX-Reflected: a\tb\r\n"),
};

/* ---- the check ---- */

/* Each answer begins behind the body of the one before, which ends with '>' or a line's end. */
static void read_statuses(const char *text, char *statuses)
{
    *statuses = '\0';
    for (const char *at = text; (at = strstr(at, "HTTP/1.1 ")); at += 9) {
        statuses += sprintf(statuses, "%s%.3s", at == text ? "" : " ", at + 9);
    }
}

static bool is_as_it_must_be(const struct row *r, const char *text)
{
    char statuses[512];

    read_statuses(text, statuses);
    return strcmp(statuses, r->statuses) == 0 && (!r->has || strstr(text, r->has)) &&
           (!r->has_no || !strstr(text, r->has_no));
}

/* pieces: byte by byte, so that nothing depends on what comes together. */
static void check_rows(const struct row *rows, size_t n, bool in_pieces)
{
    struct site s = {.handler = audited,
                     .opts = {.idle_timeout_ns = 20 * COVEY_SEC, .max_body = 1 << 20}};
    int bad = 0;
    site_open(&s);

    for (size_t i = 0; i < n; i++) {
        covey_conn *c = dial(&s);
        ssize_t sent = 0;
        for (size_t at = 0; in_pieces && at < rows[i].len && sent >= 0; at++) {
            sent = covey_write(NULL, c, rows[i].says + at, 1); /* until it has closed */
            covey_yield();
        }
        if (!in_pieces) {
            say_bytes(c, rows[i].says, rows[i].len);
        }
        char *text = hear_all(c);
        if (!is_as_it_must_be(&rows[i], text)) {
            fprintf(stderr, "# not %s:\n%s\n# but:\n%s\n", rows[i].statuses, rows[i].says, text);
            bad++;
        }
        free(text);
        covey_close(c);
    }
    CHECK_EQ(bad, 0);
    CHECK_EQ(site_close(&s), 0);
}

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

TASK_TEST(each_request_has_the_answer_that_the_rfc_demands)
{
    check_rows(requests, COUNT(requests), false);
}

TASK_TEST(and_the_same_byte_by_byte)
{
    check_rows(requests, COUNT(requests), true);
}

TASK_TEST(each_answer_is_one_that_the_rfc_allows)
{
    check_rows(answers, COUNT(answers), false);
}

/* ---- floods ---- */

/* Says a piece again and again until the server has had enough; what it answered. */
static char *flood(struct site *s, const char *first, const char *again)
{
    covey_conn *c = dial(s);
    ssize_t n = covey_write(NULL, c, first, strlen(first));

    while (n > 0) {
        n = covey_write(NULL, c, again, strlen(again));
    }
    char *text = hear_all(c);
    covey_close(c);
    return text;
}

#define TIMES_8(text) text text text text text text text text
#define TIMES_512(text) TIMES_8(TIMES_8(TIMES_8(text)))

/* Each ends with a status, or (a reset may overtake it) with the connection. */
TASK_TEST(floods_of_what_is_no_body_end_the_connection)
{
    static const struct {
        const char *first, *again;
        int status;
    } floods[] = {
        {"GET /", TIMES_512("x"), 414},
        {"GET / HTTP/1.1\r\n" HOST, TIMES_512("X: y\r\n"), 431},
        {"GET / HTTP/1.1\r\n" HOST "X: ", TIMES_512("y"), 431},
        {CHUNKED, TIMES_8("1;extension=123456789012345678901234567890123456789\r\na\r\n"), 400},
        {CHUNKED "1;", TIMES_512("x"), 400},
        {CHUNKED "0\r\n", TIMES_512("X: y\r\n"), 413},
    };
    struct site s = {.handler = audited};
    site_open(&s);

    for (size_t i = 0; i < COUNT(floods); i++) {
        char *text = flood(&s, floods[i].first, floods[i].again);
        int status = status_in(text);
        CHECK(status == 0 || status == floods[i].status);
        free(text);
    }
    CHECK_EQ(site_close(&s), 0);
}

/* Empty lines before a request are no part of it, but hold the connection no longer than nothing,
 * and no memory. */
TASK_TEST(empty_lines_without_end_end_with_the_time_for_a_request)
{
    struct site s = {
        .handler = audited,
        .opts = {.idle_timeout_ns = 100 * COVEY_MS, .header_timeout_ns = 100 * COVEY_MS}};
    site_open(&s);

    char *text = flood(&s, "\r\n", TIMES_512("\r\n"));
    CHECK_STR(text, "");
    free(text);
    text = flood(&s, "\r\n", "\r");
    free(text);
    CHECK_EQ(site_close(&s), 0);
    CHECK_EQ(s.stats.requests, 0);
}

/* Many small chunks are no flood, if they are no more than a client needs to say them. */
TASK_TEST(small_chunks_are_no_flood)
{
    struct site s = {.handler = audited};
    char buf[4096];
    site_open(&s);

    covey_conn *c = dial(&s);
    say(c, CHUNKED);
    for (int i = 0; i < 100; i++) {
        say(c, "1;a=b\r\nx\r\n");
    }
    say(c, "0\r\n\r\n");
    hear_until(c, buf, sizeof(buf), "x>");
    CHECK_EQ(status_in(buf), 200);
    covey_close(c);
    CHECK_EQ(site_close(&s), 0);
}
