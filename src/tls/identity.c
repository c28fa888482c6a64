/* SPDX-License-Identifier: MIT
 * identity.c - see identity.h. */
#include "tls/identity.h"

#include "tls/words.h"

#include <covey/error.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>

int cvy_tls_open_failed(const char *what, const char *file)
{
    char why[CVY_TLS_WORDS_SIZE];
    int code = cvy_tls_reason(NULL, NULL, why, sizeof(why));

    return covey_errorf(code, "tls: %s in %s: %s", what, file ? file : "text", why);
}

BIO *cvy_tls_open(const char *file, const char *text, int *code)
{
    if (!file && !text) {
        *code = covey_errorf(-EINVAL, "tls: neither a file nor a text is given");
        return NULL;
    }
    ERR_clear_error();
    BIO *bio = text ? BIO_new_mem_buf(text, -1) : BIO_new_file(file, "r");
    if (!bio) {
        *code = cvy_tls_open_failed("cannot read", text ? NULL : file);
    }
    return bio;
}

/* Without it OpenSSL would ask at the terminal. */
static int no_passphrase(char *buf, int size, int is_writing, void *arg)
{
    (void)buf;
    (void)size;
    (void)is_writing;
    (void)arg;
    return -1;
}

static int load_certificates(struct cvy_tls_identity *id, const covey_tls_identity *from)
{
    int code = 0;
    BIO *bio = cvy_tls_open(from->cert_file, from->cert_pem, &code);

    if (!bio) {
        return code;
    }
    id->cert = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL);
    id->chain = sk_X509_new_null();
    for (X509 *next; id->cert && id->chain &&
                     (next = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL)) != NULL;) {
        if (!sk_X509_push(id->chain, next)) {
            X509_free(next);
            break;
        }
    }
    BIO_free(bio);
    /* The end of the file is told as a failure: that nothing more begins. */
    bool is_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
    if (!id->cert || !id->chain || !is_end) {
        return cvy_tls_open_failed("no certificate", from->cert_pem ? NULL : from->cert_file);
    }
    ERR_clear_error();
    return 0;
}

static int load_key(struct cvy_tls_identity *id, const covey_tls_identity *from)
{
    const char *text = from->key_pem ? from->key_pem : from->cert_pem;
    const char *file = from->key_file ? from->key_file : from->cert_file;
    int code = 0;

    if (from->key_file && !from->key_pem) {
        text = NULL;
    }
    BIO *bio = cvy_tls_open(file, text, &code);
    if (!bio) {
        return code;
    }
    id->key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
    BIO_free(bio);
    if (!id->key) {
        return cvy_tls_open_failed("no private key", text ? NULL : file);
    }
    if (X509_check_private_key(id->cert, id->key) != 1) {
        return cvy_tls_open_failed("the key is not the certificate's", text ? NULL : file);
    }
    return 0;
}

int cvy_tls_identities_load(struct cvy_tls_identities *ids, const covey_tls_identity *from,
                            size_t count)
{
    int code = 0;

    if (count == 0) {
        return 0;
    }
    ids->all = OPENSSL_zalloc(count * sizeof(*ids->all));
    if (!ids->all) {
        return covey_errorf(-ENOMEM, "tls: %s", covey_strerror(-ENOMEM));
    }
    ids->count = count;
    for (size_t i = 0; i < count && code == 0; i++) {
        code = load_certificates(&ids->all[i], &from[i]);
        if (code == 0) {
            code = load_key(&ids->all[i], &from[i]);
        }
    }
    return code;
}

void cvy_tls_identities_free(struct cvy_tls_identities *ids)
{
    for (size_t i = 0; i < ids->count; i++) {
        X509_free(ids->all[i].cert);
        EVP_PKEY_free(ids->all[i].key);
        sk_X509_pop_free(ids->all[i].chain, X509_free);
    }
    OPENSSL_free(ids->all);
    *ids = (struct cvy_tls_identities){0};
}

const struct cvy_tls_identity *cvy_tls_identities_find(const struct cvy_tls_identities *ids,
                                                       const char *name)
{
    for (size_t i = 0; name && i < ids->count; i++) {
        if (X509_check_host(ids->all[i].cert, name, strlen(name), 0, NULL) == 1) {
            return &ids->all[i];
        }
    }
    return ids->count > 0 ? &ids->all[0] : NULL;
}
