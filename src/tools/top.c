/* SPDX-License-Identifier: MIT
 * top.c - the command `covey top` (covey-top(1)): its options, its keys, and when it draws. */
#define _GNU_SOURCE
#include "tools/top.h"

#include "tools/duration.h"
#include "tools/grow.h"
#include "tools/top_screen.h"
#include "tools/top_view.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#undef errno

#define INTERVAL_DEFAULT (2 * COVEY_SEC)
#define INTERVAL_MIN (50 * COVEY_MS)
#define FILTER_MAX 64

static const char *const sort_names[] = {
    [CVY_TOP_BY_TASKS] = "tasks",
    [CVY_TOP_BY_OLDEST] = "oldest wait",
    [CVY_TOP_BY_CHANGE] = "change",
    [CVY_TOP_BY_NAME] = "name",
};

struct top {
    struct cvy_top_view view;
    int64_t interval_ns;
    bool is_once;

    struct cvy_screen screen;
    struct cvy_top_rows rows;
    size_t selected, first; /* rows */
    uint64_t selected_key;  /* the row's, which the selection follows */
    uint64_t *toggled;      /* nodes that are not as they are by default */
    size_t toggled_count, toggled_room;
    enum cvy_top_sort sort;
    char filter[FILTER_MAX];
    bool is_typing, is_paused, is_help, must_quit;
    char message[256]; /* of the last key; until the next */
    char failure[256]; /* of the last question; empty: it was answered */
    unsigned dumps;
    int resized; /* a descriptor that SIGWINCH makes readable */
};

/* ---- what is open ---- */

static size_t toggled_index(const struct top *t, uint64_t key)
{
    size_t i = 0;

    while (i < t->toggled_count && t->toggled[i] != key) {
        i++;
    }
    return i;
}

/* A kind's places are closed unless groups stand between them. */
static bool is_open_by_default(const struct top *t, const struct cvy_top_node *n)
{
    const struct cvy_top_node *nodes = t->view.now.model->nodes;
    bool is_open = n->type == CVY_TOP_GROUP;

    for (uint32_t i = n->child; i && !is_open; i = nodes[i].next) {
        is_open = nodes[i].type == CVY_TOP_GROUP;
    }
    return is_open;
}

static bool is_open(const struct cvy_top_node *n, const void *arg)
{
    const struct top *t = arg;
    bool is_toggled = toggled_index(t, n->key) < t->toggled_count;

    return is_open_by_default(t, n) != is_toggled;
}

static void toggle(struct top *t, uint64_t key)
{
    size_t i = toggled_index(t, key);

    if (i < t->toggled_count) {
        t->toggled[i] = t->toggled[--t->toggled_count];
    } else if (cvy_tools_grow(&t->toggled, t->toggled_count, &t->toggled_room,
                              sizeof(*t->toggled))) {
        t->toggled[t->toggled_count++] = key;
    }
}

/* ---- drawing ---- */

static void rows_make(struct top *t)
{
    const struct cvy_top_look look = {
        .sort = t->sort, .filter = t->filter, .is_open = is_open, .arg = t};

    if (!t->view.now.model ||
        !cvy_top_rows_make(&t->rows, t->view.now.model, t->view.before.model, &look)) {
        t->rows.count = 0;
    }
    /* The selection stays with its row, wherever that has gone. */
    for (size_t i = 0; i < t->rows.count; i++) {
        if (t->rows.rows[i].node->key == t->selected_key && !t->rows.rows[i].frame) {
            t->selected = t->selected < t->rows.count &&
                                  t->rows.rows[t->selected].node->key == t->selected_key
                              ? t->selected
                              : i;
            break;
        }
    }
    if (t->selected >= t->rows.count) {
        t->selected = t->rows.count > 0 ? t->rows.count - 1 : 0;
    }
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
        "  q                                 quit",
    };

    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        cvy_screen_line(s, false, lines[i]);
    }
}

static void draw_rows(struct top *t, size_t room)
{
    char line[CVY_TOP_LINE];

    if (t->selected < t->first) {
        t->first = t->selected;
    } else if (t->selected >= t->first + room) {
        t->first = t->selected + 1 - room;
    }
    for (size_t i = 0; i < room; i++) {
        size_t row = t->first + i;
        line[0] = '\0';
        if (row < t->rows.count) {
            cvy_top_view_row(&t->view, &t->rows.rows[row], line);
        }
        cvy_screen_line(&t->screen, row == t->selected && row < t->rows.count, line);
    }
}

static void draw_foot(struct top *t)
{
    char line[CVY_TOP_LINE];

    if (t->is_typing) {
        (void)snprintf(line, sizeof(line), "show only: %s_", t->filter);
    } else if (t->message[0] || t->failure[0]) {
        (void)snprintf(line, sizeof(line), "%s", t->message[0] ? t->message : t->failure);
    } else {
        (void)snprintf(line, sizeof(line), "by %s%s%s%s - ? help, s sort, / filter, d dump, q quit",
                       sort_names[t->sort], t->filter[0] ? ", only " : "", t->filter,
                       t->is_paused ? ", paused" : "");
    }
    cvy_screen_line(&t->screen, false, line);
}

