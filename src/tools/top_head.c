/* SPDX-License-Identifier: MIT
 * top_head.c - the lines above the tree: the process, its tasks, and where most of them wait. See
 * top_view.h. */
#include "tools/top_view.h"

#include <stdarg.h>
#include <string.h>

#define SPOTS_MAX 3

/* A second's share of what a counter has grown by. */
static double rate_of(const struct cvy_top_view *v, const char *name)
{
    int64_t ns = v->now.at_ns - v->before.at_ns;

    return ns > 0 ? (double)(cvy_top_stat(&v->now, name) - cvy_top_stat(&v->before, name)) * 1e9 /
                        (double)ns
                  : 0;
}

struct line {
    char *out;
    size_t room; /* with the zero byte; 0: something was left out */
};

/* Adds a piece if all of it fits, and nothing after one that did not: half a number would be a
 * wrong one. The first one is cut where it is shown. */
static void __attribute__((format(printf, 2, 3))) add(struct line *l, const char *format, ...)
{
    size_t len = strlen(l->out);
    size_t room = len == 0 ? CVY_TOP_LINE : l->room;
    va_list args;

    if (len >= room) {
        return;
    }
    va_start(args, format);
    int n = vsnprintf(l->out + len, room - len, format, args);
    va_end(args);
    if (n < 0 || (size_t)n >= room - len) {
        l->out[len] = '\0';
        l->room = 0;
    }
}

static void head_process(const struct cvy_top_view *v, struct line *l)
{
    cvy_json_at root = cvy_json_root(v->now.json);

    add(l, "covey top - %s", v->source.addr);
    add(l, " - pid %lld", (long long)cvy_json_whole(v->now.json, root, "pid"));
    add(l, " - %lld workers", (long long)cvy_json_whole(v->now.json, root, "workers"));
    add(l, ", %lld threads", (long long)cvy_top_stat(&v->now, "threads"));
    add(l, ", %lld for blocking calls", (long long)cvy_top_stat(&v->now, "blocking_threads"));
}

static void head_tasks(const struct cvy_top_view *v, struct line *l)
{
    const struct cvy_top_node *all = &v->now.model->nodes[0];
    int64_t others = cvy_json_whole(v->now.json, cvy_json_root(v->now.json), "others");
    int64_t waiting = all->tasks - all->running - all->runnable - others;

    add(l, "tasks %lld: %lld wait", (long long)all->tasks, (long long)waiting);
    add(l, ", %lld run", (long long)all->running);
    add(l, ", %lld can run", (long long)all->runnable);
    if (others > 0) {
        add(l, ", %lld not looked at", (long long)others);
    }
    if (v->before.model) {
        add(l, "; a second: %.0f started, %.0f ended", rate_of(v, "tasks_started"),
            rate_of(v, "tasks_ended"));
        add(l, ", %.0f parks", rate_of(v, "parks"));
        add(l, ", %.0f steals", rate_of(v, "steals"));
        add(l, ", %.0f takeovers", rate_of(v, "takeovers"));
    }
}

/* What one looks for first: the places where most wait, and who waits there. */
static void head_hot(const struct cvy_top_view *v, struct line *l)
{
    const struct cvy_top_model *m = v->now.model;
    struct cvy_top_spot spots[SPOTS_MAX];
    char words[CVY_TOP_LINE / 2];
    char oldest[24];
    size_t count = cvy_top_spots(m, spots, SPOTS_MAX);

    if (count == 0) {
        add(l, "nobody waits");
    }
    for (size_t i = 0; i < count; i++) {
        cvy_top_row_text(m, &(struct cvy_top_row){.node = spots[i].place}, words, sizeof(words));
        cvy_top_put_time(spots[i].oldest, oldest, sizeof(oldest));
        add(l, "%s%lld%% %s, up to %s",
            i > 0 ? "; " : "most wait: ", (long long)(spots[i].tasks * 100 / m->nodes[0].tasks),
            words, oldest);
    }
}

void cvy_top_view_head(const struct cvy_top_view *v, enum cvy_top_head head, char out[CVY_TOP_LINE])
{
    struct line l = {out, v->columns < CVY_TOP_LINE ? (size_t)v->columns + 1 : CVY_TOP_LINE};

    out[0] = '\0';
    switch (head) {
    case CVY_TOP_PROCESS:
        head_process(v, &l);
        break;
    case CVY_TOP_TASKS:
        head_tasks(v, &l);
        break;
    case CVY_TOP_HOT:
        head_hot(v, &l);
        break;
    default:
        cvy_top_put_titles(v, out);
        break;
    }
}
