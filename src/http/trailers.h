/* SPDX-License-Identifier: MIT
 * trailers.h - headers that come behind a body. A request's are kept apart from its headers: what
 * comes so late must not change what the request was taken for. */
#ifndef CVY_HTTP_TRAILERS_H
#define CVY_HTTP_TRAILERS_H

#include "http/buffer.h"

/* One more, kept as "name\0value\0", up to max bytes in all. 0, COVEY_ETOOLARGE or -ENOMEM, and
 * then nothing was kept of it. */
int cvy_http_trailers_add(struct cvy_http_buffer *list, size_t max, const char *name,
                          size_t name_len, const char *value, size_t value_len);

#endif
