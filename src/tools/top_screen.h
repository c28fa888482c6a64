/* SPDX-License-Identifier: MIT
 * top_screen.h - a terminal that is drawn line by line, and gives single keys.
 *
 * Opened, it is in raw mode and on its second screen; close brings back what was there. */
#ifndef CVY_TOOLS_TOP_SCREEN_H
#define CVY_TOOLS_TOP_SCREEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <termios.h>

struct cvy_screen {
    int in, out;
    int rows, columns; /* as of the last frame's begin */
    struct termios before;
    FILE *frame; /* what is being drawn */
    char *text;
    size_t len;
    int line;
};

/* No colours: none is needed, and whoever sets NO_COLOR has his way. */
enum cvy_style { CVY_PLAIN, CVY_REVERSE, CVY_BOLD };

enum cvy_key {
    CVY_KEY_NONE = -1, /* nothing whole has come */
    CVY_KEY_END = -2,  /* the terminal is gone */
    CVY_KEY_UP = 256,
    CVY_KEY_DOWN,
    CVY_KEY_LEFT,
    CVY_KEY_RIGHT,
    CVY_KEY_PAGE_UP,
    CVY_KEY_PAGE_DOWN,
    CVY_KEY_HOME,
    CVY_KEY_LAST,
    CVY_KEY_ESCAPE = 27,
    CVY_KEY_ENTER = '\r',
    CVY_KEY_BACKSPACE = 127,
};

/* 0, or a negative errno code. */
int cvy_screen_open(struct cvy_screen *s, int in, int out);
void cvy_screen_close(struct cvy_screen *s);
/* After a close, or after a shell has had the terminal; a code as open's. */
int cvy_screen_resume(struct cvy_screen *s);
/* False: out of memory. Then lines, as many as there is room for; then the end, which shows them.
 */
bool cvy_screen_begin(struct cvy_screen *s);
/* A line, cut to the width, and as tools/top_text.h shows it. */
void cvy_screen_line(struct cvy_screen *s, enum cvy_style style, const char *text);
void cvy_screen_end(struct cvy_screen *s);
/* The next key of those that have been typed; does not wait for more. */
int cvy_screen_key(struct cvy_screen *s);

#endif
