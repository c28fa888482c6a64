/* SPDX-License-Identifier: MIT
 * top_rows.c - the rows that a look at the tree gives, and their words. See top_model.h. */
#define _GNU_SOURCE
#include "tools/grow.h"
#include "tools/top_model.h"

#include <stdio.h>
#include <string.h>

#define DEPTH_MAX 100 /* rows further down are not shown */
#define TEXT_MAX 512

struct making {
    struct cvy_top_rows *rows;
    const struct cvy_top_model *model, *before;
    const struct cvy_top_look *look;
};

static int64_t change_of(const struct making *k, const struct cvy_top_node *n)
{
    const struct cvy_top_node *was = cvy_top_find(k->before, n->key);
    return k->before ? n->tasks - (was ? was->tasks : 0) : 0;
}

static bool is_open(const struct making *k, const struct cvy_top_node *n)
{
    const struct cvy_top_look *look = k->look;

    if (look->is_all_open || (look->filter && look->filter[0] && n->type != CVY_TOP_PLACE)) {
        return true;
    }
    return look->is_open ? look->is_open(n, look->arg) : n->type != CVY_TOP_PLACE;
}

/* ---- what is filtered ---- */

static bool matches(const struct making *k, const struct cvy_top_node *n)
{
    struct cvy_top_row row = {.node = n};
    char text[TEXT_MAX];

    cvy_top_row_text(k->model, &row, text, sizeof(text));
    return strcasestr(text, k->look->filter) != NULL;
}

/* Whether a node, or one below it, is wanted. */
static bool is_wanted(const struct making *k, const struct cvy_top_node *n, unsigned depth)
{
    if (!k->look->filter || !k->look->filter[0] || matches(k, n)) {
        return true;
    }
    for (uint32_t i = n->child; i && depth < DEPTH_MAX; i = k->model->nodes[i].next) {
        if (is_wanted(k, &k->model->nodes[i], depth + 1)) {
            return true;
        }
    }
    return false;
}

/* ---- the order ---- */

static int compare_numbers(double a, double b)
{
    return (b > a) - (b < a);
}

static int compare(const void *a, const void *b, void *arg)
{
    const struct making *k = arg;
    const struct cvy_top_node *x = &k->model->nodes[*(const uint32_t *)a];
    const struct cvy_top_node *y = &k->model->nodes[*(const uint32_t *)b];
    int order = 0;

    if (k->look->sort == CVY_TOP_BY_OLDEST) {
        order = compare_numbers(x->oldest, y->oldest);
    } else if (k->look->sort == CVY_TOP_BY_CHANGE) {
        order = compare_numbers((double)change_of(k, x), (double)change_of(k, y));
    } else if (k->look->sort == CVY_TOP_BY_NAME) {
        order = strcmp(x->name, y->name);
    }
    order = order ? order : compare_numbers((double)x->tasks, (double)y->tasks);
    return order ? order : (x->key > y->key) - (x->key < y->key);
}

/* ---- rows ---- */

static bool row_add(const struct making *k, const struct cvy_top_row *row)
{
    if (!cvy_tools_grow(&k->rows->rows, k->rows->count, &k->rows->room, sizeof(*row))) {
        return false;
    }
    k->rows->rows[k->rows->count++] = *row;
    return true;
}

static bool add_frames(const struct making *k, const struct cvy_top_node *n, unsigned depth)
{
    bool ok = true;

    for (cvy_json_at f = cvy_json_child(k->model->json, n->site); f && ok;
         f = cvy_json_next(k->model->json, f)) {
        ok = row_add(k, &(struct cvy_top_row){.node = n, .frame = f, .depth = depth});
    }
    return ok;
}

static bool add_below(const struct making *k, const struct cvy_top_node *n, unsigned depth);

