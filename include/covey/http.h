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
 * default. Proxies (http_proxy, no_proxy ...) as curl has them. A redirect to another host or port
 * is not given the Authorization, Cookie, user and password of the first; 303 turns any method into
 * GET, 301 and 302 a POST. A body is handed over as it came (no decompression). One with neither a
 * length nor chunks ends with its connection: libcurl does not tell one that was cut off.
 *
 * A name is looked up by a thread of libcurl's: one a name, and a few dozen at most. If a transfer
 * ends before its name is known, that thread is left to end by itself.
 *
 * With a libcurl older than 7.87 a program that uses TLS should ignore SIGPIPE. */
#ifndef COVEY_HTTP_H
#define COVEY_HTTP_H

#include <covey/breaker.h>
#include <covey/defs.h>
#include <covey/limiter.h>
#include <covey/retry.h>

COVEY_BEGIN

typedef struct covey_http_client covey_http_client;

/* ---- guards, one of each kind for every host ---- */

#define COVEY_HTTP_HEDGES_MAX 4                     /* attempts of a hedged request */
#define COVEY_HTTP_RETRY_AFTER_MAX (60 * COVEY_SEC) /* a longer wish is not waited for */

/* What stands between the callers and each host ("example.org:443": that of the URL asked for, also
 * when it redirects). {0} guards nothing.
 *
 * A request passes, from the outside in: retry, hedge, limiter, breaker. A failure of the network
 * (-ECONNREFUSED, -ECONNRESET, -ETIMEDOUT, -EHOSTUNREACH, -ENETUNREACH, the deadline of a try) and
 * an answer of 408, 429 or 5xx ask for another try, which waits at least as long as Retry-After
 * says; if it says more than COVEY_HTTP_RETRY_AFTER_MAX, none is made. If the last try's is such an
 * answer it is the result, as any other. Other requests than GET, HEAD, PUT, DELETE, OPTIONS and
 * TRACE are tried once, unless they have an Idempotency-Key header or their `repeat` says more.
 * Bodies are sent again from memory. A stream (on_body, on_headers) is told of one answer: up to
 * 64 KiB of one that asks for another try are held back until it is clear that none follows, and
 * once the caller was told anything no try follows.
 *
 * The breaker hears of every try and every hedge: failures are those of the network and of the
 * protocol, deadlines, TLS and names, and answers of 5xx; a caller's own cancellation and what lies
 * on this side is ignored. While it is open requests to its host end with COVEY_EOPEN, at once. */
typedef struct covey_http_guards {
    /* NULL: one try. is_worth is asked of what would be tried again; an answer's code is
     * -EREMOTEIO there and in on_retry, with its status in the words. budget NULL: the host's. */
    const covey_backoff *retry;
    /* Of each host, shared by retries and hedges of all callers; NULL: the defaults. A try that is
     * hedged counts as a call of its own. */
    const covey_retry_budget_options *budget;
    /* NULL: none. For GET and HEAD without callbacks: at most COVEY_HTTP_HEDGES_MAX attempts. The
     * first answer that asks for no other try wins. winner is not used; budget NULL: the host's. */
    const covey_hedge_options *hedge;
    /* NULL: none. Its name is the host, behind the client's name and a slash if it has one; only
     * then it is in the metrics, and so is the limiter. on_change is told of the breakers of all
     * hosts. */
    const covey_breaker_options *breaker;
    double per_second; /* a limiter: requests a second ... */
    int burst;         /* ... and at once; 0: none */
} covey_http_guards;

/* Whether another try may help: code is a transfer's or, if 0, status counts. What a guarded client
 * goes by. Any thread; does not switch. */
COVEY_API bool covey_http_is_transient(int code, int status);

/* ---- the client ---- */

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
    const char *name; /* covey_metrics_write() shows it, as client="name"; NULL: it does not */
    const covey_http_guards *guards; /* NULL: none. What it points to is copied, but for budgets,
                                        args and functions */
} covey_http_client_options;

/* opts (NULL: defaults) and what it points to are borrowed for the call. NULL: out of memory, or
 * guards out of range. Any thread; does not switch. */
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

