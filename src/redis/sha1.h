/* SPDX-License-Identifier: MIT
 * sha1.h - SHA-1 (RFC 3174), by which Redis names scripts. Not for security. */
#ifndef CVY_REDIS_SHA1_H
#define CVY_REDIS_SHA1_H

#include <stddef.h>

/* 40 digits and a NUL. */
void cvy_sha1_hex(const void *data, size_t len, char out[41]);

#endif
