/* SPDX-License-Identifier: MIT
 * fixture.h - a small server for the tests of the client, in the same process. Include harness.h
 * first.
 *
 * A request's path says what the server does: /hello, /bytes/N, /chunked/N (a pattern, in chunks),
 * /hang (no answer), /hang-first (none to the server's first request), /drop (half a body),
 * /to/PATH (a redirect), /echo (the request as the body), /empty (204), /head/N (N bytes of
 * headers), /trickle (a byte each 10 ms, for ever), /reset/N and /busy/N/WISH (the server's first N
 * requests are dropped, or answered 503 with Retry-After). */
#ifndef CVY_HTTP_FIXTURE_H
#define CVY_HTTP_FIXTURE_H

#include <covey.h>
#include <covey/http.h>

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct server {
    covey_listener *listener;
    covey_group *group; /* of the accepting task */
    covey_http_client *client;
    char base[64];
    atomic_int connections, open, requests;
};

struct visit {
    struct server *server;
    covey_conn *conn;
};

static char pattern[65536]; /* filled by start_server() */

static inline int say(covey_ctx *ctx, covey_conn *c, const char *text)
{
    ssize_t n = covey_write(ctx, c, text, strlen(text));

    return n < 0 ? (int)n : 0;
}

static inline int say_body(covey_ctx *ctx, covey_conn *c, const char *status, const char *body,
                           size_t len)
{
    char head[256];

    snprintf(head, sizeof(head), "HTTP/1.1 %s\r\nContent-Length: %zu\r\nX-Test: yes\r\n\r\n",
             status, len);
    int code = say(ctx, c, head);
    ssize_t n = code < 0 ? code : covey_write(ctx, c, body, len);
    return n < 0 ? (int)n : 0;
}

static inline int say_pattern(covey_ctx *ctx, covey_conn *c, size_t size, bool is_chunked)
{
    char head[128];
    int code = 0;

    snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", size);
    code = say(ctx, c, is_chunked ? "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" : head);
    for (size_t done = 0; done < size && code == 0;) {
        size_t piece = size - done < sizeof(pattern) ? size - done : sizeof(pattern);
        if (is_chunked) {
            snprintf(head, sizeof(head), "%zx\r\n", piece);
            code = say(ctx, c, head);
        }
        ssize_t n = code < 0 ? code : covey_write(ctx, c, pattern, piece);
        code = n < 0 ? (int)n : is_chunked ? say(ctx, c, "\r\n") : 0;
        done += piece;
    }
    return code < 0 || !is_chunked ? code : say(ctx, c, "0\r\nX-Trailer: kept apart\r\n\r\n");
}

