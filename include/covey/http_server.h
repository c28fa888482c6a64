/* SPDX-License-Identifier: MIT
 * covey/http_server.h - HTTP/1.1 and HTTP/2 server (library libcovey-http; covey/http.h includes
 * it). After Go's net/http.
 *
 * One task a connection runs its requests one after another; in HTTP/2 each request has a task of
 * its own. HTTP/2 is spoken where TLS has agreed on it (ALPN), and in clear text with clients that
 * begin with it. Each request has a context of its own, which ends when the client goes away (it
 * closed its connection, or its sending half; it reset its stream), the request's deadline passes,
 * the server's grace period is over, or the handler has returned.
 *
 * A request that is malformed, or could be understood in two ways, is refused (400, 413, 414, 417,
 * 431, 501, 505) and its connection closed. A response that cannot be finished is never made to
 * look finished: its connection is closed (its stream reset).
 *
 * What belongs to a request (struct, strings, writer) is used by the handler's task alone, and is
 * gone once the handler has returned. */
#ifndef COVEY_HTTP_SERVER_H
#define COVEY_HTTP_SERVER_H

#include <covey/defs.h>
#include <covey/http.h>
#include <covey/net.h>

COVEY_BEGIN

typedef struct covey_http_server_request {
    const char *method; /* "GET" */
    const char *target; /* as it came: "/a%20b?x=1" */
    const char *path;   /* without the query, percent-decoded: "/a b" */
    const char *query;  /* what came behind the '?'; "" */
    const char *host;   /* "" if an HTTP/1.0 client named none */
    const covey_http_header *headers;
    size_t header_count;
    int http_version;       /* 10, 11 or 20 */
    int64_t content_length; /* -1: known at its end (chunked); 0: no body */
} covey_http_server_request;

/* The response, and the way to the client. */
typedef struct covey_http_writer covey_http_writer;

/* Answers one request. A negative code before anything of the response was sent drops what was
 * written and gives 500 without further words (413, 400 or 408 if it is the body that failed);
 * later, it closes the connection. Without a response at all: 200 with an empty body. */
typedef int covey_http_handler(covey_ctx *ctx, covey_http_server_request *req, covey_http_writer *w,
                               void *arg);

/* ---- the request ---- */

/* The value of the first header of that name, case-insensitive; NULL if there is none. */
COVEY_API const char *covey_http_request_header(const covey_http_server_request *req,
                                                const char *name);
/* What a {name} of the router's pattern stands for, percent-decoded; NULL if it has no such name.
 */
COVEY_API const char *covey_http_path_param(const covey_http_server_request *req, const char *name);
/* The first value of that name in the query, decoded into buf ('+' is a space). Its length, like
 * snprintf's: it was cut off if that is not below size. -ENOENT: there is none. */
COVEY_API ssize_t covey_http_query_param(const covey_http_server_request *req, const char *name,
                                         char *buf, size_t size);
/* The same of a form, as browsers send it (application/x-www-form-urlencoded): a body that was read
 * to its end, len bytes. */
COVEY_API ssize_t covey_http_form_param(const char *form, size_t len, const char *name, char *buf,
                                        size_t size);
/* "tcp://10.0.0.7:40112", as covey_conn_peer(). */
COVEY_API const char *covey_http_request_peer(const covey_http_server_request *req);
/* What it came on, to be asked (covey_tls_info_of() tells who the client is), neither read nor
 * written. */
COVEY_API const covey_conn *covey_http_request_conn(const covey_http_server_request *req);

/* The next piece of the body: at least one byte, at most len; 0 at its end. The client is told to
 * go on (Expect: 100-continue) at the first call, and held back as long as none is made.
 * COVEY_ETOOLARGE: max_body, trailers; COVEY_EPROTO: bad chunks; -ECONNRESET: it ended early;
 * -ETIMEDOUT: io_timeout_ns. Such a failure stays. May switch. */
COVEY_API ssize_t covey_http_body_read(covey_ctx *ctx, covey_http_server_request *req, void *buf,
                                       size_t len);
/* The value of the first trailer of that name, case-insensitive: a header that came behind the body
 * (chunked, or HTTP/2), kept apart from the others. NULL: there is none, or the last call of
 * covey_http_body_read() has not given 0. Together they are at most max_header_count and
 * max_header_size, or the body fails with COVEY_ETOOLARGE. */
COVEY_API const char *covey_http_request_trailer(const covey_http_server_request *req,
                                                 const char *name);

/* ---- the response ---- */

/* These three -EALREADY once the head has been sent. 200 unless set; -EINVAL: not in 200 ... 599.
 */
COVEY_API int covey_http_set_status(covey_http_writer *w, int status);
/* Replaces any of that name, or adds one more. Copied, without the blanks around it. -EINVAL: not a
 * header (control characters, tabs aside, are none of its value), or one that is the server's own
 * (Transfer-Encoding, Connection but for "close"). Content-Length announces what will be written;
 * Date is added. COVEY_ETOOLARGE: more than 64 KiB in all; -ENOMEM. Do not switch. */
