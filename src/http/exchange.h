/* SPDX-License-Identifier: MIT
 * exchange.h - one request and its response, whatever carries them.
 *
 * What a handler is given are parts of an exchange. How their bytes come and go is a protocol's
 * business, which is a table of functions: HTTP/1's (h1.h) or HTTP/2's (h2.h). All belongs to the
 * task that runs the handler. req, params and path point into headers and text, which must not move
 * until it has returned. */
#ifndef CVY_HTTP_EXCHANGE_H
#define CVY_HTTP_EXCHANGE_H

#include "http/buffer.h"
#include "http/gzip.h"

#include <covey.h>
#include <covey/http.h>

#define CVY_HTTP_PARAMS_MAX 16
#define CVY_HTTP_TARGET_MAX 8192 /* bytes */
#define CVY_HTTP_KEPT 4096       /* bytes of each buffer, between requests */

struct cvy_http_exchange;
struct cvy_http_server_conn;

/* Codes are the caller's result, with their messages; a failure to send is for good. */
struct cvy_http_protocol {
    /* The next piece of the body: at least one byte; 0: its end. */
    ssize_t (*read)(covey_ctx *ctx, struct cvy_http_exchange *x, void *buf, size_t len);
    /* Tells the client to send the body. */
    int (*go_on)(covey_ctx *ctx, struct cvy_http_exchange *x);
    /* Makes the head of the response, which goes out with what is sent next. */
    int (*begin)(struct cvy_http_exchange *x);
    /* Sends the writer's body, which is then empty, and data. */
    int (*send)(covey_ctx *ctx, struct cvy_http_exchange *x, const char *data, size_t len);
    /* Ends the response, with the writer's body as its last piece. */
    int (*end)(struct cvy_http_exchange *x);
    /* The response cannot be ended: the client must not take it for a whole one. */
    void (*cut)(struct cvy_http_exchange *x);
    /* The handler wants no more requests on the connection. */
    void (*close)(struct cvy_http_exchange *x);
};

/* What goes out. The head is made when it is known whether the body's length is. */
struct covey_http_writer {
    int status;
    bool is_committed; /* the head has been made */
    bool is_failed;    /* it can carry no more */
    bool is_bodiless;  /* the body is counted, not sent; known once committed */
    bool has_length;   /* length is what the body will be */
    bool says_length;  /* said is in the head: of what is sent */
    bool has_date;
    uint64_t length, said;
    uint64_t total;                  /* bytes of the body so far */
    struct cvy_http_buffer fields;   /* lines that the handler set */
    struct cvy_http_buffer trailers; /* the same, for behind the body */
    struct cvy_http_buffer body;     /* pieces that were not sent yet, coded if there is a coder */
    struct cvy_gzip *coder;          /* once committed; NULL: what is written is sent */
};

struct cvy_http_exchange {
    struct cvy_http_server_conn *conn;
    const struct cvy_http_protocol *via;
    covey_http_server_request req;
    covey_http_writer writer;

    bool wants_continue;   /* the client waits for 100 */
    int body_code;         /* the request's body failed */
    bool has_read_all;     /* its end was told to the handler */
    _Atomic bool is_reset; /* by the client, alone */

    const char *raw_path; /* not decoded, in req.target */
    size_t raw_len;
    size_t param_count;
    const char *param_names[CVY_HTTP_PARAMS_MAX]; /* the router's */
    const char *param_values[CVY_HTTP_PARAMS_MAX];
    covey_http_header *headers; /* headers_cap of them */
    size_t headers_cap;
    struct cvy_http_buffer text;     /* the path and parameters, decoded; reserved before use */
    struct cvy_http_buffer trailers; /* of the request, once its body has ended (trailers.c) */
};

static inline struct cvy_http_exchange *
cvy_http_exchange_of_request(const covey_http_server_request *req)
{
    return (struct cvy_http_exchange *)((char *)req - offsetof(struct cvy_http_exchange, req));
}

static inline struct cvy_http_exchange *cvy_http_exchange_of_writer(const covey_http_writer *w)
{
    return (struct cvy_http_exchange *)((char *)w - offsetof(struct cvy_http_exchange, writer));
}

/* exchange.c */
/* Nothing is known of the next request. */
void cvy_http_exchange_forget(struct cvy_http_exchange *x);
void cvy_http_exchange_fini(struct cvy_http_exchange *x);
/* The context of a request whose head is there; owned. */
covey_ctx *cvy_http_exchange_ctx(covey_ctx *parent, struct cvy_http_exchange *x);
/* Runs the handler with it, which ends with its return, and ends the response. 0; else that could
 * not be ended, and has been cut. COVEY_EAGAIN: too many run, nothing was done. */
int cvy_http_exchange_answer(covey_ctx *ctx, struct cvy_http_exchange *x);
/* Answers with a status instead of the handler. */
void cvy_http_exchange_refuse(struct cvy_http_exchange *x, int status);
/* Room for one more header than count: 0, or the status to refuse the request with. */
int cvy_http_exchange_grow(struct cvy_http_exchange *x, size_t count);

/* target.c */
/* Decodes %XX; is_query: also '+'. The length, or -EINVAL: malformed, or a NUL. out may be in. */
ssize_t cvy_http_decode(char *out, const char *in, size_t len, bool is_query);
/* "host", "host:80", "[::1]:80", or nothing: what RFC 3986 allows, but no user and no list. */
bool cvy_http_is_authority(const char *text);
/* Takes path ("/a?b", terminated, lasting) apart, and leaves spare bytes in text beside those for
 * parameters. 0, or the status to refuse the request with. */
int cvy_http_exchange_set_path(struct cvy_http_exchange *x, const char *path, size_t spare);

/* server_fields.c */
int cvy_http_writer_already(void); /* -EALREADY with its words */
/* The value, not terminated, of the first header of that name; NULL: there is none. */
const char *cvy_http_writer_field(const covey_http_writer *w, const char *name, size_t *len);
void cvy_http_writer_drop(covey_http_writer *w, const char *name);
/* A line instead of those of that name: 0, -EINVAL (not a header), COVEY_ETOOLARGE or -ENOMEM. */
int cvy_http_lines_set(struct cvy_http_buffer *lines, const char *name, const char *value);

/* server_writer.c */
void cvy_http_writer_begin(covey_http_writer *w);
/* After the handler, which returned code: ends the response and sends it. 0, or the code of what
 * made that impossible. */
int cvy_http_writer_finish(struct cvy_http_exchange *x, int code);
void cvy_http_writer_fini(covey_http_writer *w);

#endif
