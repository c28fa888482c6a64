/* SPDX-License-Identifier: MIT
 * origin.c - a small HTTP/1.1 server to fetch from. On raw sockets, since covey_http_serve() never
 * breaks its word as /drop has to, and since this is the core's own, built without libcovey-http.
 *
 *   /hello, /echo        a fixed body; the request's head as the body
 *   /bytes/N             N bytes, "abc...zabc..."; ranges and If-Range
 *   /delay/MS            the fixed body, MS milliseconds later
 *   /slow/N/MS           N bytes, MS milliseconds between kilobytes
 *   /status/CODE[/SECS]  that status; with SECS a Retry-After
 *   /flaky/N/KEY         503 to the first N requests for KEY, then the fixed body
 *   /drop/N/K            announces N bytes and closes after K; ranges as /bytes. /drop: 1000, 500
 *   /redirect/N          N redirects, then the fixed body
 *
 * One task a connection, all in one group. The first line on standard output is its address; SIGINT
 * and SIGTERM end it, and the last line says how many connections there were and are. */
#include <covey.h>

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>

#define HEAD_MAX 8192
#define ALPHABET 26
#define PATTERN_LEN ((size_t)ALPHABET * 2520) /* a bit less than 64 KiB */
#define FLAKY_KEYS 1024

static char pattern[PATTERN_LEN + ALPHABET];
static const char hello[] = "Hello, world\n";
static atomic_int flaky_seen[FLAKY_KEYS]; /* by hash of the key */
static atomic_int requests, connections, open_connections;

struct options {
    const char *addr;
    bool is_quiet;
};

/* One connection, and what was read from it and not yet used. */
struct visit {
    covey_conn *conn;
    covey_ctx *ctx;
    size_t len;
    char buf[HEAD_MAX + 1];
};

struct request {
    char method[16], path[1024];
    const char *head; /* the header lines */
    bool is_head, keep_alive;
};

/* ---- reading ---- */

/* The value of a header, up to its line's end; NULL if there is none. */
static const char *header(const struct request *r, const char *name)
{
    size_t len = strlen(name);

    for (const char *line = r->head; line && *line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncasecmp(line, name, len) == 0 && line[len] == ':') {
            return line + len + 1 + strspn(line + len + 1, " ");
        }
    }
    return NULL;
}

/* Drops the n bytes at the front. */
static void consume(struct visit *v, size_t n)
{
    v->len -= n;
    memmove(v->buf, v->buf + n, v->len);
    v->buf[v->len] = '\0';
}

/* Reads a head into text. Its length with the empty line, 0 at the end of the stream, or a code. */
static ssize_t read_head(struct visit *v, char *text)
{
    char *end;

    while (!(end = strstr(v->buf, "\r\n\r\n"))) {
        if (v->len == HEAD_MAX) {
            return COVEY_ETOOLARGE;
        }
        ssize_t n = covey_read(v->ctx, v->conn, v->buf + v->len, HEAD_MAX - v->len);
        if (n <= 0) {
            return n;
        }
        v->len += (size_t)n;
        v->buf[v->len] = '\0';
    }
    size_t len = (size_t)(end - v->buf) + 4;
    memcpy(text, v->buf, len);
    text[len] = '\0';
    consume(v, len);
    return (ssize_t)len;
}

/* A request's own body is of no interest. */
static int skip_body(struct visit *v, const struct request *r)
{
    const char *value = header(r, "Content-Length");
    size_t left = value ? strtoull(value, NULL, 10) : 0;

    while (left > 0) {
        if (v->len == 0) {
            ssize_t n = covey_read(v->ctx, v->conn, v->buf, HEAD_MAX);
            if (n <= 0) {
                return n == 0 ? COVEY_ECLOSED : (int)n;
            }
            v->len = (size_t)n;
        }
        size_t n = left < v->len ? left : v->len;
        consume(v, n);
        left -= n;
    }
    return 0;
}

