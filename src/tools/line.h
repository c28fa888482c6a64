/* SPDX-License-Identifier: MIT
 * line.h - a line of output while it is built, with JSON. Running out of memory is remembered and
 * told once. */
#ifndef CVY_TOOLS_LINE_H
#define CVY_TOOLS_LINE_H

#include <covey/defs.h>

struct cvy_line {
    char *data; /* terminated; NULL while empty */
    size_t len, cap;
    bool is_broken; /* out of memory: data is incomplete */
};

void cvy_line_fini(struct cvy_line *l);
void cvy_line_clear(struct cvy_line *l);
void cvy_line_printf(struct cvy_line *l, const char *fmt, ...) COVEY_PRINTF(2, 3);
/* text as a JSON string with its quotes; NULL: null. Bytes that are not UTF-8 become U+FFFD. */
void cvy_line_json(struct cvy_line *l, const char *text);
/* The length of the UTF-8 sequence at text, 0: none. No surrogates, no overlong forms. */
size_t cvy_line_sequence_at(const char *text);
/* "12.3 MB": to buf, of 16 bytes at least. Returns buf. */
const char *cvy_bytes_text(double bytes, char *buf, size_t size);
/* Text that may come from outside, whole, with each byte of control characters and of what is not
 * UTF-8 replaced: for a terminal. In place. */
void cvy_line_make_printable(char *text);

#endif