static inline int say_big_head(covey_ctx *ctx, covey_conn *c, size_t size)
{
    char line[1024];
    int code = say(ctx, c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n");

    memset(line, 'x', sizeof(line));
    memcpy(line, "X: ", 3);
    memcpy(line + sizeof(line) - 3, "\r\n", 3);
    for (size_t done = 0; done < size && code == 0; done += sizeof(line) - 1) {
        code = say(ctx, c, line);
    }
    return code < 0 ? code : say(ctx, c, "\r\n");
}

static inline int trickle(covey_ctx *ctx, covey_conn *c)
{
    int code = say(ctx, c, "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n");

    while (code == 0) {
        code = say(ctx, c, "x");
        if (code == 0) {
            code = covey_sleep(ctx, 10 * COVEY_MS);
        }
    }
    return code;
}

/* /busy/N/WISH: WISH seconds as Retry-After. */
static inline int say_busy(covey_ctx *ctx, covey_conn *c, const char *path, bool is_busy)
{
    char head[160];
    int wish = 0;

    if (!is_busy) {
        return say_body(ctx, c, "200 OK", "hello", 5);
    }
    sscanf(path, "/busy/%*u/%d", &wish);
    snprintf(
        head, sizeof(head),
        "HTTP/1.1 503 Busy\r\nContent-Length: 4\r\nConnection: close\r\nRetry-After: %d\r\n\r\n"
        "busy",
        wish);
    int code = say(ctx, c, head);
    return code < 0 ? code : COVEY_ECLOSED;
}

/* Answers one request; a code ends the connection. */
static inline int answer(covey_ctx *ctx, struct visit *v, int number, const char *request,
                         size_t len)
{
    char path[512] = "", head[640];
    size_t n = 0;
    covey_conn *c = v->conn;
    bool is_head = strncmp(request, "HEAD ", 5) == 0;

    sscanf(request, "%*s %511s", path);
    if (is_head) {
        return say(ctx, c, "HTTP/1.1 200 OK\r\nContent-Length: 12345\r\n\r\n");
    }
    if (sscanf(path, "/bytes/%zu", &n) == 1) {
        return say_pattern(ctx, c, n, false);
    }
    if (sscanf(path, "/chunked/%zu", &n) == 1) {
        return say_pattern(ctx, c, n, true);
    }
    if (sscanf(path, "/head/%zu", &n) == 1) {
        return say_big_head(ctx, c, n);
    }
    if (strncmp(path, "/to/", 4) == 0) {
        snprintf(
            head, sizeof(head),
            "HTTP/1.1 302 Found\r\nLocation: %s\r\nX-First: 1\r\nContent-Length: 4\r\n\r\ngone",
            path + 3);
        return say(ctx, c, head);
    }
    if (strcmp(path, "/hang") == 0 || (strcmp(path, "/hang-first") == 0 && number == 1)) {
        int code =
            covey_wait_fd(ctx, covey_conn_fd(c), COVEY_FD_READ); /* until the client leaves */
        return code < 0 ? code : COVEY_ECLOSED;
    }
    if (strcmp(path, "/drop") == 0) {
        int code = say(ctx, c, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf.");
        return code < 0 ? code : COVEY_ECLOSED;
    }
    if (sscanf(path, "/reset/%zu", &n) == 1) {
        return (size_t)number <= n ? COVEY_ECLOSED : say_body(ctx, c, "200 OK", "hello", 5);
    }
    if (sscanf(path, "/busy/%zu", &n) == 1) {
        return say_busy(ctx, c, path, (size_t)number <= n);
    }
    if (strcmp(path, "/trickle") == 0) {
        return trickle(ctx, c);
    }
    if (strcmp(path, "/empty") == 0) {
        return say(ctx, c, "HTTP/1.1 204 No Content\r\n\r\n");
    }
    if (strcmp(path, "/echo") == 0) {
        return say_body(ctx, c, "200 OK", request, len);
    }
    return strncmp(path, "/hello", 6) == 0 || strcmp(path, "/hang-first") == 0
               ? say_body(ctx, c, "200 OK", "hello", 5)
               : say_body(ctx, c, "404 Not Found", "no", 2);
}

/* A request with its body, which must fit. Its length; 0 or a code at the end. */
static inline ssize_t read_request(covey_ctx *ctx, covey_conn *c, char *buf, size_t size)
{
    size_t len = 0, need = 0;

    while (need == 0 || len < need) {
        ssize_t n = covey_read(ctx, c, buf + len, size - 1 - len);
        if (n <= 0) {
            return n;
        }
        len += (size_t)n;
        buf[len] = '\0';
        if (buf[0] == 0x16) {
            return 0; /* TLS */
        }
        const char *end = strstr(buf, "\r\n\r\n");
        if (need == 0 && end) {
            const char *field = strstr(buf, "Content-Length: ");
            need = (size_t)(end + 4 - buf) + (field ? strtoul(field + 16, NULL, 10) : 0);
        }
    }
    return (ssize_t)len;
}

static inline int serve_visit(covey_ctx *ctx, void *arg)
{
    struct visit *v = arg;
    char *buf = malloc(65536);
    ssize_t len;

    while ((len = read_request(ctx, v->conn, buf, 65536)) > 0) {
        int number = atomic_fetch_add(&v->server->requests, 1) + 1;
        if (answer(ctx, v, number, buf, (size_t)len) < 0) {
            break;
        }
    }
    free(buf);
    covey_close(v->conn);
    atomic_fetch_sub(&v->server->open, 1);
    return 0;
}

static inline int serve(covey_ctx *ctx, void *arg)
{
    struct server *s = arg;
    covey_group *visits = covey_group_new(ctx);

    for (;;) {
        struct visit v = {.server = s};
        if (covey_accept(ctx, s->listener, &v.conn) < 0) {
            break;
        }
        atomic_fetch_add(&s->connections, 1);
        atomic_fetch_add(&s->open, 1);
        CHECK_EQ(covey_group_go_copy(visits, serve_visit, &v, sizeof(v)), 0);
    }
    covey_group_cancel(visits, 0);
    return covey_group_wait(visits);
}

static inline void start_server(covey_ctx *ctx, struct server *s,
                                const covey_http_client_options *options)
{
    covey_http_client_options defaults = {.proxy = ""};

    for (size_t i = 0; i < sizeof(pattern); i++) {
        pattern[i] = (char)('a' + i % 26);
    }
    memset(s, 0, sizeof(*s));
    CHECK_EQ(covey_listen(&s->listener, "tcp://127.0.0.1:0", NULL), 0);
    snprintf(s->base, sizeof(s->base), "http%s", covey_listener_addr(s->listener) + 3);
    s->group = covey_group_new(ctx);
    CHECK_EQ(covey_group_go(s->group, serve, s), 0);
    s->client = covey_http_client_new(options ? options : &defaults);
    CHECK(s->client != NULL);
}

static inline void stop_server(struct server *s)
{
    covey_http_client_free(s->client);
    covey_group_cancel(s->group, 0);
    CHECK_EQ(covey_group_wait(s->group), 0);
    covey_listener_close(s->listener);
}

static inline const char *url_of(struct server *s, const char *path)
{
    static char urls[8][256];
    static int next;
    char *url = urls[next++ % 8];

    snprintf(url, sizeof(urls[0]), "%s%s", s->base, path);
    return url;
}

static inline void run_in_task(covey_fn *fn)
{
    int code = covey_run(fn, NULL);

    if (code < 0) {
        fprintf(stderr, "# %s\n", covey_errmsg());
    }
    CHECK_EQ(code, 0);
}

/* A test whose body runs as the main task, with a server and a client. */
#define HTTP_TEST(name)                                                                            \
    static void body_##name(covey_ctx *ctx, struct server *s);                                     \
    static int task_##name(covey_ctx *ctx, void *arg)                                              \
    {                                                                                              \
        static struct server server;                                                               \
        (void)arg;                                                                                 \
        start_server(ctx, &server, NULL);                                                          \
        body_##name(ctx, &server);                                                                 \
        stop_server(&server);                                                                      \
        return 0;                                                                                  \
    }                                                                                              \
    TEST(name)                                                                                     \
    {                                                                                              \
        run_in_task(task_##name);                                                                  \
    }                                                                                              \
    static void body_##name(covey_ctx *ctx, struct server *s)

/* Waits until a counter has that value. */
static inline void wait_until(covey_ctx *ctx, atomic_int *counter, int value)
{
    while (atomic_load(counter) != value) {
        CHECK_EQ(covey_sleep(ctx, COVEY_MS), 0);
    }
}

#endif
