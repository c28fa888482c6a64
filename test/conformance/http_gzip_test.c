/* SPDX-License-Identifier: MIT
 * http_gzip_test.c - responses that go out compressed, over HTTP/1 and HTTP/2. */
#include "h2_client.h"

#include <covey/http.h>
#include <unistd.h>
#include <zlib.h>

#define HOST "Host: x\r\n"
#define ACCEPT "Accept-Encoding: gzip\r\n"
#define LARGE ((size_t)1 << 20)

/* ---- handlers ---- */

/* Letters that repeat, but not soon. */
static void fill(char *text, size_t len)
{
    unsigned x = 1;

    for (size_t i = 0; i < len; i++) {
        x = x * 1103515245u + 12345u;
        text[i] = (char)('a' + (x >> 16) % 16);
    }
}

/* By path: "/whole/N", "/pieces/N", and others. */
static int makes(covey_ctx *ctx, covey_http_server_request *req, covey_http_writer *w, void *arg)
{
    size_t len = (size_t)atol(strrchr(req->path, '/') + 1);
    char *text = malloc(len + 1);
    int code = 0;

    (void)arg;
    CHECK(text);
    fill(text, len);
    if (strncmp(req->path, "/image/", 7) == 0) {
        code = covey_http_respond(ctx, w, 200, "image/png", text, len);
    } else if (strncmp(req->path, "/coded/", 7) == 0) {
        CHECK_EQ(covey_http_set_header(w, "Content-Encoding", "br"), 0);
        code = covey_http_respond(ctx, w, 200, "text/plain", text, len);
    } else if (strncmp(req->path, "/fixed/", 7) == 0) {
        CHECK_EQ(covey_http_set_header(w, "Cache-Control", "public, no-transform"), 0);
        code = covey_http_respond(ctx, w, 200, "text/plain", text, len);
    } else if (strncmp(req->path, "/pieces/", 8) == 0) {
        CHECK_EQ(covey_http_set_header(w, "Content-Type", "text/plain; charset=utf-8"), 0);
        for (size_t at = 0; at < len && code >= 0; at += 700) {
            size_t n = len - at < 700 ? len - at : 700;
            code = (int)covey_http_write(ctx, w, text + at, n);
        }
    } else {
        CHECK_EQ(covey_http_set_header(w, "Vary", "Origin"), 0);
        CHECK_EQ(covey_http_set_header(w, "ETag", "\"x\""), 0);
        code = covey_http_respond(ctx, w, 200, "application/json", text, len);
    }
    free(text);
    return code < 0 ? code : 0;
}

/* ---- clients ---- */

static char *exchange(struct site *s, const char *method, const char *path, const char *more,
                      size_t *len)
{
    char request[512];
    size_t cap = 2 * LARGE;
    char *buf = malloc(cap);
    ssize_t n;

    covey_conn *c = dial(s);
    (void)snprintf(request, sizeof(request),
                   "%s %s HTTP/1.1\r\n" HOST "Connection: close\r\n%s\r\n", method, path, more);
    say(c, request);
    *len = 0;
    CHECK(buf);
    while ((n = covey_read(NULL, c, buf + *len, cap - *len - 1)) > 0) {
        *len += (size_t)n;
    }
    buf[*len] = '\0';
    covey_close(c);
    return buf;
}

/* The body of a response: chunks are put together. Its length. */
static size_t body_of(char *text, size_t len, char **body)
{
    char *at = strstr(text, "\r\n\r\n") + 4, *to = at;
    bool is_chunked = strstr(text, "Transfer-Encoding: chunked\r\n") != NULL;

    *body = at;
    if (!is_chunked) {
        return len - (size_t)(at - text);
    }
    for (;;) {
        size_t n = strtoul(at, &at, 16);
        at += 2;
        if (n == 0) {
            return (size_t)(to - *body);
        }
        memmove(to, at, n);
        to += n;
        at += n + 2;
        CHECK(at < text + len);
    }
}

