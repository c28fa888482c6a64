/* SPDX-License-Identifier: MIT
 * number.h - numbers as text, without printf(): each response has one, and it is felt. */
#ifndef CVY_HTTP_NUMBER_H
#define CVY_HTTP_NUMBER_H

#include <stdint.h>

#define CVY_HTTP_DIGITS_MAX 20

/* Writes n before end, in base 10 or 16; where it begins. */
static inline char *cvy_http_digits(char *end, uint64_t n, unsigned base)
{
    do {
        *--end = "0123456789abcdef"[n % base];
        n /= base;
    } while (n > 0);
    return end;
}

#endif