static bool parse(struct request *r, char *text)
{
    char version[16];

    if (sscanf(text, "%15s %1023s %15s", r->method, r->path, version) != 3) {
        return false;
    }
    r->head = strchr(text, '\n') + 1;
    r->is_head = strcmp(r->method, "HEAD") == 0;
    const char *connection = header(r, "Connection");
    bool is_close = connection && strncasecmp(connection, "close", 5) == 0;
    r->keep_alive = strcmp(version, "HTTP/1.1") == 0 && !is_close;
    r->path[strcspn(r->path, "?#")] = '\0';
    return true;
}

/* ---- answering ---- */

/* A status, more header lines (each with its line end), and a body. */
static int answer(struct visit *v, const struct request *r, int status, const char *more,
                  const char *body, size_t len)
{
    char head[512];
    int n = snprintf(head, sizeof(head), "HTTP/1.1 %d %s\r\nContent-Length: %zu\r\n%s%s\r\n",
                     status, status < 400 ? "OK" : "Failed", len, more,
                     r->keep_alive ? "" : "Connection: close\r\n");
    struct iovec parts[] = {{head, (size_t)n}, {(char *)body, r->is_head ? 0 : len}};
    ssize_t sent = covey_writev(v->ctx, v->conn, parts, 2);

    return sent < 0 ? (int)sent : 0;
}

static int answer_hello(struct visit *v, const struct request *r)
{
    return answer(v, r, 200, "", hello, sizeof(hello) - 1);
}

/* The bytes from..to-1 of the pattern, pause_ms between kilobytes if that is not 0. */
static int send_pattern(struct visit *v, uint64_t from, uint64_t to, int64_t pause_ms)
{
    while (from < to) {
        uint64_t piece = pause_ms > 0 ? 1024 : PATTERN_LEN;
        piece = piece < to - from ? piece : to - from;
        ssize_t n = covey_write(v->ctx, v->conn, pattern + from % ALPHABET, (size_t)piece);
        if (n < 0) {
            return (int)n;
        }
        from += piece;
        int code = pause_ms > 0 ? covey_sleep(v->ctx, pause_ms * COVEY_MS) : 0;
        if (code < 0) {
            return code;
        }
    }
    return 0;
}

/* What the request wants of size bytes: true if that is a range. "bytes=A-B", "A-" and "-LAST". */
static bool find_range(const struct request *r, const char *etag, uint64_t size, uint64_t *from,
                       uint64_t *to)
{
    const char *range = header(r, "Range"), *if_range = header(r, "If-Range");
    char *end;

    *from = 0;
    *to = size;
    if (!range || strncmp(range, "bytes=", 6) != 0 ||
        (if_range && strncmp(if_range, etag, strlen(etag)) != 0)) {
        return false;
    }
    range += 6;
    if (*range == '-') {
        uint64_t last = strtoull(range + 1, NULL, 10);
        *from = last < size ? size - last : 0;
        return true;
    }
    *from = strtoull(range, &end, 10);
    if (*end == '-' && end[1] >= '0' && end[1] <= '9') {
        uint64_t last = strtoull(end + 1, NULL, 10);
        *to = last < size ? last + 1 : size;
    }
    return true;
}

/* size bytes of the pattern, or a range of them; closes the connection after stop_at of them. */
static int answer_bytes(struct visit *v, const struct request *r, uint64_t size, uint64_t stop_at,
                        int64_t pause_ms)
{
    char head[512], etag[32], range[128] = "";
    uint64_t from, to;

    snprintf(etag, sizeof(etag), "\"%llu\"", (unsigned long long)size);
    bool is_range = find_range(r, etag, size, &from, &to);
    if (is_range && from >= to) {
        snprintf(range, sizeof(range), "Content-Range: bytes */%llu\r\n", (unsigned long long)size);
        return answer(v, r, 416, range, "", 0);
    }
    if (is_range) {
        snprintf(range, sizeof(range), "Content-Range: bytes %llu-%llu/%llu\r\n",
                 (unsigned long long)from, (unsigned long long)(to - 1), (unsigned long long)size);
    }
    int n = snprintf(head, sizeof(head),
                     "HTTP/1.1 %s\r\nContent-Length: %llu\r\nETag: %s\r\nAccept-Ranges: "
                     "bytes\r\n%s%s\r\n",
                     is_range ? "206 Partial Content" : "200 OK", (unsigned long long)(to - from),
                     etag, range, r->keep_alive ? "" : "Connection: close\r\n");
    ssize_t sent = covey_write(v->ctx, v->conn, head, (size_t)n);
    if (sent < 0 || r->is_head) {
        return sent < 0 ? (int)sent : 0;
    }
    bool is_cut = !is_range && stop_at < to;
    int code = send_pattern(v, from, is_cut ? stop_at : to, pause_ms);
    return code < 0 ? code : is_cut ? COVEY_ECLOSED : 0;
}