static bool add_node(const struct making *k, const struct cvy_top_node *n, unsigned depth)
{
    struct cvy_top_row row = {.node = n, .depth = depth, .change = change_of(k, n)};

    row.has_more =
        n->child || (n->type == CVY_TOP_PLACE && cvy_json_child(k->model->json, n->site));
    row.is_open = row.has_more && is_open(k, n);
    if (!row_add(k, &row)) {
        return false;
    }
    if (!row.is_open || depth == DEPTH_MAX) {
        return true;
    }
    return n->type == CVY_TOP_PLACE ? add_frames(k, n, depth + 1) : add_below(k, n, depth + 1);
}

static bool add_below(const struct making *k, const struct cvy_top_node *n, unsigned depth)
{
    uint32_t *children = NULL;
    size_t count = 0;
    size_t room = 0;
    bool ok = true;

    for (uint32_t i = n->child; i && ok; i = k->model->nodes[i].next) {
        if (is_wanted(k, &k->model->nodes[i], depth)) {
            ok = cvy_tools_grow(&children, count, &room, sizeof(*children));
            if (ok) {
                children[count++] = i;
            }
        }
    }
    if (count > 0) {
        qsort_r(children, count, sizeof(*children), compare, (void *)(uintptr_t)k);
    }
    for (size_t i = 0; i < count && ok; i++) {
        ok = add_node(k, &k->model->nodes[children[i]], depth);
    }
    free(children);
    return ok;
}

bool cvy_top_rows_make(struct cvy_top_rows *rows, const struct cvy_top_model *m,
                       const struct cvy_top_model *before, const struct cvy_top_look *look)
{
    struct making k = {.rows = rows, .model = m, .before = before, .look = look};

    rows->count = 0;
    return add_below(&k, &m->nodes[0], 0);
}

/* ---- words ---- */

static void put_site(const struct cvy_json *j, cvy_json_at site, char *out, size_t size)
{
    const char *file = cvy_json_text(j, site, "file");
    const char *slash = strrchr(file, '/');

    out[0] = '\0';
    if (file[0]) {
        (void)snprintf(out, size, "%s:%lld", slash ? slash + 1 : file,
                       (long long)cvy_json_whole(j, site, "line"));
    }
}

/* The frame that a place is known by: the user's, who called covey. */
static cvy_json_at user_frame(const struct cvy_json *j, cvy_json_at stack)
{
    cvy_json_at first = cvy_json_child(j, stack);
    cvy_json_at f = first;

    while (f && strncmp(cvy_json_text(j, f, "function"), "covey_", 6) == 0) {
        f = cvy_json_next(j, f);
    }
    return f ? f : first;
}

static void put_frame(const struct cvy_json *j, cvy_json_at f, char *out, size_t size)
{
    const char *function = cvy_json_text(j, f, "function");
    const char *module = cvy_json_text(j, f, "module");
    const char *slash = strrchr(module, '/');
    char where[128];

    put_site(j, f, where, sizeof(where));
    if (!where[0] && module[0]) {
        (void)snprintf(where, sizeof(where), "%s+0x%llx", slash ? slash + 1 : module,
                       (unsigned long long)cvy_json_whole(j, f, "offset"));
    }
    (void)snprintf(out, size, where[0] ? "at %s (%s)" : "at %s", function[0] ? function : "?",
                   where);
}

void cvy_top_row_text(const struct cvy_top_model *m, const struct cvy_top_row *row, char *out,
                      size_t size)
{
    const struct cvy_top_node *n = row->node;
    char more[TEXT_MAX / 2] = "";

    if (row->frame) {
        put_frame(m->json, row->frame, out, size);
    } else if (n->type == CVY_TOP_PLACE) {
        cvy_json_at frame = user_frame(m->json, n->site);
        if (frame) {
            put_frame(m->json, frame, more, sizeof(more));
        }
        (void)snprintf(out, size, "%s %s", n->name, more);
    } else {
        put_site(m->json, n->site, more, sizeof(more));
        (void)snprintf(out, size, "%s %s", n->type == CVY_TOP_GROUP ? "group" : n->name, more);
    }
}
