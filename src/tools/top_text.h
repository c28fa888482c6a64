/* SPDX-License-Identifier: MIT
 * top_text.h - text of another program for a terminal: names may hold anything. */
#ifndef CVY_TOOLS_TOP_TEXT_H
#define CVY_TOOLS_TOP_TEXT_H

#include <stdio.h>

/* Writes text by the locale's characters (LC_CTYPE); of what does not fit into columns as much as
 * does with a > behind it, so that half a number is not taken for one. What a terminal would obey,
 * or could not show, is a ? instead: control characters, what turns the direction of writing, bytes
 * that are no character. The columns it takes. */
int cvy_top_text_put(FILE *out, const char *text, int columns);

#endif
