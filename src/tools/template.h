/* SPDX-License-Identifier: MIT
 * template.h - file names made from URLs, as "{host}/{path}".
 *
 * Fields: {n} the number in the list, {name} the last part of the path ("index.html" if it is
 * empty), {path} all of it, {host}, {port}, {scheme}, {query}, {hash} 16 hexadecimal digits of the
 * whole URL. "{{" and "}}" are braces.
 *
 * A URL is somebody else's text. What a field gives never leaves the directory, hides a file, or
 * holds a control character: a slash counts only in {path}; a part of the name that is empty is
 * left out, one that begins with a dot begins with "_" instead; other bad bytes become "_". A part
 * longer than PART_MAX is cut and ends in a hash of the whole. */
#ifndef CVY_TOOLS_TEMPLATE_H
#define CVY_TOOLS_TEMPLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CVY_TEMPLATE_PART_MAX 200u
#define CVY_TEMPLATE_NAME_MAX 3000u /* bytes of a whole name; more is an error */

/* NULL: it can be expanded; else what is wrong with it, static text. */
const char *cvy_template_error(const char *text);
/* Whether two URLs of one list never give the same name. */
bool cvy_template_is_unique(const char *text);
/* The name for url, the n-th, as a malloc'd string. NULL: out of memory, or too long. */
char *cvy_template_expand(const char *text, const char *url, uint64_t n);

#endif