/* Whether a request may be sent again: by retry or hedge, and by a client without guards where a
 * connection that was kept turns out to be closed before any answer. */
typedef enum covey_http_repeat {
    COVEY_HTTP_REPEAT_IDEMPOTENT, /* by its method, or with an Idempotency-Key */
    COVEY_HTTP_REPEAT_ALWAYS,
    COVEY_HTTP_REPEAT_NEVER
} covey_http_repeat;

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
    covey_http_repeat repeat;
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
    int attempts; /* tries and hedges that were made; 0: a guard let none through */
    /* Headers that came behind the body, kept apart; none before the call has returned 0. Many
     * servers send theirs only if the request has the header "TE: trailers". */
    covey_http_header *trailers;
    size_t trailer_count;
    void *owned; /* covey's */
};

/* 0 whatever the HTTP status: a 404 is an answer. A failure is a negative code with words that name
 * the URL ("fetch http://x/: connection refused"; a password in it is left out): -EINVAL (URL,
 * header), COVEY_EDNS, -ECONNREFUSED, -EHOSTUNREACH, -ENETUNREACH, -ECONNRESET (also a connection
 * that was closed in mid-body), -ETIMEDOUT (connect), COVEY_ETLS, COVEY_EPROTO (also too many
 * redirects, or one to another scheme), COVEY_ETOOLARGE (max_body, headers), -EMFILE, -ENOMEM,
 * -EIO, COVEY_EOPEN (the host's breaker). After several tries the words begin with their number
 * ("after 3 tries: "). COVEY_ECANCELED, COVEY_EDEADLINE: ctx is done, or covey_run() is ending; the
 * transfer ended at once and its connection was closed (of HTTP/2: its stream). resp may be NULL.
 * May switch. */
COVEY_API int covey_http_get(covey_ctx *ctx, covey_http_client *c, const char *url,
                             covey_http_response *resp);
COVEY_API int covey_http_do(covey_ctx *ctx, covey_http_client *c, const covey_http_request *req,
                            covey_http_response *resp);
/* The value of a response header, case-insensitive; NULL if there is none. */
COVEY_API const char *covey_http_response_header(const covey_http_response *resp, const char *name);
/* The same of a trailer. */
COVEY_API const char *covey_http_response_trailer(const covey_http_response *resp,
                                                  const char *name);
/* What the response's Retry-After header asks for, in nanoseconds from now: seconds, or a date by
 * this machine's wall clock. 0: nothing, or not readable; a year at most. Any thread; does not
 * switch. */
COVEY_API int64_t covey_http_retry_after(const covey_http_response *resp);
/* Frees what resp holds, not resp itself, and makes it {0} again. NULL is allowed. */
COVEY_API void covey_http_response_free(covey_http_response *resp);

/* Since the client was made. Each try and each hedge is a transfer. */
typedef struct covey_http_client_stats {
    uint64_t started, finished, failed, connections_opened; /* transfers; failed of the finished */
    uint64_t retries, hedges, hedges_won; /* further tries, and attempts beside a slow one */
    uint64_t refused;                     /* by breakers */
} covey_http_client_stats;
COVEY_API void covey_http_client_stats_get(covey_http_client *c, covey_http_client_stats *out);

/* The guards of a host; what the client has none of is all zero. */
typedef struct covey_http_host_stats {
    covey_breaker_stats breaker;
    covey_retry_budget_stats budget;
    covey_limiter_stats limiter;
} covey_http_host_stats;
/* Of url's host, whether a request was made to it or not. 0; -ENOENT: the client has no guards;
 * -ENOMEM. May switch, for short locks. */
COVEY_API int covey_http_client_host_stats_get(covey_http_client *c, const char *url,
                                               covey_http_host_stats *out);
/* The breaker of url's host: to look at, to trip or reset by hand, or to guard other calls to it.
 * The client's; valid as long as that. NULL: it has none, or out of memory. May switch. */
COVEY_API covey_breaker *covey_http_client_breaker(covey_http_client *c, const char *url);

COVEY_END

#include <covey/http_server.h>
#endif
