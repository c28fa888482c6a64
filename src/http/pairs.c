/* SPDX-License-Identifier: MIT
 * pairs.c - see pairs.h. */
#include "http/pairs.h"

int cvy_http_pairs_add(struct cvy_http_buffer *list, size_t max, const char *name, size_t name_len,
                       const char *value, size_t value_len)
{
    size_t before = list->len;
    int code = cvy_http_buffer_append(list, name, name_len, max);

    code = code < 0 ? code : cvy_http_buffer_append(list, "", 1, max);
    code = code < 0 ? code : cvy_http_buffer_append(list, value, value_len, max);
    code = code < 0 ? code : cvy_http_buffer_append(list, "", 1, max);
    if (code < 0) {
        list->len = before;
    }
    return code;
}
