/* SPDX-License-Identifier: MIT
 * top_view.c - see top_view.h. */
#include "tools/top_view.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#undef errno

static void answer_fini(struct cvy_top_answer *a)
{
    cvy_top_model_free(a->model);
    cvy_json_free(a->json);
    free(a->body);
    *a = (struct cvy_top_answer){0};
}

void cvy_top_view_fini(struct cvy_top_view *v)
{
    answer_fini(&v->now);
    answer_fini(&v->before);
}

int cvy_top_view_fetch(covey_ctx *ctx, struct cvy_top_view *v)
{
    struct cvy_top_answer a = {0};
    size_t len = 0;
    int code =
        cvy_top_source_get(ctx, &v->source, "/debug/covey/tasks?format=places", &a.body, &len);

    if (code < 0) {
        return code;
    }
    a.at_ns = covey_now();
    a.json = cvy_json_parse(a.body, len);
    a.model = a.json ? cvy_top_model_new(a.json) : NULL;
    if (!a.model) {
        answer_fini(&a);
        return covey_errorf(-EPROTO, "the answer is not a debug server's");
    }
    answer_fini(&v->before);
    v->before = v->now;
    v->now = a;
    return 0;
}

/* ---- words ---- */

static int64_t stat_of(const struct cvy_top_answer *a, const char *name)
{
    return cvy_json_whole(a->json, cvy_json_get(a->json, cvy_json_root(a->json), "stats"), name);
}

/* A second's share of what a counter has grown by; 0 at first. */
static double rate_of(const struct cvy_top_view *v, const char *name)
{
    int64_t ns = v->now.at_ns - v->before.at_ns;

    if (!v->before.model || ns <= 0) {
        return 0;
    }
    return (double)(stat_of(&v->now, name) - stat_of(&v->before, name)) * 1e9 / (double)ns;
}

static void head_process(const struct cvy_top_view *v, char *out)
{
    const struct cvy_json *j = v->now.json;
    cvy_json_at root = cvy_json_root(j);

    (void)snprintf(
        out, CVY_TOP_LINE,
        "covey top - %s - pid %lld - %lld workers, %lld threads, %lld for blocking calls",
        v->source.addr, (long long)cvy_json_whole(j, root, "pid"),
        (long long)cvy_json_whole(j, root, "workers"), (long long)stat_of(&v->now, "threads"),
        (long long)stat_of(&v->now, "blocking_threads"));
}

static void head_tasks(const struct cvy_top_view *v, char *out)
{
    const struct cvy_top_node *all = &v->now.model->nodes[0];
    int64_t waiting = all->tasks - all->running - all->runnable;
    int n = snprintf(out, CVY_TOP_LINE, "tasks %lld: %lld wait, %lld run, %lld can run",
                     (long long)all->tasks, (long long)waiting, (long long)all->running,
                     (long long)all->runnable);

    if (v->before.model) {
        (void)snprintf(out + n, CVY_TOP_LINE - (size_t)n,
                       "; a second: %.0f started, %.0f ended, %.0f parks, %.0f steals, "
                       "%.0f takeovers",
                       rate_of(v, "tasks_started"), rate_of(v, "tasks_ended"), rate_of(v, "parks"),
                       rate_of(v, "steals"), rate_of(v, "takeovers"));
    }
}

void cvy_top_view_head(const struct cvy_top_view *v, int line, char out[CVY_TOP_LINE])
{
    if (line == 0) {
        head_process(v, out);
    } else if (line == 1) {
        head_tasks(v, out);
    } else {
        (void)snprintf(out, CVY_TOP_LINE, "%8s %7s %6s %6s %8s  %-21s %s", "TASKS", "CHANGE", "RUN",
                       "READY", "OLDEST", "MOSTLY IN", "WHO AND WHERE");
    }
}

static void put_time(double seconds, char *out, size_t size)
{
    if (seconds <= 0) {
        (void)snprintf(out, size, "-");
    } else if (seconds < 1) {
        (void)snprintf(out, size, "%.0fms", seconds * 1e3);
    } else if (seconds < 1000) {
        (void)snprintf(out, size, "%.1fs", seconds);
    } else {
        (void)snprintf(out, size, "%.0fh%02.0fm", (double)(int64_t)(seconds / 3600),
                       (double)((int64_t)(seconds / 60) % 60));
    }
}

static void put_change(int64_t change, char *out, size_t size)
{
    if (change) {
        (void)snprintf(out, size, "%+lld", (long long)change);
    } else {
        (void)snprintf(out, size, "-");
    }
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

void cvy_top_view_row(const struct cvy_top_view *v, const struct cvy_top_row *row,
                      char out[CVY_TOP_LINE])
{
    const struct cvy_top_node *n = row->node;
    char words[CVY_TOP_LINE / 2];
    char change[24];
    char oldest[24];
    char hot[48];
    int indent = 2 * (int)(row->depth < 30 ? row->depth : 30);

    cvy_top_row_text(v->now.model, row, words, sizeof(words));
    if (row->frame) {
        (void)snprintf(out, CVY_TOP_LINE, "%62s %*s  %s", "", indent, "", words);
        return;
    }
    put_change(row->change, change, sizeof(change));
    put_time(n->oldest, oldest, sizeof(oldest));
    put_hot(v, n, hot, sizeof(hot));
    (void)snprintf(out, CVY_TOP_LINE, "%8lld %7s %6lld %6lld %8s  %-21s %*s%c %s",
                   (long long)n->tasks, change, (long long)n->running, (long long)n->runnable,
                   oldest, hot, indent, "",
                   row->is_open    ? '-'
                   : row->has_more ? '+'
                                   : ' ',
                   words);
}
