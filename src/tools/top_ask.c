/* SPDX-License-Identifier: MIT
 * top_ask.c - see top_watch.h. A program that hangs, or has a million tasks to tell of, answers
 * late or never: keys are listened to meanwhile. */
#include "tools/top_watch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#undef errno

/* To ask costs the program time: it gets four times as much for itself. */
#define REST 4
/* A dump is made whole before its first byte comes. */
#define DUMP_PATIENCE_NS (120 * COVEY_SEC)

struct dump {
    struct cvy_top_watch *watch;
    unsigned number;
};

/* There is room for as many as can be on their way: it does not wait. */
static void give(const struct cvy_top_watch *w, struct cvy_top_asked *a)
{
    if (covey_chan_try_send(w->answers, a) < 0) {
        cvy_top_answer_fini(&a->answer);
    }
}

static int ask(covey_ctx *ctx, void *arg)
{
    const struct cvy_top_watch *w = arg;
    struct cvy_top_asked a = {0};

    a.code = cvy_top_answer_fetch(ctx, &w->view.source, &a.answer);
    if (a.code < 0) {
        (void)snprintf(a.words, sizeof(a.words), "%s", covey_errmsg());
    }
    give(w, &a);
    return 0;
}

static bool write_file(const char *path, const char *text, size_t len)
{
    FILE *out = fopen(path, "wx");
    bool is_written = out && fwrite(text, 1, len, out) == len;

    return out && fclose(out) == 0 && is_written;
}

static int ask_dump(covey_ctx *ctx, void *arg)
{
    const struct dump *d = arg;
    struct cvy_top_asked a = {.is_dump = true};
    char path[64];
    char *body;
    size_t len;

    a.code = cvy_top_source_get(ctx, &d->watch->view.source, "/debug/covey/tasks", DUMP_PATIENCE_NS,
                                &body, &len);
    if (a.code < 0) {
        (void)snprintf(a.words, sizeof(a.words), "no dump: %s", covey_errmsg());
    } else {
        (void)snprintf(path, sizeof(path), "covey-dump-%d-%u.txt", (int)getpid(), d->number);
        (void)snprintf(a.words, sizeof(a.words),
                       write_file(path, body, len) ? "all tasks are in %s" : "%s cannot be written",
                       path);
        free(body);
    }
    give(d->watch, &a);
    return 0;
}

int cvy_top_ask_open(covey_ctx *ctx, struct cvy_top_watch *w)
{
    w->answers = covey_chan_new(sizeof(struct cvy_top_asked), 2);
    w->asking = w->answers ? covey_group_new(ctx) : NULL;
    return w->asking ? 0 : covey_errorf(-ENOMEM, "out of memory");
}

void cvy_top_ask(struct cvy_top_watch *w)
{
    w->is_unwanted = false;
    if (!w->is_asking) {
        w->is_asking = covey_group_go(w->asking, ask, w) == 0;
        w->asked_at = covey_now();
        w->next_at = w->asked_at + w->interval_ns;
    }
}

void cvy_top_ask_dump(struct cvy_top_watch *w)
{
    struct dump d = {w, w->dumps + 1};

    if (!w->is_dumping && covey_group_go_copy(w->asking, ask_dump, &d, sizeof(d)) == 0) {
        w->is_dumping = true;
        w->dumps++;
        (void)snprintf(w->message, sizeof(w->message), "a dump is being written");
    }
}

static void take_tree(struct cvy_top_watch *w, struct cvy_top_asked *a)
{
    int64_t now = covey_now();

    w->is_asking = false;
    if (w->is_unwanted) {
        cvy_top_answer_fini(&a->answer);
        return;
    }
    (void)snprintf(w->failure, sizeof(w->failure), "%s", a->words);
    if (a->code == 0) {
        int64_t rested_at = now + REST * (now - w->asked_at);
        w->next_at = rested_at > w->next_at ? rested_at : w->next_at;
        cvy_top_view_take(&w->view, &a->answer);
    }
}

void cvy_top_ask_take(struct cvy_top_watch *w, struct cvy_top_asked *a)
{
    if (a->is_dump) {
        w->is_dumping = false;
        (void)snprintf(w->message, sizeof(w->message), "%s", a->words);
    } else {
        take_tree(w, a);
    }
}

void cvy_top_ask_close(struct cvy_top_watch *w)
{
    struct cvy_top_asked a;

    if (w->asking) {
        covey_group_cancel(w->asking, 0);
        (void)covey_group_wait(w->asking);
        while (covey_chan_try_recv(w->answers, &a) == 0) {
            cvy_top_answer_fini(&a.answer);
        }
    }
    covey_chan_unref(w->answers);
}
