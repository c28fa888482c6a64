/* SPDX-License-Identifier: MIT
 * token.h - RFC 9110's tokens, of which methods and the names of headers are made, and what stands
 * between them. */
#ifndef CVY_HTTP_TOKEN_H
#define CVY_HTTP_TOKEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

/* The characters, as bits. */
static inline bool cvy_http_is_token_char(char c)
{
    static const uint64_t bits[2] = {UINT64_C(0x3ff6cfa00000000), UINT64_C(0x57ffffffc7fffffe)};

    return (c & 0x80) == 0 && (bits[c >> 6] >> (c & 63) & 1);
}

/* Of nothing else; nothing at all counts. */
static inline bool cvy_http_is_token(const char *text, size_t len)
{
    while (len > 0 && cvy_http_is_token_char(text[len - 1])) {
        len--;
    }
    return len == 0;
}

/* Blanks, of which a line's end is none. */
static inline bool cvy_http_is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* The same but for the case of letters. text is not terminated. */
static inline bool cvy_http_is_word(const char *text, size_t len, const char *word)
{
    return strlen(word) == len && strncasecmp(text, word, len) == 0;
}

#endif
