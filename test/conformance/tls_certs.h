/* SPDX-License-Identifier: MIT
 * tls_certs.h - certificates for tests, made when they are asked for: no key is kept anywhere.
 * Include harness.h first. */
#ifndef CVY_TLS_CERTS_H
#define CVY_TLS_CERTS_H

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <string.h>

struct cert {
    X509 *x509;
    EVP_PKEY *key;
    char cert_pem[4096], key_pem[1024];
};

struct cert_spec {
    const char *name;          /* CN */
    const char *alternatives;  /* "DNS:shop.test,IP:127.0.0.1"; NULL: none */
    const struct cert *issuer; /* NULL: itself */
    bool is_authority;
    bool has_expired;
};

enum { CERT_HOUR = 3600 };

static inline void cert_extend(X509 *x, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX v3;

    X509V3_set_ctx_nodb(&v3);
    X509V3_set_ctx(&v3, issuer, x, NULL, NULL, 0);
    X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, &v3, nid, value);
    CHECK(ext);
    CHECK(X509_add_ext(x, ext, -1));
    X509_EXTENSION_free(ext);
}

static inline void cert_write(struct cert *c)
{
    BIO *out = BIO_new(BIO_s_mem());

    CHECK(PEM_write_bio_X509(out, c->x509));
    int n = BIO_read(out, c->cert_pem, sizeof(c->cert_pem) - 1);
    CHECK(n > 0 && n < (int)sizeof(c->cert_pem) - 1);
    c->cert_pem[n] = '\0';
    CHECK(PEM_write_bio_PrivateKey(out, c->key, NULL, NULL, 0, NULL, NULL));
    n = BIO_read(out, c->key_pem, sizeof(c->key_pem) - 1);
    CHECK(n > 0 && n < (int)sizeof(c->key_pem) - 1);
    c->key_pem[n] = '\0';
    BIO_free(out);
}

/* Free with cert_free(). */
static inline void cert_make(struct cert *c, const struct cert_spec *spec)
{
    static long serial;

    c->x509 = X509_new();
    c->key = EVP_EC_gen("P-256");
    CHECK(c->x509 && c->key);
    CHECK(X509_set_version(c->x509, 2));
    CHECK(ASN1_INTEGER_set(X509_get_serialNumber(c->x509), ++serial));
    CHECK(X509_gmtime_adj(X509_getm_notBefore(c->x509), -2 * CERT_HOUR));
    CHECK(X509_gmtime_adj(X509_getm_notAfter(c->x509), spec->has_expired ? -CERT_HOUR : CERT_HOUR));
    CHECK(X509_set_pubkey(c->x509, c->key));
    X509_NAME *name = X509_get_subject_name(c->x509);
    CHECK(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)spec->name,
                                     -1, -1, 0));
    X509 *issuer = spec->issuer ? spec->issuer->x509 : c->x509;
    CHECK(X509_set_issuer_name(c->x509, X509_get_subject_name(issuer)));
    cert_extend(c->x509, issuer, NID_basic_constraints,
                spec->is_authority ? "critical,CA:TRUE" : "critical,CA:FALSE");
    cert_extend(c->x509, issuer, NID_subject_key_identifier, "hash");
    if (spec->alternatives) {
        cert_extend(c->x509, issuer, NID_subject_alt_name, spec->alternatives);
    }
    CHECK(X509_sign(c->x509, spec->issuer ? spec->issuer->key : c->key, EVP_sha256()));
    cert_write(c);
}

static inline void cert_free(struct cert *c)
{
    X509_free(c->x509);
    EVP_PKEY_free(c->key);
}

#endif
