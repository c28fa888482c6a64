/* SPDX-License-Identifier: MIT
 * words.h - why OpenSSL failed, in words. Its queue of errors belongs to the OS thread: it is read,
 * and emptied, before anything that may switch. */
#ifndef CVY_TLS_WORDS_H
#define CVY_TLS_WORDS_H

#include <openssl/ssl.h>
#include <stddef.h>

#define CVY_TLS_WORDS_SIZE 256

/* The code and, in out, the reason of the failure of ssl (NULL: of no connection) that the queue
 * tells of; empties it. host: whom the peer was to be; may be NULL. If a certificate was for
 * others, out has their names before. */
int cvy_tls_reason(SSL *ssl, const char *host, char *out, size_t size);
/* "example.org, www.example.org": whom a certificate is for. */
void cvy_tls_names(const X509 *cert, char *out, size_t size);
/* For SSL_set_verify(): leaves the names of a certificate that is for others in why, since OpenSSL
 * gives the certificate up before it tells. */
int cvy_tls_note_names(int is_good, X509_STORE_CTX *check);

#endif
