/* SPDX-License-Identifier: MIT
 * conn.c - what reads, writes and closes for a connection that speaks TLS (covey/net.h).
 *
 * Calls that are under way are counted: a close that has something left to send while nobody is
 * inside leaves that to a task of its own, and else ends them by what is below. */
#include "tls/stream.h"

#include <covey/error.h>
#include <openssl/err.h>
#include <string.h>

#define GOODBYE_NS (1 * COVEY_SEC)
#define UNREAD_MAX 65536 /* that a close still reads */

static int enter(struct cvy_tls *t)
{
    cvy_tls_lock(t);
    bool is_open = !t->is_closing;
    t->inside += is_open;
    cvy_tls_unlock(t);
    return is_open ? 0 : covey_errorf(COVEY_ECLOSED, "tls %s: closed", t->name);
}

/* The goodbye did not go at once: the peer reads slowly. */
static int finish(covey_ctx *ctx, void *arg)
{
    covey_ctx *soon = covey_ctx_for_cleanup(ctx, GOODBYE_NS);

    (void)cvy_tls_flush(soon, arg);
    covey_ctx_unref(soon);
    cvy_tls_free(arg);
    return 0;
}

/* Nobody is inside any more, or will be. */
static void give_up(struct cvy_tls *t)
{
    bool is_left = cvy_tls_has_output(t) || cvy_tls_bytes_len(&t->sending) > 0;

    if (!is_left || t->failed || t->is_cut || covey_go(finish, t) < 0) {
        cvy_tls_free(t);
    }
}

static void leave(struct cvy_tls *t)
{
    cvy_tls_lock(t);
    bool is_last = --t->inside == 0 && t->is_given_up;
    cvy_tls_unlock(t);
    if (is_last) {
        give_up(t);
    }
}

/* ---- reading
 * ------------------------------------------------------------------------------------- */

/* One try: bytes, SSL_ERROR_ZERO_RETURN as *outcome for the end, a failure, or 0 and *outcome 0 for
 * "feed". seen: what had been fed. */
static ssize_t try_read(struct cvy_tls *t, void *buf, size_t len, uint64_t *seen, int *outcome)
{
    size_t n = 0;

    cvy_tls_lock(t);
    *seen = t->fed;
    *outcome = t->failed;
    if (!t->failed) {
        ERR_clear_error();
        int r = SSL_read_ex(t->ssl, buf, len, &n);
        *outcome = r > 0 ? 0 : cvy_tls_outcome(t, r);
    }
    cvy_tls_unlock(t);
    return (ssize_t)n;
}

static ssize_t read_some(covey_ctx *ctx, struct cvy_tls *t, void *buf, size_t len)
{
    for (;;) {
        uint64_t seen;
        int outcome;
        ssize_t n = try_read(t, buf, len, &seen, &outcome);
        /* An alert, or the answer to a change of keys. */
        (void)cvy_tls_try_flush(t);
        if (n > 0 || outcome == SSL_ERROR_ZERO_RETURN) {
            return n;
        }
        if (outcome < 0) {
            return cvy_tls_tell(t, "read tls");
        }
        int code = cvy_tls_feed(ctx, t, seen);
        if (code < 0) {
            return code;
        }
    }
}

static ssize_t tls_read(covey_ctx *ctx, void *self, void *buf, size_t len)
{
    struct cvy_tls *t = self;
    ssize_t n = enter(t);

    if (n == 0) {
        n = read_some(ctx, t, buf, len);
        leave(t);
    }
    return n;
}

/* ---- writing
 * ------------------------------------------------------------------------------------- */

static ssize_t tls_write(covey_ctx *ctx, void *self, const struct iovec *iov, int n)
{
    struct cvy_tls *t = self;
    ssize_t taken = enter(t);

    if (taken == 0) {
        taken = cvy_tls_write(ctx, t, iov, n);
        leave(t);
    }
    return taken;
}

/* ---- the end
 * ------------------------------------------------------------------------------------- */

/* Puts a goodbye in out, unless it has been, or would be a lie. The code of what made that
 * impossible. */
static int say_goodbye(struct cvy_tls *t)
{
    cvy_tls_lock(t);
    if (!t->failed && !t->is_cut && !(SSL_get_shutdown(t->ssl) & SSL_SENT_SHUTDOWN)) {
        ERR_clear_error();
        int r = SSL_shutdown(t->ssl);
        if (r < 0) {
            (void)cvy_tls_outcome(t, r);
        }
    }
    int code = t->failed;
    cvy_tls_unlock(t);
    return code;
}

static int shutdown_under(covey_ctx *ctx, struct cvy_tls *t)
{
    int code = enter(t);

    if (code < 0) {
        return code;
    }
    code = covey_ctx_err(ctx);
    if (code < 0) {
        code = covey_errorf(code, "%s", covey_strerror(code));
    } else {
        code = say_goodbye(t) < 0 ? cvy_tls_tell(t, "shutdown tls") : cvy_tls_flush(ctx, t);
    }
    leave(t);
    return code;
}

static int tls_shutdown_write(void *self)
{
    covey_ctx *ctx = covey_ctx_for_cleanup(NULL, GOODBYE_NS);
    int code = shutdown_under(ctx, self);

    covey_ctx_unref(ctx);
    return code;
}

int covey_tls_shutdown(covey_ctx *ctx, covey_conn *c)
{
    struct cvy_tls *t = covey_conn_self(c, &cvy_tls_ops);
    return t ? shutdown_under(ctx, t) : covey_errorf(-EINVAL, "tls: it is not TLS");
}

static int tls_wait_hangup(covey_ctx *ctx, void *self)
{
    struct cvy_tls *t = self;
    int code = enter(t);

    if (code == 0) {
        code = covey_conn_wait_hangup(ctx, t->below);
        leave(t);
    }
    return code;
}

/* A kernel that closes with something unread resets the connection, and the peer loses what is on
 * its way to it: for a client that only wrote, that would be the server's tickets. */
static void drop_unread(struct cvy_tls *t)
{
    char buf[4096];

    for (size_t n = 0; n < UNREAD_MAX && covey_try_read(t->below, buf, sizeof(buf)) > 0;
         n += sizeof(buf)) {
    }
}

static void tls_goodbye(void *self)
{
    (void)say_goodbye(self);
    int code = cvy_tls_try_flush(self);
    if (code < 0 && code != COVEY_EAGAIN) {
        cvy_tls_cut(self); /* it is gone */
    }
    drop_unread(self);
}

static void tls_abort(void *self)
{
    struct cvy_tls *t = self;

    cvy_tls_lock(t);
    t->is_closing = true;
    bool is_idle = t->inside == 0;
    cvy_tls_unlock(t);
    if (!is_idle) {
        covey_conn_abort(t->below);
    }
}

static void tls_free(void *self)
{
    struct cvy_tls *t = self;

    cvy_tls_lock(t);
    t->is_given_up = true;
    bool is_last = t->inside == 0;
    cvy_tls_unlock(t);
    if (is_last) {
        give_up(t);
    }
}

const covey_conn_ops cvy_tls_ops = {
    .read = tls_read,
    .write = tls_write,
    .shutdown_write = tls_shutdown_write,
    .wait_hangup = tls_wait_hangup,
    .goodbye = tls_goodbye,
    .abort = tls_abort,
    .free = tls_free,
};
