/* SPDX-License-Identifier: MIT
 * stream.c - see stream.h. */
#include "tls/stream.h"

#include <covey/error.h>
#include <openssl/err.h>
#include <string.h>

/* Small as long as little comes at once: most connections are idle. */
#define ROOM_MIN 4096
#define ROOM_MAX 32768

/* ---- OpenSSL's side
 * ------------------------------------------------------------------------------ */

static int bio_read(BIO *bio, char *buf, size_t len, size_t *done)
{
    struct cvy_tls *t = BIO_get_data(bio);

    *done = cvy_tls_bytes_take(&t->in, buf, len);
    BIO_clear_retry_flags(bio);
    if (*done == 0) {
        BIO_set_retry_read(bio);
    }
    return *done > 0;
}

static int bio_write(BIO *bio, const char *buf, size_t len, size_t *done)
{
    struct cvy_tls *t = BIO_get_data(bio);

    BIO_clear_retry_flags(bio);
    if (!cvy_tls_bytes_append(&t->out, buf, len)) {
        t->has_no_memory = true;
        return 0;
    }
    *done = len;
    return 1;
}

static long bio_ctrl(BIO *bio, int what, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return what == BIO_CTRL_FLUSH;
}

static BIO_METHOD *method;

static void method_make(void)
{
    BIO_METHOD *made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "covey");

    if (made && BIO_meth_set_read_ex(made, bio_read) && BIO_meth_set_write_ex(made, bio_write) &&
        BIO_meth_set_ctrl(made, bio_ctrl)) {
        method = made;
    } else {
        BIO_meth_free(made);
    }
}

/* Made once and kept, as all that OpenSSL has for the process. NULL: out of memory, then. */
static const BIO_METHOD *method_get(void)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

    (void)pthread_mutex_lock(&lock);
    if (!method) {
        method_make();
    }
    (void)pthread_mutex_unlock(&lock);
    return method;
}

/* ---- making and freeing
 * -------------------------------------------------------------------------- */

static bool ssl_make(struct cvy_tls *t)
{
    const BIO_METHOD *with = method_get();
    BIO *bio = with ? BIO_new(with) : NULL;

    t->ssl = bio ? SSL_new(t->setup->ctx) : NULL;
    if (!t->ssl) {
        BIO_free(bio);
        return false;
    }
    BIO_set_data(bio, t);
    BIO_set_init(bio, 1);
    SSL_set_bio(t->ssl, bio, bio);
    return SSL_set_app_data(t->ssl, t) == 1;
}

struct cvy_tls *cvy_tls_new(struct cvy_tls_setup *setup, covey_conn *below, const char *host,
                            bool is_server)
{
    struct cvy_tls *t = OPENSSL_zalloc(sizeof(*t));

    if (!t) {
        return NULL;
    }
    t->setup = cvy_tls_setup_ref(setup);
    t->is_server = is_server;
    t->room = ROOM_MIN;
    (void)pthread_mutex_init(&t->lock, NULL);
    t->host = host ? OPENSSL_strdup(host) : NULL;
    t->name = OPENSSL_strdup(host ? host : covey_conn_peer(below));
    if (!t->name || (host && !t->host) || !ssl_make(t)) {
        cvy_tls_free(t);
        return NULL;
    }
    t->below = below;
    return t;
}

void cvy_tls_free(struct cvy_tls *t)
{
    covey_close(t->below);
    SSL_free(t->ssl);
    cvy_tls_bytes_free(&t->in);
    cvy_tls_bytes_free(&t->out);
    cvy_tls_bytes_free(&t->sending);
    OPENSSL_free((char *)t->info.alpn);
    OPENSSL_free((char *)t->info.server_name);
    OPENSSL_free((char *)t->info.peer_subject);
    cvy_tls_setup_unref(t->setup);
    OPENSSL_free(t->host);
    OPENSSL_free(t->name);
    (void)pthread_mutex_destroy(&t->lock);
    OPENSSL_free(t);
}

void cvy_tls_lock(struct cvy_tls *t)
{
    (void)pthread_mutex_lock(&t->lock);
}

void cvy_tls_unlock(struct cvy_tls *t)
{
    (void)pthread_mutex_unlock(&t->lock);
}

/* ---- failures
 * ------------------------------------------------------------------------------------ */

static int fail_locked(struct cvy_tls *t, int code, const char *why)
{
    t->failed = code;
    (void)snprintf(t->why, sizeof(t->why), "%s", why);
    ERR_clear_error();
    return code;
}

