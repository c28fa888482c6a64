/* SPDX-License-Identifier: MIT
 * buffer.h - bytes that grow at the end, with a limit. */
#ifndef CVY_HTTP_BUFFER_H
#define CVY_HTTP_BUFFER_H

#include <stddef.h>

struct cvy_http_buffer {
    char *data; /* cap bytes, and one more for a NUL */
    size_t len, cap;
};

/* Room for len bytes in all. 0 or -ENOMEM. */
int cvy_http_buffer_reserve(struct cvy_http_buffer *b, size_t len);
/* 0; COVEY_ETOOLARGE: it would be longer than max; -ENOMEM. On failure nothing was appended. */
int cvy_http_buffer_append(struct cvy_http_buffer *b, const void *data, size_t len, size_t max);
/* Empties it; gives the memory back if it is more than keep bytes. */
void cvy_http_buffer_reset(struct cvy_http_buffer *b, size_t keep);

#endif