static void draw(struct top *t)
{
    char line[CVY_TOP_LINE];

    rows_make(t);
    if (!cvy_screen_begin(&t->screen)) {
        return;
    }
    if (!t->view.now.model) {
        cvy_screen_line(&t->screen, false, "covey top");
        cvy_screen_line(&t->screen, false, t->failure);
        cvy_screen_end(&t->screen);
        return;
    }
    for (int i = 0; i < CVY_TOP_HEAD_LINES; i++) {
        cvy_top_view_head(&t->view, i, line);
        cvy_screen_line(&t->screen, i == CVY_TOP_HEAD_LINES - 1, line);
    }
    if (t->is_help) {
        draw_help(&t->screen);
    } else {
        int room = t->screen.rows - CVY_TOP_HEAD_LINES - 1;
        draw_rows(t, room > 0 ? (size_t)room : 1);
        draw_foot(t);
    }
    cvy_screen_end(&t->screen);
}

/* ---- keys ---- */

static void fetch(covey_ctx *ctx, struct top *t)
{
    t->failure[0] = '\0';
    if (cvy_top_view_fetch(ctx, &t->view) < 0) {
        (void)snprintf(t->failure, sizeof(t->failure), "%s", covey_errmsg());
    }
}

static void dump(covey_ctx *ctx, struct top *t)
{
    char path[64];
    char *body;
    size_t len;

    int code = cvy_top_source_get(ctx, &t->view.source, "/debug/covey/tasks", &body, &len);
    if (code < 0) {
        (void)snprintf(t->message, sizeof(t->message), "no dump: %s", covey_errmsg());
        return;
    }
    (void)snprintf(path, sizeof(path), "covey-dump-%d-%u.txt", (int)getpid(), ++t->dumps);
    FILE *out = fopen(path, "wx");
    bool is_written = out && fwrite(body, 1, len, out) == len;
    is_written = out && fclose(out) == 0 && is_written;
    (void)snprintf(t->message, sizeof(t->message),
                   is_written ? "all tasks are in %s" : "%s cannot be written", path);
    free(body);
}

static void move(struct top *t, long by)
{
    long to = (long)t->selected + by;

    to = to < (long)t->rows.count ? to : (long)t->rows.count - 1;
    t->selected = to > 0 ? (size_t)to : 0;
}

static void open_or_close(struct top *t, bool should_open)
{
    const struct cvy_top_row *row = t->selected < t->rows.count ? &t->rows.rows[t->selected] : NULL;

    if (row && (row->frame || (row->has_more && row->is_open != should_open))) {
        toggle(t, row->node->key);
    }
}

static void type(struct top *t, int key)
{
    size_t len = strlen(t->filter);

    if (key == CVY_KEY_ENTER || key == CVY_KEY_ESCAPE) {
        t->is_typing = false;
        t->filter[key == CVY_KEY_ESCAPE ? 0 : len] = '\0';
    } else if (key == CVY_KEY_BACKSPACE && len > 0) {
        t->filter[len - 1] = '\0';
    } else if (key >= ' ' && key < 127 && len + 1 < sizeof(t->filter)) {
        t->filter[len] = (char)key;
        t->filter[len + 1] = '\0';
    }
}

static void act(covey_ctx *ctx, struct top *t, int key)
{
    long page = t->screen.rows > 6 ? t->screen.rows - 5 : 1;

    switch (key) {
    case CVY_KEY_UP:
    case 'k':
        move(t, -1);
        break;
    case CVY_KEY_DOWN:
    case 'j':
        move(t, 1);
        break;
    case CVY_KEY_PAGE_UP:
        move(t, -page);
        break;
    case CVY_KEY_PAGE_DOWN:
        move(t, page);
        break;
    case CVY_KEY_HOME:
        move(t, -(long)t->rows.count);
        break;
    case CVY_KEY_LAST:
        move(t, (long)t->rows.count);
        break;
    case CVY_KEY_RIGHT:
    case CVY_KEY_ENTER:
    case '+':
    case 'l':
        open_or_close(t, true);
        break;
    case CVY_KEY_LEFT:
    case '-':
    case 'h':
        open_or_close(t, false);
        break;
    case 's':
        t->sort = (t->sort + 1) % CVY_TOP_SORTS;
        break;
    case '/':
        t->is_typing = true;
        break;
    case CVY_KEY_ESCAPE:
        t->filter[0] = '\0';
        break;
    case 'p':
        t->is_paused = !t->is_paused;
        break;
    case 'd':
        dump(ctx, t);
        break;
    case ' ':
        fetch(ctx, t);
        break;
    case 'q':
    case 3: /* ^C: the terminal is raw */
    case CVY_KEY_END:
        t->must_quit = true;
        break;
    default:
        break;
    }
}