int cvy_tls_outcome(struct cvy_tls *t, int r)
{
    int error = SSL_get_error(t->ssl, r);

    if (error == SSL_ERROR_ZERO_RETURN) {
        return error;
    }
    if (t->has_no_memory) {
        return fail_locked(t, -ENOMEM, covey_strerror(-ENOMEM));
    }
    if (error == SSL_ERROR_WANT_READ) {
        return t->has_ended
                   ? fail_locked(t, COVEY_EPROTO,
                                 SSL_is_init_finished(t->ssl) ? "the stream ended without a goodbye"
                                                              : "the stream ended in the handshake")
                   : 0;
    }
    t->failed = cvy_tls_reason(t->ssl, t->host, t->why, sizeof(t->why));
    return t->failed;
}

int cvy_tls_tell(struct cvy_tls *t, const char *verb)
{
    /* It does not change any more. */
    return covey_errorf(t->failed, "%s%s%s: %s", verb, *t->name ? " " : "", t->name, t->why);
}

/* ---- the network's side
 * -------------------------------------------------------------------------- */

/* A place to read to: feeding is held. False: out of memory. */
static bool make_room(struct cvy_tls *t, char **place)
{
    cvy_tls_lock(t);
    bool has_room = cvy_tls_bytes_reserve(&t->in, t->room);
    *place = has_room ? t->in.data + t->in.end : NULL;
    cvy_tls_unlock(t);
    return has_room;
}

static int read_below(covey_ctx *ctx, struct cvy_tls *t)
{
    char *place;

    if (!make_room(t, &place)) {
        return covey_errorf(-ENOMEM, "tls %s: %s", t->name, covey_strerror(-ENOMEM));
    }
    ssize_t n = covey_read(ctx, t->below, place, t->room);
    if (n < 0) {
        return (int)n;
    }
    if ((size_t)n == t->room) {
        t->room = ROOM_MAX;
    }
    cvy_tls_lock(t);
    t->in.end += (size_t)n;
    t->fed++;
    t->has_ended = n == 0;
    cvy_tls_unlock(t);
    return 0;
}

int cvy_tls_feed(covey_ctx *ctx, struct cvy_tls *t, uint64_t seen)
{
    int code = covey_mutex_lock_ctx(ctx, &t->feeding);

    if (code < 0) {
        return code;
    }
    cvy_tls_lock(t);
    bool is_new = t->fed != seen;
    cvy_tls_unlock(t);
    if (!is_new) {
        code = read_below(ctx, t);
    }
    covey_mutex_unlock(&t->feeding);
    return code;
}

bool cvy_tls_has_output(struct cvy_tls *t)
{
    cvy_tls_lock(t);
    bool has_output = cvy_tls_bytes_len(&t->out) > 0;
    cvy_tls_unlock(t);
    return has_output;
}

/* The next bytes to send are in sending; false: there are none. Flushing is held. */
static bool next_output(struct cvy_tls *t)
{
    if (cvy_tls_bytes_len(&t->sending) > 0) {
        return true;
    }
    cvy_tls_bytes_free(&t->sending);
    cvy_tls_lock(t);
    t->sending = t->out;
    t->out = (struct cvy_tls_bytes){0};
    cvy_tls_unlock(t);
    return cvy_tls_bytes_len(&t->sending) > 0;
}

static int send_all(covey_ctx *ctx, struct cvy_tls *t, bool waits)
{
    while (next_output(t)) {
        const char *front = cvy_tls_bytes_front(&t->sending);
        size_t len = cvy_tls_bytes_len(&t->sending);
        ssize_t n = waits ? covey_write_some(ctx, t->below, front, len)
                          : covey_try_write(t->below, front, len);
        if (n < 0) {
            return (int)n;
        }
        cvy_tls_bytes_consume(&t->sending, (size_t)n);
    }
    return 0;
}

int cvy_tls_flush(covey_ctx *ctx, struct cvy_tls *t)
{
    int code;

    /* Who could not have the lock has left its output to the holder, perhaps too late. */
    do {
        code = covey_mutex_lock_ctx(ctx, &t->flushing);
        if (code == 0) {
            code = send_all(ctx, t, true);
            covey_mutex_unlock(&t->flushing);
        }
    } while (code == 0 && cvy_tls_has_output(t));
    return code;
}

int cvy_tls_try_flush(struct cvy_tls *t)
{
    int code = 0;

    while (code == 0 && cvy_tls_has_output(t)) {
        code = COVEY_EAGAIN;
        if (covey_mutex_try_lock(&t->flushing)) {
            code = send_all(NULL, t, false);
            covey_mutex_unlock(&t->flushing);
        }
    }
    return code;
}
