/* SPDX-License-Identifier: MIT
 * setup.h - options as read: what handshakes share. Immutable, but for the sessions; counted. */
#ifndef CVY_TLS_SETUP_H
#define CVY_TLS_SETUP_H

#include "tls/identity.h"
#include "tls/session.h"

#include <covey/tls.h>
#include <stdatomic.h>

#define CVY_TLS_ALPN_MAX 255

struct cvy_tls_setup {
    _Atomic unsigned refs; /* relaxed up, acq_rel down */

    /* Immutable. */
    SSL_CTX *ctx;
    struct cvy_tls_identities identities;
    unsigned char alpn[CVY_TLS_ALPN_MAX]; /* each with its length before it */
    unsigned alpn_len;
    covey_tls_client_certs client_certs;
    bool insecure, no_resumption;

    struct cvy_tls_sessions sessions; /* a client's; guards itself */
};

/* 0 and *out, owned; or a code of covey_tls_config_new(), with its message. */
int cvy_tls_setup_new(struct cvy_tls_setup **out, const covey_tls_options *opts);
struct cvy_tls_setup *cvy_tls_setup_ref(struct cvy_tls_setup *s);
void cvy_tls_setup_unref(struct cvy_tls_setup *s); /* NULL is allowed */

/* config.c: the present one of a config, owned by the caller. */
struct cvy_tls_setup *cvy_tls_config_setup(covey_tls_config *config);

#endif
