/* SPDX-License-Identifier: MIT
 * words.c - see words.h. */
#include "tls/words.h"

#include "tls/stream.h"

#include <arpa/inet.h>
#include <covey/error.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* Adds to a list. What does not fit is left out. */
static void add_name(char *out, size_t size, const char *name, size_t len)
{
    size_t at = strlen(out);

    if (len > 0 && at + len + sizeof(", ") <= size) {
        (void)snprintf(out + at, size - at, "%s%.*s", at > 0 ? ", " : "", (int)len, name);
    }
}

static void add_alternative(char *out, size_t size, const GENERAL_NAME *name)
{
    char text[INET6_ADDRSTRLEN];

    if (name->type == GEN_DNS) {
        add_name(out, size, (const char *)ASN1_STRING_get0_data(name->d.dNSName),
                 (size_t)ASN1_STRING_length(name->d.dNSName));
    } else if (name->type == GEN_IPADD) {
        int family = ASN1_STRING_length(name->d.iPAddress) == 4 ? AF_INET : AF_INET6;
        if (family == AF_INET || ASN1_STRING_length(name->d.iPAddress) == 16) {
            (void)inet_ntop(family, ASN1_STRING_get0_data(name->d.iPAddress), text, sizeof(text));
            add_name(out, size, text, strlen(text));
        }
    }
}

void cvy_tls_names(const X509 *cert, char *out, size_t size)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);

    out[0] = '\0';
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        add_alternative(out, size, sk_GENERAL_NAME_value(names, i));
    }
    GENERAL_NAMES_free(names);
    if (out[0] == '\0' && X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName,
                                                    out, (int)size) < 0) {
        (void)snprintf(out, size, "nobody");
    }
}

static bool is_for_others(long why)
{
    return why == X509_V_ERR_HOSTNAME_MISMATCH || why == X509_V_ERR_IP_ADDRESS_MISMATCH;
}

int cvy_tls_note_names(int is_good, X509_STORE_CTX *check)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(check, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct cvy_tls *t = SSL_get_app_data(ssl);

    if (!is_good && is_for_others(X509_STORE_CTX_get_error(check))) {
        cvy_tls_names(X509_STORE_CTX_get0_cert(check), t->why, sizeof(t->why) / 2);
    }
    return is_good;
}

static void say_certificate(SSL *ssl, const char *host, char *out, size_t size)
{
    char names[CVY_TLS_WORDS_SIZE];
    long why = SSL_get_verify_result(ssl);

    switch (why) {
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        memcpy(names, out, size < sizeof(names) ? size : sizeof(names));
        (void)snprintf(out, size, "certificate is for %s, not for %s", names, host ? host : "it");
        break;
    case X509_V_ERR_CERT_HAS_EXPIRED:
        (void)snprintf(out, size, "certificate has expired");
        break;
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
        (void)snprintf(out, size, "certificate of an unknown authority");
        break;
    default:
        (void)snprintf(out, size, "%s", X509_verify_cert_error_string(why));
    }
}

/* "tlsv1 alert unknown ca" */
static const char *alert_words(unsigned long error)
{
    static const char before[] = " alert ";
    const char *words = ERR_reason_error_string(error);
    const char *at = words ? strstr(words, before) : NULL;

    return at ? at + strlen(before) : words ? words : "alert";
}

static bool is_no_tls(int reason)
{
    return reason == SSL_R_WRONG_VERSION_NUMBER || reason == SSL_R_HTTP_REQUEST ||
           reason == SSL_R_HTTPS_PROXY_REQUEST;
}

int cvy_tls_reason(SSL *ssl, const char *host, char *out, size_t size)
{
    unsigned long first = ERR_peek_error();
    int reason = ERR_GET_REASON(first);
    int code = COVEY_ETLS;

    if (ERR_GET_REASON(ERR_peek_last_error()) == ERR_R_MALLOC_FAILURE ||
        reason == ERR_R_MALLOC_FAILURE) {
        code = -ENOMEM;
        (void)snprintf(out, size, "%s", covey_strerror(code));
    } else if (ERR_SYSTEM_ERROR(first)) {
        code = -reason;
        (void)snprintf(out, size, "%s", covey_strerror(code));
    } else if (ssl && reason == SSL_R_CERTIFICATE_VERIFY_FAILED) {
        say_certificate(ssl, host, out, size);
    } else if (reason == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE) {
        (void)snprintf(out, size, "the peer has shown no certificate");
    } else if (ERR_GET_LIB(first) == ERR_LIB_SSL && reason > SSL_AD_REASON_OFFSET) {
        (void)snprintf(out, size, "the peer refuses: %s", alert_words(first));
    } else if (ERR_GET_LIB(first) == ERR_LIB_SSL && is_no_tls(reason)) {
        (void)snprintf(out, size, "the peer does not speak TLS");
    } else {
        const char *words = ERR_reason_error_string(first);
        (void)snprintf(out, size, "%s", words ? words : "unknown failure");
    }
    ERR_clear_error();
    return code;
}
