/* SPDX-License-Identifier: MIT
 * top.c - the command `covey top` (covey-top(1)): its options, and the tree as text, once. */
#define _GNU_SOURCE
#include "tools/top.h"

#include "tools/duration.h"
#include "tools/top_text.h"
#include "tools/top_watch.h"

#include <errno.h>
#include <limits.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#undef errno

#define INTERVAL_DEFAULT (2 * COVEY_SEC)
#define INTERVAL_MIN (50 * COVEY_MS)

struct top {
    struct cvy_top_watch watch;
    bool is_once;
};

static void put_line(FILE *out, const char *line)
{
    (void)cvy_top_text_put(out, line, INT_MAX);
    (void)fputc('\n', out);
}

/* Once, as text. */
static int print(covey_ctx *ctx, struct top *t)
{
    const struct cvy_top_look look = {.sort = CVY_TOP_BY_TASKS};
    struct cvy_top_view *v = &t->watch.view;
    struct cvy_top_rows *rows = &t->watch.rows;
    char line[CVY_TOP_LINE];

    int code = cvy_top_answer_fetch(ctx, &v->source, &v->now);
    if (code < 0) {
        return code;
    }
    if (!cvy_top_rows_make(rows, v->now.model, NULL, &look)) {
        return covey_errorf(-ENOMEM, "out of memory");
    }
    v->columns = INT_MAX;
    for (int i = 0; i < CVY_TOP_HEADS; i++) {
        cvy_top_view_head(v, (enum cvy_top_head)i, line);
        put_line(stdout, line);
    }
    for (size_t i = 0; i < rows->count; i++) {
        cvy_top_view_row(v, &rows->rows[i], line);
        put_line(stdout, line);
    }
    return fflush(stdout) == 0 && !ferror(stdout) ? 0
                                                  : covey_errorf(-EIO, "standard output failed");
}

static int run(covey_ctx *ctx, void *arg)
{
    static const int ends[] = {SIGTERM, SIGHUP, SIGINT, SIGQUIT};
    struct top *t = arg;

    if (t->is_once) {
        return print(ctx, t);
    }
    covey_ctx *stop = covey_ctx_with_signals(ctx, ends, sizeof(ends) / sizeof(ends[0]));
    int code = cvy_top_watch(stop, &t->watch);
    covey_ctx_unref(stop);
    return code;
}

static void help(FILE *out)
{
    (void)fputs("usage: covey top [OPTION]... WHERE\n\n"
                "Shows the tasks of a running program, which runs covey_debug_serve(), live: as a\n"
                "tree of groups with counts, changes, oldest waits and what most wait for.\n\n"
                "WHERE is http://127.0.0.1:6060, 127.0.0.1:6060, unix:///run/x.sock, unix://@name\n"
                "or a socket's path. Without a terminal that can be drawn on, prints once.\n\n"
                "  --interval TIME  how often to ask (2s)\n"
                "  --once           prints the tree as text, and ends\n"
                "  -h, --help       this; ? shows the keys\n",
                out);
}

/* 0 to go on, 1 after help, 2: wrong. */
static int parse(struct top *t, int argc, char **argv)
{
    const char *where = NULL;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-h") == 0 || strcmp(argv[i], "--help") == 0) {
            help(stdout);
            return 1;
        }
        if (strcmp(argv[i], "--once") == 0) {
            t->is_once = true;
        } else if (strcmp(argv[i], "--interval") == 0) {
            if (i + 1 == argc) {
                (void)fputs("covey top: no value for --interval (covey top --help)\n", stderr);
                return 2;
            }
            if (!cvy_duration_parse(argv[++i], &t->watch.interval_ns) ||
                t->watch.interval_ns < INTERVAL_MIN) {
                (void)fprintf(stderr, "covey top: --interval %s: no time from 50ms on\n", argv[i]);
                return 2;
            }
        } else if (argv[i][0] == '-' || where) {
            (void)fprintf(
                stderr, "covey top: %s %s (covey top --help)\n",
                argv[i][0] == '-' ? "no such option:" : "one program at a time:", argv[i]);
            return 2;
        } else {
            where = argv[i];
        }
    }
    if (!where) {
        help(stderr);
        return 2;
    }
    if (!cvy_top_source_parse(&t->watch.view.source, where)) {
        (void)fprintf(stderr, "covey top: %s: %s (covey top --help)\n", where,
                      strncmp(where, "https://", 8) == 0 ? "the debug server speaks http"
                                                         : "no address");
        return 2;
    }
    return 0;
}

/* Whether there is a terminal that can be drawn on and typed at. */
static bool is_terminal(void)
{
    const char *term = getenv("TERM");

    return isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) && term && term[0] &&
           strcmp(term, "dumb") != 0;
}

/* Those that the terminal is about come by a descriptor alone, once no thread takes them. */
static int open_signals(void)
{
    static const int about_terminal[] = {SIGWINCH, SIGTSTP, SIGCONT};
    sigset_t set;

    (void)sigemptyset(&set);
    for (size_t i = 0; i < sizeof(about_terminal) / sizeof(about_terminal[0]); i++) {
        (void)sigaddset(&set, about_terminal[i]);
    }
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

int cvy_top_main(int argc, char **argv)
{
    struct top t = {.watch.interval_ns = INTERVAL_DEFAULT, .watch.signals = -1};
    covey_options options = {.workers = 2}; /* one draws while the other reads a long answer */

    int status = parse(&t, argc, argv);
    if (status != 0) {
        return status == 1 ? 0 : status;
    }
    t.is_once = t.is_once || !is_terminal();
    /* A file takes any character. */
    (void)setlocale(LC_CTYPE, isatty(STDOUT_FILENO) ? "" : "C.UTF-8");
    if (!t.is_once) {
        t.watch.signals = open_signals();
    }
    int code = covey_run_with(&options, run, &t);
    if (code < 0) {
        /* Who was asked may have had a say in it. */
        (void)fputs("covey top: ", stderr);
        put_line(stderr, covey_errmsg());
    }
    if (t.watch.signals >= 0) {
        (void)close(t.watch.signals);
    }
    cvy_top_watch_fini(&t.watch);
    return code < 0 ? 1 : 0;
}
