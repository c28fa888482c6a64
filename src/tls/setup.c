/* SPDX-License-Identifier: MIT
 * setup.c - see setup.h. */
#include "tls/setup.h"

#include "tls/stream.h"
#include "tls/words.h"

#include <covey/error.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>

/* Of the server's sessions: those of other programs with its keys are not its own. */
static const unsigned char session_context[] = "covey";

static int fail(const char *what)
{
    char why[CVY_TLS_WORDS_SIZE];
    int code = cvy_tls_reason(NULL, NULL, why, sizeof(why));

    return covey_errorf(code, "tls: %s: %s", what, why);
}

/* ---- ALPN
 * ---------------------------------------------------------------------------------------- */

/* "h2,http/1.1" with the length of each before it. */
static int set_alpn(struct cvy_tls_setup *s, const char *list)
{
    while (list && *list) {
        size_t len = strcspn(list, ",");
        if (len == 0 || s->alpn_len + 1 + len > CVY_TLS_ALPN_MAX) {
            return covey_errorf(-EINVAL, "tls: not a list of protocols: %s", list);
        }
        s->alpn[s->alpn_len] = (unsigned char)len;
        memcpy(s->alpn + s->alpn_len + 1, list, len);
        s->alpn_len += 1 + (unsigned)len;
        list += len;
        if (list[0] == ',' && list[1] != '\0') {
            list++;
        }
    }
    if (s->alpn_len > 0 && SSL_CTX_set_alpn_protos(s->ctx, s->alpn, s->alpn_len) != 0) {
        return fail("protocols");
    }
    return 0;
}

static int select_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                       const unsigned char *in, unsigned in_len, void *arg)
{
    const struct cvy_tls_setup *s = arg;
    unsigned char *chosen;

    (void)ssl;
    if (SSL_select_next_proto(&chosen, out_len, s->alpn, s->alpn_len, in, in_len) !=
        OPENSSL_NPN_NEGOTIATED) {
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    }
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

/* ---- who we are
 * ---------------------------------------------------------------------------------- */

static int show_identity(SSL *ssl, void *arg)
{
    const struct cvy_tls_setup *s = arg;

    if (!SSL_is_server(ssl)) {
        return 1; /* the context's, the first */
    }
    const struct cvy_tls_identity *id =
        cvy_tls_identities_find(&s->identities, SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name));
    return SSL_use_cert_and_key(ssl, id->cert, id->key, id->chain, 1);
}

static int set_identities(struct cvy_tls_setup *s, const covey_tls_options *opts)
{
    int code = cvy_tls_identities_load(&s->identities, opts->identities, opts->identity_count);

    if (code < 0 || s->identities.count == 0) {
        return code;
    }
    const struct cvy_tls_identity *first = &s->identities.all[0];
    if (SSL_CTX_use_cert_and_key(s->ctx, first->cert, first->key, first->chain, 1) != 1) {
        return fail("certificate");
    }
    if (s->identities.count > 1) {
        SSL_CTX_set_cert_cb(s->ctx, show_identity, s);
    }
    return 0;
}

/* ---- whom to trust
 * ------------------------------------------------------------------------------- */

/* All certificates of a file or text; there is at least one. */
static int trust(struct cvy_tls_setup *s, const char *file, const char *text)
{
    X509_STORE *store = SSL_CTX_get_cert_store(s->ctx);
    int count = 0;
    int code = 0;
    BIO *bio = cvy_tls_open(file, text, &code);
    X509 *cert;

    if (!bio) {
        return code;
    }
    while ((cert = PEM_read_bio_X509_AUX(bio, NULL, NULL, NULL)) != NULL) {
        /* A server tells its clients of whom it takes certificates. */
        bool is_added = X509_STORE_add_cert(store, cert) && SSL_CTX_add_client_CA(s->ctx, cert);
        X509_free(cert);
        if (!is_added) {
            break;
        }
        count++;
    }
    BIO_free(bio);
    if (count == 0 || ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE) {
        return cvy_tls_open_failed("no authority's certificate", file);
    }
    ERR_clear_error();
    return 0;
}

