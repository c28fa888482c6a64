/* SPDX-License-Identifier: MIT
 * top_view.c - see top_view.h. */
#include "tools/top_view.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#undef errno

void cvy_top_answer_fini(struct cvy_top_answer *a)
{
    cvy_top_model_free(a->model);
    cvy_json_free(a->json);
    free(a->body);
    *a = (struct cvy_top_answer){0};
}

void cvy_top_view_fini(struct cvy_top_view *v)
{
    cvy_top_answer_fini(&v->now);
    cvy_top_answer_fini(&v->before);
}

int cvy_top_answer_fetch(covey_ctx *ctx, const struct cvy_top_source *s, struct cvy_top_answer *out)
{
    struct cvy_top_answer a = {0};
    size_t len = 0;
    int code = cvy_top_source_get(ctx, s, "/debug/covey/tasks?format=places", &a.body, &len);

    if (code < 0) {
        return code;
    }
    a.at_ns = covey_now();
    a.json = cvy_json_parse(a.body, len);
    a.model = a.json ? cvy_top_model_new(a.json) : NULL;
    if (!a.model) {
        cvy_top_answer_fini(&a);
        return covey_errorf(-EPROTO, "%s: the answer is not covey_debug_serve()'s", s->addr);
    }
    *out = a;
    return 0;
}

int64_t cvy_top_stat(const struct cvy_top_answer *a, const char *name)
{
    return cvy_json_whole(a->json, cvy_json_get(a->json, cvy_json_root(a->json), "stats"), name);
}

/* In containers a new process may well have the old one's number. */
static bool is_same_process(const struct cvy_top_answer *a, const struct cvy_top_answer *later)
{
    return a->model &&
           cvy_json_whole(a->json, cvy_json_root(a->json), "pid") ==
               cvy_json_whole(later->json, cvy_json_root(later->json), "pid") &&
           cvy_top_stat(a, "tasks_started") <= cvy_top_stat(later, "tasks_started") &&
           cvy_top_stat(a, "parks") <= cvy_top_stat(later, "parks");
}

void cvy_top_view_take(struct cvy_top_view *v, struct cvy_top_answer *a)
{
    cvy_top_answer_fini(&v->before);
    if (is_same_process(&v->now, a)) {
        v->before = v->now;
    } else {
        cvy_top_answer_fini(&v->now);
    }
    v->now = *a;
}

/* ---- words ---- */

void cvy_top_put_time(double seconds, char *out, size_t size)
{
    int64_t whole = (int64_t)seconds;

    if (seconds <= 0) {
        (void)snprintf(out, size, "-");
    } else if (seconds < 0.0005) {
        (void)snprintf(out, size, "<1ms");
    } else if (seconds < 0.9995) {
        (void)snprintf(out, size, "%.0fms", seconds * 1e3);
    } else if (whole < 60) {
        (void)snprintf(out, size, "%.1fs", seconds);
    } else if (whole < 3600) {
        (void)snprintf(out, size, "%dm%02ds", (int)(whole / 60), (int)(whole % 60));
    } else if (whole < 86400) {
        (void)snprintf(out, size, "%dh%02dm", (int)(whole / 3600), (int)(whole / 60 % 60));
    } else {
        (void)snprintf(out, size, "%lldd%02dh", (long long)(whole / 86400),
                       (int)(whole / 3600 % 24));
    }
}

/* ---- columns ---- */

enum column { TASKS, CHANGE, RUN, READY, OLDEST, MOSTLY, COLUMNS };

static const struct {
    const char *title;
    int width;      /* < 0: on the left */
    int line_least; /* of a line that it is in: who and where need the rest */
} columns[] = {
    [TASKS] = {"TASKS", 8, 0},   [CHANGE] = {"CHANGE", 7, 92}, [RUN] = {"RUN", 6, 106},
    [READY] = {"READY", 6, 106}, [OLDEST] = {"OLDEST", 8, 40}, [MOSTLY] = {"MOSTLY IN", -21, 72},
};

static void put_columns(const struct cvy_top_view *v, const char *const *cells, char *out)
{
    size_t len = 0;

    for (int i = 0; i < COLUMNS; i++) {
        if (v->columns >= columns[i].line_least) {
            len += (size_t)snprintf(out + len, CVY_TOP_LINE - len, "%s%*s",
                                    i == MOSTLY ? "  "
                                    : i > 0     ? " "
                                                : "",
                                    columns[i].width, cells[i]);
        }
    }
    (void)snprintf(out + len, CVY_TOP_LINE - len, " ");
}

void cvy_top_put_titles(const struct cvy_top_view *v, char out[CVY_TOP_LINE])
{
    const char *titles[COLUMNS];

    for (int i = 0; i < COLUMNS; i++) {
        titles[i] = columns[i].title;
    }
    put_columns(v, titles, out);
    strcat(out, "WHO AND WHERE");
}

static void put_hot(const struct cvy_top_view *v, const struct cvy_top_node *n, char *out,
                    size_t size)
{
    int64_t tasks;
    const char *hot = cvy_top_hot(v->now.model, n, &tasks);

    out[0] = '\0';
    if (hot && n->type != CVY_TOP_PLACE && n->tasks > 0) {
        (void)snprintf(out, size, "%.14s %lld%%", hot, (long long)(tasks * 100 / n->tasks));
    }
}

static void put_figures(const struct cvy_top_view *v, const struct cvy_top_row *row, char *out)
{
    const struct cvy_top_node *n = row->node;
    char cells[COLUMNS][48];
    const char *at[COLUMNS];

    (void)snprintf(cells[TASKS], sizeof(cells[0]), "%lld", (long long)n->tasks);
    (void)snprintf(cells[CHANGE], sizeof(cells[0]), row->change ? "%+lld" : "-",
                   (long long)row->change);
    (void)snprintf(cells[RUN], sizeof(cells[0]), "%lld", (long long)n->running);
    (void)snprintf(cells[READY], sizeof(cells[0]), "%lld", (long long)n->runnable);
    cvy_top_put_time(n->oldest, cells[OLDEST], sizeof(cells[0]));
    put_hot(v, n, cells[MOSTLY], sizeof(cells[0]));
    for (int i = 0; i < COLUMNS; i++) {
        at[i] = row->frame ? "" : cells[i];
    }
    put_columns(v, at, out);
}

void cvy_top_view_row(const struct cvy_top_view *v, const struct cvy_top_row *row,
                      char out[CVY_TOP_LINE])
{
    char words[CVY_TOP_LINE / 2];
    /* Where there is little room, the depth takes the less of it. */
    int step = v->columns < 60 ? 1 : 2;
    int indent = step * (int)(row->depth < 30 ? row->depth : 30);

    cvy_top_row_text(v->now.model, row, words, sizeof(words));
    put_figures(v, row, out);
    size_t len = strlen(out);
    (void)snprintf(out + len, CVY_TOP_LINE - len, "%*s%c %s", indent, "",
                   row->is_open    ? '-'
                   : row->has_more ? '+'
                                   : ' ',
                   words);
}