/* What it is when decompressed must be what makes() has made. */
static void check_coded(char *coded, size_t coded_len, size_t len)
{
    char *plain = malloc(len + 1), *expected = malloc(len + 1);
    z_stream z = {.next_in = (Bytef *)coded, .avail_in = (uInt)coded_len};

    CHECK(plain && expected);
    z.next_out = (Bytef *)plain;
    z.avail_out = (uInt)len + 1;
    CHECK_EQ(inflateInit2(&z, 15 + 16), Z_OK);
    CHECK_EQ(inflate(&z, Z_FINISH), Z_STREAM_END);
    CHECK_EQ(z.total_out, len);
    CHECK_EQ(z.avail_in, 0);
    CHECK_EQ(inflateEnd(&z), Z_OK);
    fill(expected, len);
    CHECK(memcmp(plain, expected, len) == 0);
    free(plain);
    free(expected);
}

static bool is_coded(const char *text)
{
    return strstr(text, "\r\nContent-Encoding: gzip\r\n") != NULL;
}

/* ---- what is compressed ---- */

TASK_TEST(whole_and_streamed_bodies_are_compressed)
{
    static const size_t lens[] = {1024, 3000, 5000, 50000, 65536, 65537, LARGE};
    struct site s = {.handler = makes, .opts.gzip = 6};
    site_open(&s);

    for (size_t i = 0; i < 2 * sizeof(lens) / sizeof(lens[0]); i++) {
        char path[64], *body;
        size_t n, len = lens[i / 2];
        (void)snprintf(path, sizeof(path), i % 2 ? "/pieces/%zu" : "/whole/%zu", len);
        char *text = exchange(&s, "GET", path, ACCEPT, &n);
        CHECK_EQ(status_in(text), 200);
        CHECK(is_coded(text));
        CHECK_EQ(count_of(text, "\r\nVary: Accept-Encoding\r\n"), 1);
        size_t coded = body_of(text, n, &body);
        bool has_length = i % 2 ? len <= 4096 : len <= 65536;
        CHECK_EQ(count_of(text, "\r\nContent-Length: "), has_length);
        CHECK(!has_length || (size_t)atol(strstr(text, "Content-Length: ") + 16) == coded);
        CHECK(coded < len);
        check_coded(body, coded, len);
        free(text);
    }
    CHECK_EQ(site_close(&s), 0);
}

TASK_TEST(what_does_not_gain_or_is_not_wanted_stays_as_it_is)
{
    static const struct {
        const char *path, *accept;
        int varies;
    } cases[] = {
        {"/whole/2000", "", 1},     {"/whole/2000", "Accept-Encoding: gzip;q=0\r\n", 1},
        {"/whole/1023", ACCEPT, 0}, {"/image/2000", ACCEPT, 0},
        {"/coded/2000", ACCEPT, 0}, {"/fixed/2000", ACCEPT, 0},
    };
    struct site s = {.handler = makes, .opts.gzip = 1};
    site_open(&s);

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t n;
        char *text = exchange(&s, "GET", cases[i].path, cases[i].accept, &n), *body;
        CHECK(!is_coded(text));
        CHECK_EQ(count_of(text, "\r\nVary: Accept-Encoding\r\n"), cases[i].varies);
        CHECK_EQ(count_of(text, "\r\nETag: \"x\"\r\n"), strncmp(cases[i].path, "/whole", 6) == 0);
        CHECK_EQ(body_of(text, n, &body), (size_t)atol(cases[i].path + 7));
        free(text);
    }
    covey_conn *c = dial(&s);
    say(c, "GET /pieces/9000 HTTP/1.0\r\n" ACCEPT "\r\n");
    char *text = hear_all(c);
    CHECK(!is_coded(text));
    free(text);
    covey_close(c);
    CHECK_EQ(site_close(&s), 0);
}

TASK_TEST(without_the_option_nothing_is_compressed)
{
    struct site s = {.handler = makes};
    size_t n;
    site_open(&s);

    char *text = exchange(&s, "GET", "/whole/2000", ACCEPT, &n);
    CHECK(!is_coded(text));
    CHECK_EQ(count_of(text, "Accept-Encoding"), 0);
    free(text);
    CHECK_EQ(site_close(&s), 0);
}

TASK_TEST(head_says_what_get_would)
{
    struct site s = {.handler = makes, .opts.gzip = 6};
    size_t n;
    site_open(&s);

    char *text = exchange(&s, "HEAD", "/whole/2000", ACCEPT, &n);
    CHECK(is_coded(text));
    CHECK_EQ(count_of(text, "\r\nContent-Length: "), 0);
    CHECK_EQ(count_of(text, "\r\nETag: W/\"x\"\r\n"), 1);
    CHECK_STR(strstr(text, "\r\n\r\n"), "\r\n\r\n");
    free(text);
    CHECK_EQ(site_close(&s), 0);
}