COVEY_API int covey_http_set_header(covey_http_writer *w, const char *name, const char *value);
COVEY_API int covey_http_add_header(covey_http_writer *w, const char *name, const char *value);

/* A header to be sent behind the body, such as a checksum; at any time before the handler returns.
 * Replaces one of that name. Copied. The first one set before the head is sent makes an HTTP/1.1
 * response chunked. Dropped where there is no room: HTTP/1.0, no body (HEAD, 204, 205, 304), or
 * (HTTP/1.1) a Content-Length that was sent already. Clients may drop them. -EINVAL: not a header,
 * or one that a client must know before the body (Content-Length, Content-Type, Set-Cookie, ...).
 * COVEY_ETOOLARGE: more than 64 KiB in all; -ENOMEM. Does not switch. */
COVEY_API int covey_http_set_trailer(covey_http_writer *w, const char *name, const char *value);

/* A piece of the body: all of it, or a code; the connection is closed then. Pieces are collected up
 * to 4 KiB. A body that ends within that has a Content-Length; a longer one without is chunked (for
 * an HTTP/1.0 client: ends with the connection). Counted but not sent for HEAD, 204, 205 and 304;
 * then a ctx that is done gives its code at once. Waits while the client does not read.
 * COVEY_ETOOLARGE: more than Content-Length announced; -EPIPE, -ECONNRESET: the client is gone;
 * -ETIMEDOUT: it took nothing for io_timeout_ns. May switch. */
COVEY_API ssize_t covey_http_write(covey_ctx *ctx, covey_http_writer *w, const void *buf,
                                   size_t len);
/* Sends the head and what was collected. */
COVEY_API int covey_http_flush(covey_ctx *ctx, covey_http_writer *w);
/* The whole response at once: status, Content-Type (NULL: none), headers set before, and the body,
 * in one system call. 0 or a code. -EALREADY: something was written before. May switch. */
COVEY_API int covey_http_respond(covey_ctx *ctx, covey_http_writer *w, int status,
                                 const char *content_type, const void *body, size_t len);
/* The same with plain text, as printf. */
COVEY_API int covey_http_respondf(covey_ctx *ctx, covey_http_writer *w, int status, const char *fmt,
                                  ...) COVEY_PRINTF(4, 5);

/* A file below the folder root: name is relative to it, as a {path...} gives it. ETag,
 * Last-Modified, the conditions on them (304, 412), one Range with If-Range (206, 416; several: the
 * whole file), a Content-Type by suffix. Not a regular file, "." or ".." in it, or a symbolic link:
 * 404; not readable: 403; another method than GET and HEAD: 405. Set other headers before. 0 or a
 * code to return from the handler. May switch. */
COVEY_API int covey_http_serve_file(covey_ctx *ctx, covey_http_server_request *req,
                                    covey_http_writer *w, const char *root, const char *name);

/* ---- the server ---- */

#define COVEY_HTTP_UNLIMITED (-1) /* for any limit below */

/* What was answered, for an access log. Borrowed for the call. */
typedef struct covey_http_access {
    const covey_http_server_request *req; /* NULL: it could not be read */
    int status;                           /* 0: none was sent */
    int code;                             /* the handler's; of the transfer if that failed */
    uint64_t body_len;                    /* bytes of the response's body, before compression */
    int64_t duration_ns;                  /* since its head was there */
} covey_http_access;

/* What has happened since the struct was zeroed. Give it to any number of servers, and read it
 * with covey_http_server_stats_get(). */
typedef struct covey_http_server_stats {
    uint64_t accepted, open;    /* connections: in all, now */
    uint64_t requests, running; /* handlers: started in all, now */
    uint64_t refused;           /* malformed, too large, over max_running */
    uint64_t failed;            /* handlers that returned a negative code */
    uint64_t gone;              /* clients that went away while a handler ran */
    uint64_t accept_failures;   /* such as lack of descriptors */
    uint64_t wrap_failures;     /* options' wrap: handshakes */
} covey_http_server_stats;

/* Makes of a connection that was accepted the one that is spoken on: *c is taken, and closed on
 * failure, which ends the connection. In the connection's task, under a context that ends with
 * header_timeout_ns and with the drain. *protocol is what both sides have agreed on, valid as long
 * as *c; left alone: nothing. covey_tls_wrap() of covey/tls.h is one. */
typedef int covey_http_wrap(covey_ctx *ctx, covey_conn **c, const char **protocol, void *arg);

/* 0 is the default.
 *
 * With gzip, a body is compressed if the client accepts that (Accept-Encoding) and the handler has
 * set a Content-Type that gains by it (text, JSON, JavaScript, XML, ...), but no Content-Encoding,
 * Content-Range or Cache-Control: no-transform. It gets Content-Encoding, Vary, a weak ETag and, if
 * it is more than 64 KiB or comes in pieces, no Content-Length. What covey_http_flush() has sent
 * can be read by the client. Not for HTTP/1.0. */
