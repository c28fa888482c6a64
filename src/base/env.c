/* SPDX-License-Identifier: MIT
 * env.c - see env.h. */
#include "base/env.h"

#include "base/atomic.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAMES_MAX 16

/* Whether the variable was not told of before. */
static bool is_first(const char *name)
{
    static const char *_Atomic told[NAMES_MAX];

    for (int i = 0; i < NAMES_MAX; i++) {
        const char *was = NULL;
        /* Acq_rel: whoever finds a name may read it. */
        if (cvy_cas_acq_rel(&told[i], &was, name)) {
            return true;
        }
        if (strcmp(was, name) == 0) {
            return false;
        }
    }
    return false;
}

void cvy_env_ignored(const char *name, const char *what)
{
    const char *text = getenv(name);

    if (text && is_first(name)) {
        (void)fprintf(stderr, "covey: %s=\"%s\" is not %s, and counts as not set\n", name, text,
                      what);
    }
}

/* -1: it is none. */
static int digit_of(char c, bool is_hex)
{
    static const char digits[] = "0123456789abcdefABCDEF";
    const char *at = memchr(digits, c, is_hex ? sizeof(digits) - 1 : 10);

    return !at ? -1 : at - digits < 16 ? (int)(at - digits) : (int)(at - digits) - 6;
}

bool cvy_env_parse(const char *text, uint64_t *out)
{
    bool is_hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
    const char *at = is_hex ? text + 2 : text;
    bool is_number = *at != '\0';
    uint64_t n = 0;

    for (; *at && is_number; at++) {
        int digit = digit_of(*at, is_hex);
        is_number = digit >= 0;
        if (__builtin_mul_overflow(n, is_hex ? 16 : 10, &n) ||
            __builtin_add_overflow(n, (uint64_t)digit, &n)) {
            n = UINT64_MAX;
        }
    }
    *out = n;
    return is_number;
}

bool cvy_env_seed(const char *name, uint64_t *out)
{
    const char *text = getenv(name);
    uint64_t n;

    if (!text || !*text) {
        return false;
    }
    if (!cvy_env_parse(text, &n)) {
        cvy_env_ignored(name, "a number");
        return false;
    }
    *out = n;
    return true;
}

int64_t cvy_env_number(const char *name)
{
    uint64_t n;

    if (!cvy_env_seed(name, &n)) {
        return 0;
    }
    return n < INT64_MAX ? (int64_t)n : INT64_MAX;
}
