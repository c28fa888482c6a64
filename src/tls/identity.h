/* SPDX-License-Identifier: MIT
 * identity.h - certificates with their keys, and which of them a client is shown. */
#ifndef CVY_TLS_IDENTITY_H
#define CVY_TLS_IDENTITY_H

#include <covey/tls.h>
#include <openssl/ssl.h>

struct cvy_tls_identity {
    X509 *cert;
    EVP_PKEY *key;
    STACK_OF(X509) * chain; /* the intermediate ones */
};

struct cvy_tls_identities {
    struct cvy_tls_identity *all; /* owned */
    size_t count;
};

/* 0; or a code of covey_tls_config_new(), with its message. {0} before; free it in any case. */
int cvy_tls_identities_load(struct cvy_tls_identities *ids, const covey_tls_identity *from,
                            size_t count);
void cvy_tls_identities_free(struct cvy_tls_identities *ids);
/* The first one for that name (NULL: none was asked for), else the first; NULL: there is none. */
const struct cvy_tls_identity *cvy_tls_identities_find(const struct cvy_tls_identities *ids,
                                                       const char *name);

/* A BIO that reads a file, or text if that is given; NULL: *code says why, with its message. */
BIO *cvy_tls_open(const char *file, const char *text, int *code);
/* The code of what OpenSSL just failed at with a file (NULL: text), with its message. */
int cvy_tls_open_failed(const char *what, const char *file);

#endif