/* Waits, unless the client leaves: it has nothing more to say, so bytes to read are its end. */
static int answer_late(struct visit *v, const struct request *r, int64_t ms)
{
    int which =
        covey_select(v->ctx, COVEY_READABLE(covey_conn_fd(v->conn)), COVEY_AFTER(ms * COVEY_MS));

    return which == 1 ? answer_hello(v, r) : which < 0 ? which : COVEY_ECLOSED;
}

static int answer_status(struct visit *v, const struct request *r, int status, int64_t seconds)
{
    char more[64] = "", body[64];

    if (seconds > 0) {
        snprintf(more, sizeof(more), "Retry-After: %lld\r\n", (long long)seconds);
    }
    int len = snprintf(body, sizeof(body), "status %d\n", status);
    bool has_body = status >= 200 && status != 204 && status != 304;
    return answer(v, r, status, more, body, has_body ? (size_t)len : 0);
}

static int answer_flaky(struct visit *v, const struct request *r, int64_t failures)
{
    unsigned h = 0;

    for (const char *p = r->path; *p; p++) {
        h = 31 * h + (unsigned char)*p;
    }
    bool is_failure = atomic_fetch_add(&flaky_seen[h % FLAKY_KEYS], 1) < failures;
    return is_failure ? answer_status(v, r, 503, 0) : answer_hello(v, r);
}

static int answer_redirect(struct visit *v, const struct request *r, int64_t n)
{
    char more[64];

    snprintf(more, sizeof(more), "Location: /redirect/%lld\r\n", (long long)n - 1);
    return n > 0 ? answer(v, r, 302, more, "", 0) : answer_hello(v, r);
}

static int route(struct visit *v, const struct request *r)
{
    long long a = 0, b = 0;
    const char *path = r->path;

    if (sscanf(path, "/bytes/%lld", &a) == 1 && a >= 0) {
        return answer_bytes(v, r, (uint64_t)a, UINT64_MAX, 0);
    }
    if (sscanf(path, "/delay/%lld", &a) == 1) {
        return answer_late(v, r, a);
    }
    if (sscanf(path, "/slow/%lld/%lld", &a, &b) == 2 && a >= 0) {
        return answer_bytes(v, r, (uint64_t)a, UINT64_MAX, b);
    }
    if (sscanf(path, "/status/%lld/%lld", &a, &b) >= 1 && a >= 200 && a <= 599) {
        return answer_status(v, r, (int)a, b);
    }
    if (sscanf(path, "/flaky/%lld", &a) == 1) {
        return answer_flaky(v, r, a);
    }
    if (sscanf(path, "/drop/%lld/%lld", &a, &b) == 2 && a >= 0 && b >= 0) {
        return answer_bytes(v, r, (uint64_t)a, (uint64_t)b, 0);
    }
    if (strcmp(path, "/drop") == 0) {
        return answer_bytes(v, r, 1000, 500, 0);
    }
    if (sscanf(path, "/redirect/%lld", &a) == 1) {
        return answer_redirect(v, r, a);
    }
    if (strcmp(path, "/echo") == 0) {
        return answer(v, r, 200, "", r->head, strlen(r->head));
    }
    if (strcmp(path, "/") == 0 || strncmp(path, "/hello", 6) == 0) {
        return answer_hello(v, r);
    }
    return answer_status(v, r, 404, 0);
}

/* ---- connections ---- */

