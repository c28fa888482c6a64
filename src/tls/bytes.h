/* SPDX-License-Identifier: MIT
 * bytes.h - bytes on their way: appended at the end, consumed from the front. {0} is empty. */
#ifndef CVY_TLS_BYTES_H
#define CVY_TLS_BYTES_H

#include <stdbool.h>
#include <stddef.h>

struct cvy_tls_bytes {
    char *data; /* owned */
    size_t begin, end, capacity;
};

static inline size_t cvy_tls_bytes_len(const struct cvy_tls_bytes *b)
{
    return b->end - b->begin;
}

static inline const char *cvy_tls_bytes_front(const struct cvy_tls_bytes *b)
{
    return b->data + b->begin;
}

/* Room for n more at b->data + b->end, which moves what is there; false: out of memory. */
bool cvy_tls_bytes_reserve(struct cvy_tls_bytes *b, size_t n);
bool cvy_tls_bytes_append(struct cvy_tls_bytes *b, const void *from, size_t n);
/* The first n, which are there. */
void cvy_tls_bytes_consume(struct cvy_tls_bytes *b, size_t n);
/* Takes up to n from the front; how many. */
size_t cvy_tls_bytes_take(struct cvy_tls_bytes *b, void *to, size_t n);
/* Empties it and gives its memory back. */
void cvy_tls_bytes_free(struct cvy_tls_bytes *b);

#endif
