/* SPDX-License-Identifier: MIT
 * bytes.c - see bytes.h. All memory of this library is OpenSSL's, so that one place can make its
 * allocations fail (CRYPTO_set_mem_functions). */
#include "tls/bytes.h"

#include <openssl/crypto.h>
#include <string.h>

bool cvy_tls_bytes_reserve(struct cvy_tls_bytes *b, size_t n)
{
    size_t len = cvy_tls_bytes_len(b);

    if (n <= b->capacity - b->end) {
        return true;
    }
    if (b->begin > 0) {
        memmove(b->data, b->data + b->begin, len);
        b->begin = 0;
        b->end = len;
    }
    if (n > b->capacity - len) {
        char *grown = OPENSSL_realloc(b->data, len + n);
        if (!grown) {
            return false;
        }
        b->data = grown;
        b->capacity = len + n;
    }
    return true;
}

bool cvy_tls_bytes_append(struct cvy_tls_bytes *b, const void *from, size_t n)
{
    if (!cvy_tls_bytes_reserve(b, n)) {
        return false;
    }
    if (n > 0) {
        memcpy(b->data + b->end, from, n);
    }
    b->end += n;
    return true;
}

void cvy_tls_bytes_consume(struct cvy_tls_bytes *b, size_t n)
{
    b->begin += n;
}

size_t cvy_tls_bytes_take(struct cvy_tls_bytes *b, void *to, size_t n)
{
    size_t len = cvy_tls_bytes_len(b);

    n = n < len ? n : len;
    if (n > 0) {
        memcpy(to, b->data + b->begin, n);
        cvy_tls_bytes_consume(b, n);
    }
    return n;
}

void cvy_tls_bytes_free(struct cvy_tls_bytes *b)
{
    OPENSSL_free(b->data);
    *b = (struct cvy_tls_bytes){0};
}
