/* SPDX-License-Identifier: MIT
 * write.c - what is written becomes records, as many as are sent at once. */
#include "tls/stream.h"

#include <covey/error.h>
#include <openssl/err.h>
#include <string.h>

/* Encrypted at once, before it is sent. */
#define OUT_MAX 65536
#define RECORD_OVERHEAD 256
#define SMALL 1024 /* of several pieces */

/* What is left of the pieces of a write. */
struct cursor {
    const struct iovec *iov;
    int n;
    size_t offset; /* in the first */
};

static void advance(struct cursor *c, size_t by)
{
    c->offset += by;
    while (c->n > 0 && c->offset >= c->iov->iov_len) {
        c->offset -= c->iov->iov_len;
        c->iov++;
        c->n--;
    }
}

static size_t total_len(const struct iovec *iov, int n)
{
    size_t len = 0;

    for (int i = 0; i < n; i++) {
        len += iov[i].iov_len;
    }
    return len;
}

/* A record of several pieces, of at most size bytes. */
static int write_gathered(SSL *ssl, const struct cursor *c, char *record, size_t size, size_t *n)
{
    size_t len = 0, offset = c->offset;

    for (int i = 0; i < c->n && len < size; i++) {
        size_t part = c->iov[i].iov_len - offset;
        part = part < size - len ? part : size - len;
        if (part > 0) {
            memcpy(record + len, (const char *)c->iov[i].iov_base + offset, part);
        }
        len += part;
        offset = 0;
    }
    return SSL_write_ex(ssl, record, len, n);
}

/* Apart, so that other writes do not touch so much stack, which a connection would keep. */
__attribute__((noinline)) static int write_large(SSL *ssl, const struct cursor *c, size_t *n)
{
    char record[CVY_TLS_RECORD];
    return write_gathered(ssl, c, record, sizeof(record), n);
}

__attribute__((noinline)) static int write_small(SSL *ssl, const struct cursor *c, size_t *n)
{
    char record[SMALL];
    return write_gathered(ssl, c, record, sizeof(record), n);
}

/* One record: of the first piece, if that fills it or is the last. */
static int write_record(SSL *ssl, const struct cursor *c, size_t *n)
{
    size_t len = c->iov->iov_len - c->offset;

    if (len < CVY_TLS_RECORD && c->n > 1) {
        bool is_small = total_len(c->iov, c->n) - c->offset <= SMALL;
        return is_small ? write_small(ssl, c, n) : write_large(ssl, c, n);
    }
    return SSL_write_ex(ssl, (const char *)c->iov->iov_base + c->offset,
                        len < CVY_TLS_RECORD ? len : CVY_TLS_RECORD, n);
}

/* Encrypts from the front of the pieces until enough is there to be sent: how many bytes; or none,
 * and *outcome says why: a failure, or 0 for "feed". */
static size_t encrypt_locked(struct cvy_tls *t, struct cursor *c, int *outcome)
{
    size_t taken = 0;

    while (c->n > 0 && cvy_tls_bytes_len(&t->out) < OUT_MAX) {
        size_t n = 0;
        ERR_clear_error();
        int r = write_record(t->ssl, c, &n);
        if (r <= 0) {
            *outcome = cvy_tls_outcome(t, r);
            break;
        }
        advance(c, n);
        taken += n;
    }
    return taken;
}

static ssize_t try_write(struct cvy_tls *t, const struct iovec *iov, int n, uint64_t *seen,
                         int *outcome)
{
    struct cursor c = {.iov = iov, .n = n};
    size_t taken = 0;
    size_t want = total_len(iov, n);

    advance(&c, 0);
    cvy_tls_lock(t);
    *seen = t->fed;
    *outcome = t->failed;
    if (!t->failed && SSL_get_shutdown(t->ssl) & SSL_SENT_SHUTDOWN) {
        *outcome = COVEY_ECLOSED;
    } else if (!t->failed) {
        /* At once, and if it cannot be had OpenSSL's write will say so. */
        (void)cvy_tls_bytes_reserve(&t->out, (want < OUT_MAX ? want : OUT_MAX) + RECORD_OVERHEAD);
        taken = encrypt_locked(t, &c, outcome);
    }
    cvy_tls_unlock(t);
    return (ssize_t)taken;
}

void cvy_tls_cut(struct cvy_tls *t)
{
    cvy_tls_lock(t);
    t->is_cut = true;
    cvy_tls_unlock(t);
}

/* If that fails, nobody knows how much of it the peer will have. */
static ssize_t flush_taken(covey_ctx *ctx, struct cvy_tls *t, ssize_t taken)
{
    int code = cvy_tls_flush(ctx, t);

    if (code < 0) {
        cvy_tls_cut(t);
        return code;
    }
    return taken;
}

ssize_t cvy_tls_write(covey_ctx *ctx, struct cvy_tls *t, const struct iovec *iov, int n)
{
    for (;;) {
        uint64_t seen;
        int outcome;
        /* What an earlier call has left. */
        int code = cvy_tls_flush(ctx, t);
        if (code < 0) {
            return code;
        }
        ssize_t taken = try_write(t, iov, n, &seen, &outcome);
        if (taken > 0) {
            return flush_taken(ctx, t, taken);
        }
        if (outcome < 0) {
            (void)cvy_tls_try_flush(t);
            return outcome == COVEY_ECLOSED
                       ? covey_errorf(outcome, "write tls %s: after the goodbye", t->name)
                       : cvy_tls_tell(t, "write tls");
        }
        /* OpenSSL is in the middle of a message of the peer's. */
        code = cvy_tls_feed(ctx, t, seen);
        if (code < 0) {
            return code;
        }
    }
}
