/* SPDX-License-Identifier: MIT
 * pairs.h - names and values as they come, one after another: "name\0value\0". */
#ifndef CVY_HTTP_PAIRS_H
#define CVY_HTTP_PAIRS_H

#include "http/buffer.h"

/* One more, up to max bytes in all. 0, COVEY_ETOOLARGE or -ENOMEM, and then nothing was kept of it.
 */
int cvy_http_pairs_add(struct cvy_http_buffer *list, size_t max, const char *name, size_t name_len,
                       const char *value, size_t value_len);

#endif
