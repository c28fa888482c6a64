/* SPDX-License-Identifier: MIT
 * top_keys.c - what each key does. */
#include "tools/top_watch.h"

#include <string.h>

enum { CONTROL_C = 3, CONTROL_Z = 26 }; /* the terminal is raw: they are keys */

static void move(struct cvy_top_watch *w, long by)
{
    long to = (long)w->selected + by;

    to = to < (long)w->rows.count ? to : (long)w->rows.count - 1;
    w->selected = to > 0 ? (size_t)to : 0;
}

static void open_or_close(struct cvy_top_watch *w, bool should_open)
{
    const struct cvy_top_row *row = w->selected < w->rows.count ? &w->rows.rows[w->selected] : NULL;

    if (!row) {
        return;
    }
    if (row->frame ? !should_open : row->has_more && row->is_open != should_open) {
        cvy_top_toggle(w, row->node->key);
    } else if (!should_open) {
        /* Nothing to close: to what it stands below. */
        size_t i = w->selected;
        while (i > 0 && w->rows.rows[i].depth >= row->depth) {
            i--;
        }
        w->selected = i;
    }
}

static void type(struct cvy_top_watch *w, int key)
{
    size_t len = strlen(w->filter);

    if (key == CVY_KEY_ENTER || key == CVY_KEY_ESCAPE) {
        w->is_typing = false;
        w->filter[key == CVY_KEY_ESCAPE ? 0 : len] = '\0';
    } else if (key == CVY_KEY_BACKSPACE && len > 0) {
        /* All bytes of a character: its first is none of UTF-8's 10xxxxxx. */
        while (--len > 0 && ((unsigned char)w->filter[len] & 0xC0) == 0x80) {
        }
        w->filter[len] = '\0';
    } else if (key >= ' ' && key < 256 && key != CVY_KEY_BACKSPACE && len + 1 < sizeof(w->filter)) {
        w->filter[len] = (char)key;
        w->filter[len + 1] = '\0';
    }
}

static void act(struct cvy_top_watch *w, int key)
{
    long page = w->screen.rows > 6 ? w->screen.rows - 5 : 1;

    switch (key) {
    case CVY_KEY_UP:
    case 'k':
        move(w, -1);
        break;
    case CVY_KEY_DOWN:
    case 'j':
        move(w, 1);
        break;
    case CVY_KEY_PAGE_UP:
        move(w, -page);
        break;
    case CVY_KEY_PAGE_DOWN:
        move(w, page);
        break;
    case CVY_KEY_HOME:
        move(w, -(long)w->rows.count);
        break;
    case CVY_KEY_LAST:
        move(w, (long)w->rows.count);
        break;
    case CVY_KEY_RIGHT:
    case CVY_KEY_ENTER:
    case '+':
    case 'l':
        open_or_close(w, true);
        break;
    case CVY_KEY_LEFT:
    case '-':
    case 'h':
        open_or_close(w, false);
        break;
    case 's':
        w->sort = (w->sort + 1) % CVY_TOP_SORTS;
        break;
    case '/':
        w->is_typing = true;
        break;
    case CVY_KEY_ESCAPE:
        w->filter[0] = '\0';
        break;
    case 'p':
        w->is_paused = !w->is_paused;
        w->is_unwanted = w->is_paused && w->is_asking;
        break;
    case 'd':
        cvy_top_ask_dump(w);
        break;
    case ' ':
        cvy_top_ask(w);
        break;
    case CONTROL_Z:
        w->must_stop = true;
        break;
    case 'q':
    case CONTROL_C:
    case CVY_KEY_END:
        w->must_quit = true;
        break;
    default:
        break;
    }
}

void cvy_top_keys(struct cvy_top_watch *w)
{
    int key;

    while (!w->must_quit && (key = cvy_screen_key(&w->screen)) != CVY_KEY_NONE) {
        w->message[0] = '\0';
        if (w->is_typing && key != CVY_KEY_END && key != CONTROL_C) {
            type(w, key);
        } else if (w->is_help || key == '?') {
            w->is_help = !w->is_help;
            w->must_quit = key == 'q' || key == CONTROL_C || key == CVY_KEY_END;
        } else {
            act(w, key);
        }
        w->selected_key = w->selected < w->rows.count ? w->rows.rows[w->selected].node->key : 0;
        cvy_top_rows_refresh(w);
    }
}
