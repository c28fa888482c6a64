/* SPDX-License-Identifier: MIT
 * handshake.c - how a connection becomes one that speaks TLS (covey/tls.h). */
#include "tls/stream.h"

#include <arpa/inet.h>
#include <covey/error.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>

#define HOST_SIZE 256
#define SUBJECT_SIZE 1024

/* ---- who the peer is to be
 * ----------------------------------------------------------------------- */

static bool is_numeric(const char *host)
{
    unsigned char address[sizeof(struct in6_addr)];
    return inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
}

/* The name asked for, and verified. The certificates of names do not have the dot at the end. */
static bool set_host(SSL *ssl, const char *host)
{
    char name[HOST_SIZE];
    size_t len = strlen(host);

    if (len == 0 || len >= sizeof(name)) {
        return false;
    }
    memcpy(name, host, len + 1);
    if (name[len - 1] == '.') {
        name[len - 1] = '\0';
    }
    if (is_numeric(name)) {
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name) == 1;
    }
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set1_host(ssl, name) == 1 && SSL_set_tlsext_host_name(ssl, name) == 1;
}

static bool prepare_client(struct cvy_tls *t)
{
    SSL_set_connect_state(t->ssl);
    SSL_set_verify(t->ssl, t->setup->insecure ? SSL_VERIFY_NONE : SSL_VERIFY_PEER,
                   cvy_tls_note_names);
    if (!t->host) {
        return true;
    }
    if (!set_host(t->ssl, t->host)) {
        return false;
    }
    SSL_SESSION *session = cvy_tls_sessions_get(&t->setup->sessions, t->host);
    if (session) {
        /* Without it the handshake is a full one. */
        (void)SSL_set_session(t->ssl, session);
        SSL_SESSION_free(session);
    }
    return true;
}

static bool prepare_server(struct cvy_tls *t)
{
    static const int modes[] = {
        [COVEY_TLS_CLIENT_CERT_NONE] = SSL_VERIFY_NONE,
        [COVEY_TLS_CLIENT_CERT_ASK] = SSL_VERIFY_PEER,
        [COVEY_TLS_CLIENT_CERT_REQUIRE] = SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
    };

    SSL_set_accept_state(t->ssl);
    SSL_set_verify(t->ssl, modes[t->setup->client_certs], NULL);
    return true;
}

/* ---- what it came to
 * ----------------------------------------------------------------------------- */

static char *subject_of(const X509 *cert)
{
    char text[SUBJECT_SIZE] = "";
    BIO *out = cert ? BIO_new(BIO_s_mem()) : NULL;

    if (out) {
        if (X509_NAME_print_ex(out, X509_get_subject_name(cert), 0, XN_FLAG_RFC2253) >= 0) {
            int n = BIO_read(out, text, sizeof(text) - 1);
            text[n > 0 ? n : 0] = '\0';
        }
        BIO_free(out);
    }
    return OPENSSL_strdup(text);
}

static int note_info(struct cvy_tls *t)
{
    const unsigned char *alpn;
    unsigned alpn_len;
    const char *name = SSL_get_servername(t->ssl, TLSEXT_NAMETYPE_host_name);

    SSL_get0_alpn_selected(t->ssl, &alpn, &alpn_len);
    t->info = (covey_tls_info){
        .version = SSL_get_version(t->ssl),
        .cipher = SSL_get_cipher_name(t->ssl),
        .alpn = OPENSSL_strndup(alpn ? (const char *)alpn : "", alpn_len),
        .server_name = OPENSSL_strdup(name ? name : ""),
        .peer_subject = subject_of(SSL_get0_peer_certificate(t->ssl)),
        .is_resumed = SSL_session_reused(t->ssl),
    };
    ERR_clear_error();
    return t->info.alpn && t->info.server_name && t->info.peer_subject ? 0 : -ENOMEM;
}

const covey_tls_info *covey_tls_info_of(const covey_conn *c)
{
    const struct cvy_tls *t = covey_conn_self(c, &cvy_tls_ops);
    return t ? &t->info : NULL;
}

/* ---- the handshake
 * ------------------------------------------------------------------------------- */