TASK_TEST(a_level_that_is_none_is_refused)
{
    covey_listener *l;
    CHECK_EQ(covey_listen(&l, "tcp://127.0.0.1:0", NULL), 0);
    for (int level = -1; level <= 10; level += 11) {
        covey_http_server_options opts = {.gzip = level};
        CHECK_EQ(covey_http_serve(NULL, l, makes, NULL, &opts), -EINVAL);
    }
    covey_listener_close(l);
}

/* ---- files ---- */

static int file_of(covey_ctx *ctx, covey_http_server_request *req, covey_http_writer *w, void *arg)
{
    return covey_http_serve_file(ctx, req, w, arg, req->path);
}

static void etag_in(const char *text, char *etag, size_t size)
{
    const char *at = strstr(text, "\r\nETag: ") + 8;

    (void)snprintf(etag, size, "%.*s", (int)strcspn(at, "\r"), at);
}

TASK_TEST(a_compressed_file_has_a_weak_tag_and_no_ranges)
{
    char root[] = "/tmp/covey-gzip-XXXXXX", name[64], etag[64], more[256], *body;
    static char content[9000];
    size_t n;
    CHECK(mkdtemp(root));
    (void)snprintf(name, sizeof(name), "%s/file.txt", root);
    FILE *f = fopen(name, "w");
    fill(content, sizeof(content));
    CHECK(f && fwrite(content, sizeof(content), 1, f) == 1 && fclose(f) == 0);
    struct site s = {.handler = file_of, .arg = root, .opts.gzip = 6};
    site_open(&s);

    char *text = exchange(&s, "GET", "/file.txt", ACCEPT, &n);
    CHECK(is_coded(text));
    CHECK_EQ(count_of(text, "Accept-Ranges"), 0);
    etag_in(text, etag, sizeof(etag));
    CHECK(strncmp(etag, "W/\"", 3) == 0);
    size_t coded = body_of(text, n, &body);
    check_coded(body, coded, sizeof(content));
    free(text);

    (void)snprintf(more, sizeof(more), ACCEPT "If-None-Match: %s\r\n", etag);
    text = exchange(&s, "GET", "/file.txt", more, &n);
    CHECK_EQ(status_in(text), 304);
    CHECK_EQ(count_of(text, "\r\nVary: Accept-Encoding\r\n"), 1);
    CHECK_EQ(count_of(text, "\r\nETag: W/\""), 1); /* as the answer that it stands for */
    free(text);

    text = exchange(&s, "GET", "/file.txt", ACCEPT "Range: bytes=10-19\r\n", &n);
    CHECK_EQ(status_in(text), 206);
    CHECK(!is_coded(text));
    CHECK_EQ(count_of(text, "\r\nVary: Accept-Encoding\r\n"), 1);
    CHECK_EQ(count_of(text, "\r\nETag: \""), 1);
    CHECK_EQ(body_of(text, n, &body), 10);
    CHECK(memcmp(body, content + 10, 10) == 0);
    free(text);

    (void)snprintf(more, sizeof(more), ACCEPT "Range: bytes=10-19\r\nIf-Range: %s\r\n", etag);
    text = exchange(&s, "GET", "/file.txt", more, &n);
    CHECK_EQ(status_in(text), 200); /* a weak tag is no ground for a range */
    free(text);
    CHECK_EQ(site_close(&s), 0);
    CHECK_EQ(unlink(name), 0);
    CHECK_EQ(rmdir(root), 0);
}

/* ---- flushes, and HTTP/2 ---- */

/* Two parts; the second when the gate opens. */
static int streams(covey_ctx *ctx, covey_http_server_request *req, covey_http_writer *w, void *arg)
{
    (void)req;
    CHECK_EQ(covey_http_set_header(w, "Content-Type", "text/event-stream"), 0);
    CHECK_EQ(covey_http_write(ctx, w, "first", 5), 5);
    CHECK_EQ(covey_http_flush(ctx, w), 0);
    CHECK_EQ(covey_chan_recv(ctx, arg, NULL), COVEY_ECLOSED);
    CHECK_EQ(covey_http_write(ctx, w, "second", 6), 6);
    return 0;
}