typedef struct covey_http_server_options {
    int max_connections;        /* at once; 10,000. More wait in the listener's backlog */
    int max_running;            /* handlers at once; none. More are answered 503 */
    int max_header_count;       /* 100 */
    size_t max_header_size;     /* bytes of a request's head; 32 KiB; at most 64 KiB */
    int max_streams;            /* HTTP/2: requests at once on a connection; 100 */
    int64_t max_body;           /* bytes; 16 MiB */
    int64_t max_stream_window;  /* HTTP/2: bytes of a body that a client may send ahead of its
                                   handler; 1 MiB. Each stream begins with 64 KiB, and gets more as
                                   long as its handler keeps up. So a connection can make the server
                                   keep max_streams times 64 KiB and four of these, in buffers of at
                                   most twice that; 64 KiB: the windows do not grow */
    int64_t header_timeout_ns;  /* from a request's first byte (a connection's beginning) to the end
                                   of its head; 10 s */
    int64_t idle_timeout_ns;    /* between requests; 75 s */
    int64_t io_timeout_ns;      /* for a client that sends or takes nothing of a body; 30 s */
    int64_t request_timeout_ns; /* a handler's deadline; 60 s */
    int64_t grace_ns;           /* for running requests once ctx is done; 5 s */
    int gzip;                   /* 1 (fast) ... 9 (small): responses are compressed; see below */
    int64_t gzip_min;           /* bytes that a body has at least; 1024 */
    size_t stack_size;          /* of a connection's task; the runtime's */
    covey_http_wrap *wrap;      /* TLS: {.wrap = covey_tls_wrap, .wrap_arg = config}; NULL: none */
    void *wrap_arg;
    bool no_http2;   /* in clear text; over TLS it is ALPN's business (covey_http_alpn()) */
    bool half_close; /* a client that shut its sending half down still waits for its answer */
    /* After each response, in its task. Must not block for long. */
    void (*on_access)(const covey_http_access *a, void *arg);
    void *access_arg;
    covey_http_server_stats *stats; /* borrowed until the server returned */
    const char *name; /* covey_metrics_write() shows the server, as server="name"; borrowed as long;
                         NULL: it does not */
} covey_http_server_options;

/* Serves the connections that come to l, which stays the caller's, until ctx is done: then accepts
 * no more, closes idle connections, lets running requests finish (their responses say Connection:
 * close; in HTTP/2 GOAWAY does), ends the contexts of those that still run after grace_ns and cuts
 * their connections, waits for their handlers and returns. Out of descriptors or memory, it waits
 * until there are some.
 *
 * 0: ctx was done and every request finished. -ETIMEDOUT: some were cut. COVEY_ECLOSED: l was
 * closed (which drains likewise). -EINVAL: an option; -EOPNOTSUPP: gzip, without zlib; -EMFILE,
 * -ENFILE, -ENOMEM: it could not begin. May switch. */
COVEY_API int covey_http_serve(covey_ctx *ctx, covey_listener *l, covey_http_handler *h, void *arg,
                               const covey_http_server_options *opts);

/* What a server can speak, by preference, for covey_tls_options: "h2,http/1.1", or "http/1.1" if
 * the library was built without HTTP/2. Static. */
COVEY_API const char *covey_http_alpn(void);

/* A snapshot; any thread; does not switch. */
COVEY_API void covey_http_server_stats_get(const covey_http_server_stats *s,
                                           covey_http_server_stats *out);

/* ---- the router ---- */

/* Finds the handler of a request by its method and path. Patterns as in Go 1.22:
 *
 *     "GET /orders/{id}"   {id} is one whole segment; GET serves HEAD too
 *     "/static/{path...}"  the rest of the path; only at the end; any method
 *     "/images/"           everything below
 *     "/{$}"               exactly "/"
 *
 * The most specific pattern wins: a literal segment before {name} before {name...}, a method before
 * none. No match: 404; only the method does not match: 405 with Allow. Segments are compared
 * decoded; "." and ".." have no meaning. "OPTIONS *", which asks about the server as a whole: 204.
 */
typedef struct covey_http_router covey_http_router;
COVEY_API covey_http_router *covey_http_router_new(void); /* NULL: out of memory */
/* Before the router serves. pattern is copied. -EINVAL: not a pattern; -EEXIST: one that matches
 * the same requests was there before; -ENOMEM (also of a NULL router). */
COVEY_API int covey_http_router_handle(covey_http_router *r, const char *pattern,
                                       covey_http_handler *h, void *arg);
/* A handler; its arg is the router: covey_http_serve(ctx, l, covey_http_route, router, NULL). */
COVEY_API int covey_http_route(covey_ctx *ctx, covey_http_server_request *req, covey_http_writer *w,
                               void *router);
COVEY_API void covey_http_router_free(covey_http_router *r); /* NULL is allowed */

COVEY_END
#endif
