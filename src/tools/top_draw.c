/* SPDX-License-Identifier: MIT
 * top_draw.c - the screen: heads, rows, and a foot that tells what a key has done or what is wrong.
 * A low screen has fewer heads, a narrow one fewer columns (top_view.c). */
#include "tools/grow.h"
#include "tools/top_watch.h"

#include <stdio.h>
#include <string.h>

static const char *const sort_names[] = {
    [CVY_TOP_BY_TASKS] = "tasks",
    [CVY_TOP_BY_OLDEST] = "oldest wait",
    [CVY_TOP_BY_CHANGE] = "change",
    [CVY_TOP_BY_NAME] = "name",
};

/* ---- what is open ---- */

static size_t toggled_index(const struct cvy_top_watch *w, uint64_t key)
{
    size_t i = 0;

    while (i < w->toggled_count && w->toggled[i] != key) {
        i++;
    }
    return i;
}

/* A kind's places are closed unless groups stand between them. */
static bool is_open_by_default(const struct cvy_top_watch *w, const struct cvy_top_node *n)
{
    const struct cvy_top_node *nodes = w->view.now.model->nodes;
    bool is_open = n->type == CVY_TOP_GROUP;

    for (uint32_t i = n->child; i && !is_open; i = nodes[i].next) {
        is_open = nodes[i].type == CVY_TOP_GROUP;
    }
    return is_open;
}

static bool is_open(const struct cvy_top_node *n, const void *arg)
{
    const struct cvy_top_watch *w = arg;
    bool is_toggled = toggled_index(w, n->key) < w->toggled_count;

    return is_open_by_default(w, n) != is_toggled;
}

void cvy_top_toggle(struct cvy_top_watch *w, uint64_t key)
{
    size_t i = toggled_index(w, key);

    if (i < w->toggled_count) {
        w->toggled[i] = w->toggled[--w->toggled_count];
    } else if (cvy_tools_grow(&w->toggled, w->toggled_count, &w->toggled_room,
                              sizeof(*w->toggled))) {
        w->toggled[w->toggled_count++] = key;
    }
}

/* ---- rows ---- */

/* The selection stays with its row, wherever that has gone. */
static void follow_selection(struct cvy_top_watch *w)
{
    const struct cvy_top_rows *r = &w->rows;

    if (w->selected >= r->count || r->rows[w->selected].node->key != w->selected_key) {
        for (size_t i = 0; i < r->count; i++) {
            if (r->rows[i].node->key == w->selected_key && !r->rows[i].frame) {
                w->selected = i;
                break;
            }
        }
    }
    if (w->selected >= r->count) {
        w->selected = r->count > 0 ? r->count - 1 : 0;
    }
}

void cvy_top_rows_refresh(struct cvy_top_watch *w)
{
    const struct cvy_top_look look = {
        .sort = w->sort, .filter = w->filter, .is_open = is_open, .arg = w};

    if (!w->view.now.model ||
        !cvy_top_rows_make(&w->rows, w->view.now.model, w->view.before.model, &look)) {
        w->rows.count = 0;
    }
    follow_selection(w);
}

static void draw_help(struct cvy_screen *s)
{
    static const char *const lines[] = {
        "",
        "  Up, Down, PgUp, PgDn, Home, End   move (also k, j)",
        "  Right, Enter, +                   open: groups, places, stacks (also l)",
        "  Left, -                           close (also h)",
        "  s                                 sort by tasks, oldest wait, change, name",
        "  /                                 show only what has a text; Escape shows all again",
        "  p                                 pause, and go on",
        "  d                                 write a dump of all tasks to a file here",
        "  Space                             ask again now",
        "  q, ^C; ^Z                         quit; stop, until fg",
    };

    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        cvy_screen_line(s, CVY_PLAIN, lines[i]);
    }
}