TASK_TEST(what_was_flushed_can_be_read)
{
    covey_chan *gate = covey_chan_new(0, 0);
    struct site s = {.handler = streams, .arg = gate, .opts.gzip = 9};
    char plain[64] = "";
    z_stream z = {.next_out = (Bytef *)plain, .avail_out = sizeof(plain) - 1};
    site_open(&s);

    struct peer *p = peer_open(&s);
    ask(p, 1, END_STREAM, "GET", "/", "accept-encoding: gzip\n");
    struct answer *a = answer_of(p, 1);
    CHECK_EQ(inflateInit2(&z, 15 + 16), Z_OK);
    z.next_in = (Bytef *)a->body;
    while (strcmp(plain, "first") != 0) {
        CHECK(hear(p) >= 0);
        z.avail_in = (uInt)(a->len - z.total_in);
        int code = inflate(&z, Z_SYNC_FLUSH);
        CHECK(code == Z_OK || code == Z_BUF_ERROR);
    }
    CHECK(strstr(a->head, "content-encoding: gzip\n"));
    CHECK_EQ(covey_chan_close(gate), 0);
    hear_answer(p, 1);
    z.avail_in = (uInt)(a->len - z.total_in);
    CHECK_EQ(inflate(&z, Z_FINISH), Z_STREAM_END);
    CHECK_STR(plain, "firstsecond");
    CHECK_EQ(inflateEnd(&z), Z_OK);
    peer_close(p);
    CHECK_EQ(site_close(&s), 0);
    covey_chan_unref(gate);
}

TASK_TEST(http_2_compresses_as_http_1_does)
{
    struct site s = {.handler = makes, .opts.gzip = 6};
    site_open(&s);

    struct peer *p = peer_open(&s);
    ask(p, 1, END_STREAM, "GET", "/whole/3000", "accept-encoding: gzip, br\n");
    struct answer *a = hear_answer(p, 1);
    CHECK(strstr(a->head, "content-encoding: gzip\n"));
    CHECK(strstr(a->head, "vary: Origin\n"));
    CHECK(strstr(a->head, "vary: Accept-Encoding\n"));
    CHECK(strstr(a->head, "etag: W/\"x\"\n"));
    CHECK_EQ((size_t)atol(strstr(a->head, "content-length: ") + 16), a->len);
    ask(p, 3, END_STREAM, "GET", "/pieces/200000", "accept-encoding: gzip\n");
    a = hear_answer(p, 3);
    CHECK(a->has_ended);
    CHECK(a->len < 200000);
    CHECK_EQ(count_of(a->head, "content-length"), 0);
    get2(p, 5, "/pieces/200000");
    CHECK_EQ(hear_answer(p, 5)->len, 200000);
    peer_close(p);
    CHECK_EQ(site_close(&s), 0);
}

/* ---- failures ---- */

static int breaks(covey_ctx *ctx, covey_http_server_request *req, covey_http_writer *w, void *arg)
{
    (void)arg;
    CHECK_EQ(covey_http_set_header(w, "Content-Type", "text/plain"), 0);
    if (strcmp(req->path, "/short") == 0) {
        CHECK_EQ(covey_http_set_header(w, "Content-Length", "2000"), 0);
    }
    CHECK_EQ(covey_http_write(ctx, w, "some of it", 10), 10);
    CHECK_EQ(covey_http_flush(ctx, w), 0);
    return strcmp(req->path, "/short") == 0 ? 0 : -EIO;
}

TASK_TEST(a_compressed_body_that_breaks_off_never_looks_like_an_end)
{
    static const char *const paths[] = {"/", "/short"};
    struct site s = {.handler = breaks, .opts.gzip = 6};
    site_open(&s);

    for (int i = 0; i < 2; i++) {
        size_t n;
        char *text = exchange(&s, "GET", paths[i], ACCEPT, &n);
        CHECK(is_coded(text));
        CHECK(n < 5 || memcmp(text + n - 5, "0\r\n\r\n", 5) != 0);
        free(text);
        struct peer *p = peer_open(&s);
        ask(p, 1, END_STREAM, "GET", paths[i], "accept-encoding: gzip\n");
        struct answer *a = hear_answer(p, 1);
        CHECK(a->is_reset && !a->has_ended);
        peer_close(p);
    }
    CHECK_EQ(site_close(&s), 0);
}
