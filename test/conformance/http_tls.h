/* SPDX-License-Identifier: MIT
 * http_tls.h - a site that speaks TLS, with certificates made for it, and clients of it. */
#ifndef CVY_CONFORMANCE_HTTP_TLS_H
#define CVY_CONFORMANCE_HTTP_TLS_H

#include "http_support.h"

#include "tls_certs.h"

#include <covey/tls.h>

/* Made by secure_open(). */
struct secure {
    struct cert authority, shop, alice;
    covey_tls_config *server, *client; /* the client is alice, and trusts the authority */
};

static inline covey_tls_config *secure_config(const struct cert *authority, const struct cert *who,
                                              const char *alpn, bool is_server)
{
    covey_tls_identity id = {.cert_pem = who->cert_pem, .key_pem = who->key_pem};
    covey_tls_options opts = {.identities = &id,
                              .identity_count = 1,
                              .ca_pem = authority->cert_pem,
                              .alpn = alpn,
                              .client_certs = is_server ? COVEY_TLS_CLIENT_CERT_ASK
                                                        : COVEY_TLS_CLIENT_CERT_NONE};
    covey_tls_config *config;

    CHECK_EQ(covey_tls_config_new(&config, &opts), 0);
    return config;
}

/* The same as site_open(), over TLS. The server's protocols; those that clients offer. */
static inline void secure_open(struct secure *t, struct site *s, const char *alpn,
                               const char *offered)
{
    cert_make(&t->authority, &(struct cert_spec){.name = "Authority", .is_authority = true});
    cert_make(&t->shop, &(struct cert_spec){.name = "shop.test",
                                            .alternatives = "DNS:shop.test,IP:127.0.0.1",
                                            .issuer = &t->authority});
    cert_make(&t->alice, &(struct cert_spec){.name = "alice", .issuer = &t->authority});
    t->server = secure_config(&t->authority, &t->shop, alpn, true);
    t->client = secure_config(&t->authority, &t->alice, offered, false);
    s->opts.wrap = covey_tls_wrap;
    s->opts.wrap_arg = t->server;
    site_open(s);
}

/* As site_close(). */
static inline int secure_close(struct secure *t, struct site *s)
{
    int code = site_close(s);

    covey_tls_config_unref(t->server);
    covey_tls_config_unref(t->client);
    cert_free(&t->authority);
    cert_free(&t->shop);
    cert_free(&t->alice);
    return code;
}

static inline covey_conn *secure_dial(struct secure *t, struct site *s)
{
    covey_conn *c = dial(s);

    CHECK_EQ(covey_tls_client(NULL, &c, t->client, "shop.test"), 0);
    return c;
}

#endif
