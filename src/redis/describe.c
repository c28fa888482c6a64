/* SPDX-License-Identifier: MIT
 * describe.c - what a task that waits for a reply is said to wait for. */
#include "redis/format.h"
#include "redis/request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The word behind `at`, which stands at its '$'; sets `at` to the next '$', or NULL. */
static struct cvy_redis_word take_word(const char **at, const char *end)
{
    char *digits_end;
    unsigned long n = strtoul(*at + 1, &digits_end, 10); /* a line's end follows */
    const char *text = digits_end + 2;

    if (text > end || n > (size_t)(end - text)) {
        *at = NULL;
        return (struct cvy_redis_word){"", 0};
    }
    *at = text + n + 2 < end && text[n + 2] == '$' ? text + n + 2 : NULL;
    return (struct cvy_redis_word){text, n};
}

/* "GET user:7", "EVALSHA and 2 more": the name, and the key if it may be shown. */
void cvy_redis_describe(const struct cvy_redis_request *q, char *out, size_t size)
{
    const char *at = memchr(q->bytes, '$', q->len);
    const char *end = q->bytes + q->len;
    struct cvy_redis_word name = {"", 0}, key = {"", 0};

    if (at) {
        name = take_word(&at, end);
    }
    if (at && !cvy_redis_word_is(name, "AUTH") && !cvy_redis_word_is(name, "HELLO")) {
        key = take_word(&at, end);
    }
    int name_len = (int)(name.len < size ? name.len : size);
    if (q->replies > 1) {
        (void)snprintf(out, size, "%.*s and %zu more", name_len, name.at, q->replies - 1);
    } else {
        (void)snprintf(out, size, "%.*s%s%.*s", name_len, name.at, key.len > 0 ? " " : "",
                       (int)(key.len < size ? key.len : size), key.at);
    }
}
