/* SPDX-License-Identifier: MIT
 * top_text.c - see top_text.h. */
#define _GNU_SOURCE
#include "tools/top_text.h"

#include <stdbool.h>
#include <string.h>
#include <wchar.h>

/* Characters without a width that are not put above another: they would hide or turn what follows.
 */
static bool is_format(wchar_t c)
{
    return c == 0xAD || c == 0x61C || (c >= 0x200B && c <= 0x200F) ||
           (c >= 0x2028 && c <= 0x202E) || (c >= 0x2060 && c <= 0x206F) || c == 0xFEFF ||
           (c >= 0xFFF9 && c <= 0xFFFB) || c >= 0xE0000;
}

/* The bytes of the character at text and its columns; columns < 0: it cannot be shown. */
static size_t character_at(const char *text, int *columns)
{
    wchar_t c = 0;
    size_t len = mbrtowc(&c, text, strlen(text), &(mbstate_t){0});

    if (len == (size_t)-1 || len == (size_t)-2) {
        *columns = -1;
        return 1;
    }
    *columns = is_format(c) ? -1 : wcwidth(c);
    return len;
}

static bool fits(const char *text, int columns)
{
    int width;

    while (*text && columns >= 0) {
        text += character_at(text, &width);
        columns -= width >= 0 ? width : 1;
    }
    return columns >= 0;
}

int cvy_top_text_put(FILE *out, const char *text, int columns)
{
    bool is_cut = !fits(text, columns);
    int room = is_cut ? columns - 1 : columns;
    int at = 0;

    while (*text) {
        int width;
        size_t len = character_at(text, &width);
        bool is_shown = width >= 0;
        width = is_shown ? width : 1;
        if (at + width > room) {
            break;
        }
        if (is_shown) {
            (void)fwrite(text, 1, len, out);
        } else {
            (void)fputc('?', out);
        }
        at += width;
        text += len;
    }
    if (is_cut && columns > 0) {
        (void)fputc('>', out);
        at++;
    }
    return at;
}
