/* SPDX-License-Identifier: MIT
 * env.h - the library's environment variables. One that holds what it cannot hold counts as not
 * set, which standard error is told once: whoever set it meant something. */
#ifndef CVY_BASE_ENV_H
#define CVY_BASE_ENV_H

#include <stdbool.h>
#include <stdint.h>

/* Digits, or 0x1f, up to INT64_MAX, which stands for more. 0: not set, or anything else. */
int64_t cvy_env_number(const char *name);
/* The same up to UINT64_MAX; false: not set, or anything else. */
bool cvy_env_seed(const char *name, uint64_t *out);
/* Tells that the variable counts as not set since it is not what it should be, in words. */
void cvy_env_ignored(const char *name, const char *what);

/* Such a number; false: text is none. */
bool cvy_env_parse(const char *text, uint64_t *out);

#endif