/* Serves one request after the other. 0 when the client has ended, or a code. */
static int serve_requests(struct visit *v)
{
    char text[HEAD_MAX + 1];
    struct request r;

    for (;;) {
        ssize_t len = read_head(v, text);
        if (len <= 0) {
            return (int)len;
        }
        if (!parse(&r, text)) {
            return COVEY_EPROTO;
        }
        int code = skip_body(v, &r);
        if (code == 0) {
            atomic_fetch_add(&requests, 1);
            code = route(v, &r);
        }
        if (code < 0 || !r.keep_alive) {
            return code;
        }
    }
}

static int serve_visit(covey_ctx *ctx, void *arg)
{
    struct visit v = {.conn = *(covey_conn **)arg, .ctx = ctx};

    (void)serve_requests(&v);
    covey_close(v.conn);
    atomic_fetch_sub(&open_connections, 1);
    return 0; /* a client that leaves, or sends nonsense, is no failure of the server's */
}

static int accept_until_done(covey_ctx *ctx, covey_listener *listener, covey_group *visits)
{
    for (;;) {
        covey_conn *conn;
        int code = covey_accept(ctx, listener, &conn);
        if (code < 0) {
            return code;
        }
        atomic_fetch_add(&connections, 1);
        atomic_fetch_add(&open_connections, 1);
        code = covey_group_go_copy(visits, serve_visit, &conn, sizeof(conn));
        if (code < 0) {
            covey_close(conn);
            atomic_fetch_sub(&open_connections, 1);
            return code;
        }
    }
}

static int serve(covey_ctx *root, void *arg)
{
    const struct options *options = arg;
    const int signals[] = {SIGINT, SIGTERM};
    covey_listener *listener;
    int code = covey_listen(&listener, options->addr, NULL);
    if (code < 0) {
        return code;
    }
    covey_ctx *ctx = covey_ctx_with_signals(root, signals, 2);
    covey_group *visits = covey_group_new(ctx);

    printf("http%s\n", covey_listener_addr(listener) + strlen("tcp"));
    fflush(stdout);
    code = visits ? accept_until_done(ctx, listener, visits) : -ENOMEM;
    if (visits) {
        covey_group_cancel(visits, code);
        (void)covey_group_wait(visits);
    }
    covey_listener_close(listener);
    if (!options->is_quiet) {
        printf("origin: %d requests on %d connections; %d open\n", atomic_load(&requests),
               atomic_load(&connections), atomic_load(&open_connections));
    }
    bool was_told = covey_ctx_cause(ctx) == -EINTR;
    covey_ctx_unref(ctx);
    return was_told ? 0 : code;
}

static _Noreturn void usage(FILE *out, int status)
{
    fprintf(out, "usage: origin [--port N] [--addr tcp://HOST:PORT] [--quiet]\n"
                 "A small HTTP server to fetch from. Without options: a free port of 127.0.0.1.\n"
                 "Paths: /hello /bytes/N /delay/MS /slow/N/MS /status/CODE[/SECS] /flaky/N/KEY\n"
                 "       /drop/N/K /redirect/N /echo\n");
    exit(status);
}

int main(int argc, char **argv)
{
    static char addr[64] = "tcp://127.0.0.1:0";
    struct options options = {.addr = addr};
    struct rlimit limit;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            usage(stdout, 0);
        } else if (strcmp(argv[i], "--quiet") == 0) {
            options.is_quiet = true;
        } else if (strcmp(argv[i], "--port") == 0 && i + 1 < argc) {
            snprintf(addr, sizeof(addr), "tcp://127.0.0.1:%s", argv[++i]);
        } else if (strcmp(argv[i], "--addr") == 0 && i + 1 < argc) {
            options.addr = argv[++i];
        } else {
            usage(stderr, 2);
        }
    }
    /* A descriptor a connection: as many as the system lets us have. */
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
    for (size_t i = 0; i < sizeof(pattern); i++) {
        pattern[i] = (char)('a' + i % ALPHABET);
    }
    if (covey_run(serve, &options) < 0) {
        fprintf(stderr, "origin: %s\n", covey_errmsg());
        return 1;
    }
    return 0;
}