static int set_trust(struct cvy_tls_setup *s, const covey_tls_options *opts)
{
    int code = 0;

    if (opts->ca_file) {
        code = trust(s, opts->ca_file, NULL);
    }
    if (code == 0 && opts->ca_pem) {
        code = trust(s, NULL, opts->ca_pem);
    }
    if (!opts->ca_file && !opts->ca_pem && SSL_CTX_set_default_verify_paths(s->ctx) != 1) {
        code = fail("the system's authorities");
    }
    return code;
}

/* ---- sessions
 * ------------------------------------------------------------------------------------ */

/* A client was given a session; 1: it is ours now. */
static int keep_session(SSL *ssl, SSL_SESSION *session)
{
    struct cvy_tls *t = SSL_get_app_data(ssl);

    if (t->is_server || !t->host) {
        return 0;
    }
    cvy_tls_sessions_put(&t->setup->sessions, t->host, session);
    return 1;
}

static void set_sessions(struct cvy_tls_setup *s)
{
    if (s->no_resumption) {
        (void)SSL_CTX_set_session_cache_mode(s->ctx, SSL_SESS_CACHE_OFF);
        (void)SSL_CTX_set_options(s->ctx, SSL_OP_NO_TICKET);
        (void)SSL_CTX_set_num_tickets(s->ctx, 0);
        return;
    }
    (void)SSL_CTX_set_session_cache_mode(s->ctx,
                                         SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(s->ctx, keep_session);
}

/* ---- all of it
 * ----------------------------------------------------------------------------------- */

static int set_all(struct cvy_tls_setup *s, const covey_tls_options *opts)
{
    (void)SSL_CTX_set_options(s->ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    (void)SSL_CTX_set_mode(s->ctx, SSL_MODE_ENABLE_PARTIAL_WRITE |
                                       SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                       SSL_MODE_RELEASE_BUFFERS);
    if (SSL_CTX_set_min_proto_version(s->ctx, opts->tls13 ? TLS1_3_VERSION : TLS1_2_VERSION) != 1 ||
        SSL_CTX_set_session_id_context(s->ctx, session_context, sizeof(session_context)) != 1) {
        return fail("options");
    }
    int code = set_alpn(s, opts->alpn);
    if (code == 0) {
        code = set_identities(s, opts);
    }
    if (code == 0) {
        code = set_trust(s, opts);
    }
    set_sessions(s);
    if (s->alpn_len > 0) {
        SSL_CTX_set_alpn_select_cb(s->ctx, select_alpn, s);
    }
    return code;
}

int cvy_tls_setup_new(struct cvy_tls_setup **out, const covey_tls_options *opts)
{
    if (opts->client_certs != COVEY_TLS_CLIENT_CERT_NONE && !opts->ca_file && !opts->ca_pem) {
        return covey_errorf(-EINVAL, "tls: of whom are clients' certificates to be? (ca_file)");
    }
    struct cvy_tls_setup *s = OPENSSL_zalloc(sizeof(*s));
    if (!s) {
        return covey_errorf(-ENOMEM, "tls: %s", covey_strerror(-ENOMEM));
    }
    atomic_init(&s->refs, 1);
    cvy_tls_sessions_init(&s->sessions);
    s->client_certs = opts->client_certs;
    s->insecure = opts->insecure;
    s->no_resumption = opts->no_resumption;
    ERR_clear_error();
    s->ctx = SSL_CTX_new(TLS_method());
    int code = s->ctx ? set_all(s, opts) : fail("context");
    if (code < 0) {
        cvy_tls_setup_unref(s);
        return code;
    }
    *out = s;
    return 0;
}

struct cvy_tls_setup *cvy_tls_setup_ref(struct cvy_tls_setup *s)
{
    atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    return s;
}

void cvy_tls_setup_unref(struct cvy_tls_setup *s)
{
    /* Acq_rel: every use happens before the free by the last one. */
    if (s && atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) == 1) {
        SSL_CTX_free(s->ctx);
        cvy_tls_identities_free(&s->identities);
        cvy_tls_sessions_fini(&s->sessions);
        OPENSSL_free(s);
    }
}