static void take_keys(covey_ctx *ctx, struct top *t)
{
    int key;

    while (!t->must_quit && (key = cvy_screen_key(&t->screen)) != CVY_KEY_NONE) {
        t->message[0] = '\0';
        if (t->is_typing && key != CVY_KEY_END && key != 3) {
            type(t, key);
        } else if (t->is_help || key == '?') {
            t->is_help = !t->is_help;
            t->must_quit = key == 'q' || key == 3 || key == CVY_KEY_END;
        } else {
            act(ctx, t, key);
        }
        t->selected_key = t->selected < t->rows.count ? t->rows.rows[t->selected].node->key : 0;
        rows_make(t);
    }
}

/* ---- running ---- */

static int watch(covey_ctx *ctx, struct top *t)
{
    int64_t next = 0;

    while (!t->must_quit && covey_ctx_err(ctx) == 0) {
        if (covey_now() >= next && !t->is_paused) {
            fetch(ctx, t);
            next = covey_now() + t->interval_ns;
        }
        draw(t);
        int64_t left = t->is_paused ? COVEY_SEC : next - covey_now();
        int which = covey_select(ctx, COVEY_READABLE(t->screen.in), COVEY_READABLE(t->resized),
                                 COVEY_AFTER(left > 0 ? left : 0));
        if (which == 0) {
            take_keys(ctx, t);
        } else if (which == 1) {
            struct signalfd_siginfo info;
            (void)!read(t->resized, &info, sizeof(info));
        }
    }
    return 0;
}

/* Once, as text. */
static int print(covey_ctx *ctx, struct top *t)
{
    const struct cvy_top_look look = {.sort = CVY_TOP_BY_TASKS};
    char line[CVY_TOP_LINE];

    int code = cvy_top_view_fetch(ctx, &t->view);
    if (code < 0) {
        return code;
    }
    if (!cvy_top_rows_make(&t->rows, t->view.now.model, NULL, &look)) {
        return covey_errorf(-ENOMEM, "out of memory");
    }
    for (int i = 0; i < CVY_TOP_HEAD_LINES; i++) {
        cvy_top_view_head(&t->view, i, line);
        (void)puts(line);
    }
    for (size_t i = 0; i < t->rows.count; i++) {
        cvy_top_view_row(&t->view, &t->rows.rows[i], line);
        (void)puts(line);
    }
    return fflush(stdout) == 0 && !ferror(stdout) ? 0
                                                  : covey_errorf(-EIO, "standard output failed");
}

static int run(covey_ctx *ctx, void *arg)
{
    static const int ends[] = {SIGTERM, SIGHUP, SIGINT, SIGQUIT};
    struct top *t = arg;
    int code;

    if (t->is_once) {
        return print(ctx, t);
    }
    covey_ctx *stop = covey_ctx_with_signals(ctx, ends, sizeof(ends) / sizeof(ends[0]));
    code = cvy_screen_open(&t->screen, STDIN_FILENO, STDOUT_FILENO);
    if (code < 0) {
        covey_ctx_unref(stop);
        return covey_errorf(code, "the terminal: %s", covey_strerror(code));
    }
    code = watch(stop, t);
    cvy_screen_close(&t->screen);
    covey_ctx_unref(stop);
    return code;
}

static void help(FILE *out)
{
    (void)fputs("usage: covey top [OPTION]... WHERE\n\n"
                "Shows the tasks of a running program, which runs covey_debug_serve(), live: as a\n"
                "tree of groups with counts, changes, oldest waits and what most wait for.\n\n"
                "WHERE is http://127.0.0.1:6060, 127.0.0.1:6060, unix:///run/x.sock, unix://@name\n"
                "or a socket's path. If standard output is no terminal, prints once.\n\n"
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
            if (!cvy_duration_parse(argv[++i], &t->interval_ns) || t->interval_ns < INTERVAL_MIN) {
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
    if (!cvy_top_source_parse(&t->view.source, where)) {
        (void)fprintf(stderr, "covey top: %s: no address (covey top --help)\n", where);
        return 2;
    }
    return 0;
}

int cvy_top_main(int argc, char **argv)
{
    struct top t = {.interval_ns = INTERVAL_DEFAULT};
    covey_options options = {.workers = 1};
    sigset_t resize;

    int status = parse(&t, argc, argv);
    if (status != 0) {
        return status == 1 ? 0 : status;
    }
    t.is_once = t.is_once || !isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO);
    /* Before there are other threads: it comes by its descriptor alone. */
    (void)sigemptyset(&resize);
    (void)sigaddset(&resize, SIGWINCH);
    (void)sigprocmask(SIG_BLOCK, &resize, NULL);
    t.resized = signalfd(-1, &resize, SFD_CLOEXEC | SFD_NONBLOCK);
    int code = covey_run_with(&options, run, &t);
    if (code < 0) {
        (void)fprintf(stderr, "covey top: %s\n", covey_errmsg());
    }
    if (t.resized >= 0) {
        (void)close(t.resized);
    }
    cvy_top_view_fini(&t.view);
    free(t.rows.rows);
    free(t.toggled);
    return code < 0 ? 1 : 0;
}