/* One step: 1 when it is done, 0 if it has to be fed, or a code. */
static int step(struct cvy_tls *t, uint64_t *seen)
{
    cvy_tls_lock(t);
    *seen = t->fed;
    ERR_clear_error();
    int r = SSL_do_handshake(t->ssl);
    int outcome = r == 1 ? 1 : cvy_tls_outcome(t, r);
    cvy_tls_unlock(t);
    /* A goodbye in place of a handshake. */
    return outcome == SSL_ERROR_ZERO_RETURN ? COVEY_EPROTO : outcome;
}

static int shake_hands(covey_ctx *ctx, struct cvy_tls *t)
{
    uint64_t seen;
    int done = 0;

    while (done == 0) {
        done = step(t, &seen);
        if (done < 0) {
            (void)cvy_tls_try_flush(t); /* the peer should know why */
            return t->failed ? cvy_tls_tell(t, "tls")
                             : covey_errorf(done, "tls %s: goodbye in the handshake", t->name);
        }
        int code = cvy_tls_flush(ctx, t);
        if (code == 0 && done == 0) {
            code = cvy_tls_feed(ctx, t, seen);
        }
        if (code < 0) {
            return covey_wrapf(code, "tls %s", t->name);
        }
    }
    return 0;
}

static int make_conn(covey_conn **c, struct cvy_tls *t)
{
    int code = note_info(t);

    if (code < 0) {
        return covey_errorf(code, "tls %s: %s", t->name, covey_strerror(code));
    }
    return covey_conn_new_with(c, &cvy_tls_ops, t, t->below);
}

/* What could not be made, of which OpenSSL has said why, or nothing for want of memory. */
static int make_failed(const char *host)
{
    char why[CVY_TLS_WORDS_SIZE];

    int code = ERR_peek_error() ? cvy_tls_reason(NULL, NULL, why, sizeof(why)) : -ENOMEM;
    return covey_errorf(code, "tls%s%s: %s", host ? " " : "", host ? host : "",
                        code == -ENOMEM ? covey_strerror(code) : why);
}

/* Takes below, and setup, in any case. */
static int upgrade(covey_ctx *ctx, covey_conn **c, covey_conn *below, struct cvy_tls_setup *setup,
                   const char *host, bool is_server)
{
    ERR_clear_error();
    struct cvy_tls *t = cvy_tls_new(setup, below, host, is_server);
    int code;

    cvy_tls_setup_unref(setup);
    if (!t) {
        code = make_failed(host);
        covey_close(below);
        return code;
    }
    if (!(is_server ? prepare_server(t) : prepare_client(t))) {
        code = make_failed(host);
    } else {
        code = shake_hands(ctx, t);
    }
    if (code == 0) {
        code = make_conn(c, t);
    }
    if (code < 0) {
        cvy_tls_free(t);
    }
    return code;
}

static int drop(covey_conn *below, int code, const char *why)
{
    covey_close(below);
    return covey_errorf(code, "tls: %s", why);
}

int covey_tls_client(covey_ctx *ctx, covey_conn **c, covey_tls_config *config, const char *host)
{
    covey_conn *below = *c;

    *c = NULL;
    if (!config) {
        return drop(below, -EINVAL, "no config");
    }
    struct cvy_tls_setup *setup = cvy_tls_config_setup(config);
    if (host ? strlen(host) >= HOST_SIZE || host[0] == '\0' : !setup->insecure) {
        cvy_tls_setup_unref(setup);
        return drop(below, -EINVAL, "whom to verify? (host)");
    }
    return upgrade(ctx, c, below, setup, host, false);
}

int covey_tls_server(covey_ctx *ctx, covey_conn **c, covey_tls_config *config)
{
    covey_conn *below = *c;

    *c = NULL;
    if (!config) {
        return drop(below, -EINVAL, "no config");
    }
    struct cvy_tls_setup *setup = cvy_tls_config_setup(config);
    if (setup->identities.count == 0) {
        cvy_tls_setup_unref(setup);
        return drop(below, -EINVAL, "a server needs a certificate");
    }
    return upgrade(ctx, c, below, setup, NULL, true);
}

int covey_tls_wrap(covey_ctx *ctx, covey_conn **c, const char **protocol, void *config)
{
    int code = covey_tls_server(ctx, c, config);

    if (code == 0) {
        *protocol = covey_tls_info_of(*c)->alpn;
    }
    return code;
}
