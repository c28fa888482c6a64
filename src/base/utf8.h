/* SPDX-License-Identifier: MIT
 * utf8.h - what is a character of UTF-8. */
#ifndef CVY_BASE_UTF8_H
#define CVY_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* How many bytes the character at c, within a string, has; 0: it is none. */
static inline size_t cvy_utf8_len(const unsigned char *c)
{
    size_t len = c[0] < 0x80                   ? 1
                 : c[0] >= 0xc2 && c[0] < 0xe0 ? 2
                 : c[0] >= 0xe0 && c[0] < 0xf0 ? 3
                 : c[0] >= 0xf0 && c[0] < 0xf5 ? 4
                                               : 0;

    for (size_t i = 1; i < len; i++) {
        if ((c[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    /* Longer than need be, a surrogate, or beyond the last character. */
    bool is_wrong = (c[0] == 0xe0 && c[1] < 0xa0) || (c[0] == 0xed && c[1] >= 0xa0) ||
                    (c[0] == 0xf0 && c[1] < 0x90) || (c[0] == 0xf4 && c[1] >= 0x90);
    return is_wrong ? 0 : len;
}

#endif
