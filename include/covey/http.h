/* SPDX-License-Identifier: MIT
 * covey/http.h - HTTP client on libcurl's multi interface (library libcovey-http, not part of
 * <covey.h>). One task per transfer blocks; no thread per transfer. The server, covey_http_serve(),
 * is in covey/http_server.h, which this header includes.
 *
 * A client keeps connections, DNS answers and TLS sessions; make one and share it: any number of
 * tasks and threads may use it. It does its work in a few tasks of the root group, started at the
 * first transfer; they end with the client, or with covey_run().
 *
 * http:// and https:// only. HTTP/2 over TLS where the server offers it. TLS is verified by
 * default. Proxies (http_proxy, no_proxy ...) and redirects as curl does them; a body is handed
 * over as it came (no decompression). Trailers are dropped.
 *
 * A name is looked up by a thread of libcurl's: one a name, and a few dozen at most. If a transfer
 * ends before its name is known, that thread is left to end by itself.
 *
 * With a libcurl older than 7.87 a program that uses TLS should ignore SIGPIPE. */
#ifndef COVEY_HTTP_H
#define COVEY_HTTP_H

#include <covey/defs.h>

COVEY_BEGIN

typedef struct covey_http_client covey_http_client;

typedef struct covey_http_client_options {
    int max_connections;          /* open at once in all; 0: no limit */
    int max_connections_per_host; /* 0: no limit */
    int max_redirects;            /* 0: 10; < 0: redirects are not followed */
    int64_t connect_timeout_ns;   /* 0: 30 s */
    size_t max_body;              /* bytes of a body kept in memory; 0: 64 MiB */
    const char *user_agent;       /* NULL: "covey/VERSION" */
    const char *ca_file;          /* NULL: the system's */
    const char *proxy;            /* NULL: the environment's; "": none */
    bool insecure;                /* do not verify certificates */
    bool http1;                   /* HTTP/1.1 only */
} covey_http_client_options;

/* opts (NULL: defaults) and its strings are borrowed for the call. NULL: out of memory. Any thread;
 * does not switch. */
COVEY_API covey_http_client *covey_http_client_new(const covey_http_client_options *opts);
/* Closes its connections and frees it. Transfers must have ended. May switch; may also be called
 * after covey_run() has returned. NULL is allowed. */
COVEY_API void covey_http_client_free(covey_http_client *c);

/* Called for each piece of a body, 64 KiB at most, in the task that called covey_http_do, so it may
 * block: the transfer waits meanwhile. A negative code ends the transfer, and is what covey_http_do
 * returns, with its message. */
typedef int covey_http_body_fn(covey_ctx *ctx, const void *data, size_t len, void *arg);

typedef struct covey_http_header {
    const char *name, *value;
} covey_http_header;

typedef struct covey_http_response covey_http_response;

typedef struct covey_http_request {
    const char *method; /* NULL: GET, or POST with a body */
    const char *url;
    const covey_http_header *headers; /* added to curl's own; borrowed */
    size_t header_count;
    const void *body; /* borrowed until the call returns; give a Content-Type with it */
    size_t body_len;
    covey_http_body_fn *on_body; /* NULL: the body is kept in resp */
    void *body_arg;              /* on_body's and on_headers' arg */
    bool discard_body;           /* count its bytes (resp->len) and keep none; without on_body */
    /* Called once, in the calling task, before the first piece of the final response's body (or at
     * its end if it has none): status and headers are there. A negative code ends the transfer, as
     * on_body's does. NULL: not called. */
    int (*on_headers)(covey_ctx *ctx, const covey_http_response *resp, void *arg);
    uint64_t resume_from; /* > 0: asks for the bytes from there on (Range); resp->status is 206 if
                             the server agrees */
} covey_http_request;

/* Owned by the caller: covey_http_response_free() after every call that was given it, also a failed
 * one, which fills in what it got to know. */
struct covey_http_response {
    int status; /* 200; of the last response after redirects */
    covey_http_header *headers;
    size_t header_count;
    char *body; /* NUL-terminated for convenience; NULL when streamed */
    size_t len; /* bytes of the body received, also when streamed */
    const char *effective_url;
    int http_version;          /* 10, 11, 20; 0: no response */
    int64_t content_length;    /* -1: unknown */
    int64_t ttfb_ns, total_ns; /* until the first byte of the response; in all */
    bool connection_reused;
    void *owned; /* covey's */
};

/* 0 whatever the HTTP status: a 404 is an answer. A failure is a negative code with words that name
 * the URL ("fetch http://x/: connection refused"; a password in it is left out): -EINVAL (URL,
 * header), COVEY_EDNS, -ECONNREFUSED, -EHOSTUNREACH, -ENETUNREACH, -ECONNRESET (also a connection
 * that was closed in mid-body), -ETIMEDOUT (connect), COVEY_ETLS, COVEY_EPROTO (also too many
 * redirects), COVEY_ETOOLARGE (max_body, headers), -EMFILE, -ENOMEM, -EIO. COVEY_ECANCELED,
 * COVEY_EDEADLINE: ctx is done, or covey_run() is ending; the transfer ended at once and its
 * connection was closed (of HTTP/2: its stream). resp may be NULL. May switch. */
COVEY_API int covey_http_get(covey_ctx *ctx, covey_http_client *c, const char *url,
                             covey_http_response *resp);
COVEY_API int covey_http_do(covey_ctx *ctx, covey_http_client *c, const covey_http_request *req,
                            covey_http_response *resp);
/* The value of a response header, case-insensitive; NULL if there is none. */
COVEY_API const char *covey_http_response_header(const covey_http_response *resp, const char *name);
/* What the response's Retry-After header asks for, in nanoseconds from now: seconds, or a date by
 * this machine's wall clock. 0: nothing, or not readable; a year at most. Any thread; does not
 * switch. */
COVEY_API int64_t covey_http_retry_after(const covey_http_response *resp);
/* Frees what resp holds, not resp itself, and makes it {0} again. */
COVEY_API void covey_http_response_free(covey_http_response *resp);

/* Transfers and connections since the client was made. failed: of the finished ones. */
typedef struct covey_http_client_stats {
    uint64_t started, finished, failed, connections_opened;
} covey_http_client_stats;
COVEY_API void covey_http_client_stats_get(covey_http_client *c, covey_http_client_stats *out);

COVEY_END

#include <covey/http_server.h>
#endif