static void draw_rows(struct cvy_top_watch *w, size_t room)
{
    char line[CVY_TOP_LINE];
    size_t most = w->rows.count > room ? w->rows.count - room : 0;

    /* Fewer rows than before: none is out of sight over an empty screen. */
    w->first = w->first < most ? w->first : most;
    if (w->selected < w->first) {
        w->first = w->selected;
    } else if (w->selected >= w->first + room) {
        w->first = w->selected + 1 - room;
    }
    for (size_t i = 0; i < room; i++) {
        size_t row = w->first + i;
        bool is_there = row < w->rows.count;
        line[0] = '\0';
        if (is_there) {
            cvy_top_view_row(&w->view, &w->rows.rows[row], line);
        }
        cvy_screen_line(&w->screen, is_there && row == w->selected ? CVY_REVERSE : CVY_PLAIN, line);
    }
}

/* ---- around them ---- */

/* What is wrong with what is shown; empty: nothing. */
static void put_trouble(const struct cvy_top_watch *w, char *out, size_t size)
{
    int64_t now = covey_now();
    char age[64] = "";

    out[0] = '\0';
    if (w->view.now.model) {
        (void)snprintf(age, sizeof(age), "; this is %lld s old",
                       (long long)((now - w->view.now.at_ns) / COVEY_SEC));
    }
    if (w->failure[0]) {
        (void)snprintf(out, size, "%s%s", w->failure, age);
    } else if (w->is_asking && now - w->asked_at >= 2 * COVEY_SEC) {
        (void)snprintf(out, size, "no answer for %lld s%s",
                       (long long)((now - w->asked_at) / COVEY_SEC), age);
    }
}

static void draw_foot(struct cvy_top_watch *w)
{
    char line[CVY_TOP_LINE];
    char trouble[CVY_TOP_LINE / 2];

    put_trouble(w, trouble, sizeof(trouble));
    if (w->is_typing) {
        (void)snprintf(line, sizeof(line), "show only: %s_", w->filter);
    } else if (w->message[0] || trouble[0]) {
        (void)snprintf(line, sizeof(line), "%s", w->message[0] ? w->message : trouble);
    } else {
        (void)snprintf(line, sizeof(line), "by %s%s%s%s - ? help, s sort, / filter, d dump, q quit",
                       sort_names[w->sort], w->filter[0] ? ", only " : "", w->filter,
                       w->is_paused ? ", paused" : "");
    }
    bool is_trouble = !w->is_typing && !w->message[0] && trouble[0];
    cvy_screen_line(&w->screen, is_trouble ? CVY_REVERSE : CVY_PLAIN, line);
}

/* How many of the heads, from the last on, leave room for rows. */
static int draw_heads(struct cvy_top_watch *w)
{
    char line[CVY_TOP_LINE];
    int rows = w->screen.rows;
    int count = rows >= 10 ? CVY_TOP_HEADS : rows >= 7 ? 3 : rows >= 4 ? 1 : 0;

    for (int i = CVY_TOP_HEADS - count; i < CVY_TOP_HEADS; i++) {
        cvy_top_view_head(&w->view, (enum cvy_top_head)i, line);
        cvy_screen_line(&w->screen,
                        i == CVY_TOP_COLUMNS ? CVY_REVERSE
                        : i == CVY_TOP_HOT   ? CVY_BOLD
                                             : CVY_PLAIN,
                        line);
    }
    return count;
}

static void draw_nothing(struct cvy_top_watch *w)
{
    char line[CVY_TOP_LINE];

    (void)snprintf(line, sizeof(line), "covey top - %s", w->view.source.addr);
    cvy_screen_line(&w->screen, CVY_PLAIN, line);
    put_trouble(w, line, sizeof(line));
    cvy_screen_line(&w->screen, CVY_BOLD, line);
    cvy_screen_line(&w->screen, CVY_PLAIN, w->failure[0] ? "It is asked again. q quits." : "");
}

void cvy_top_draw(struct cvy_top_watch *w)
{
    cvy_top_rows_refresh(w);
    if (!cvy_screen_begin(&w->screen)) {
        return;
    }
    w->view.columns = w->screen.columns;
    if (!w->view.now.model) {
        draw_nothing(w);
    } else if (w->is_help) {
        draw_help(&w->screen);
    } else {
        int room = w->screen.rows - draw_heads(w) - 1;
        draw_rows(w, room > 0 ? (size_t)room : 1);
        draw_foot(w);
    }
    cvy_screen_end(&w->screen);
}
