/* SPDX-License-Identifier: MIT
 * trace.c - the command `covey trace` (covey-trace(1)). */
#include "tools/trace.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define ROWS_DEFAULT 15
#define ROWS_MAX 100000

static void help(FILE *out)
{
    (void)fputs("usage: covey trace [OPTION]... FILE\n\n"
                "Shows what a trace holds that covey_trace_start(), covey_trace_snapshot() or\n"
                "COVEY_TRACE=FILE has written.\n\n"
                "  --group NAME   the critical path of a group: NAME is where it was opened\n"
                "                 (file.c:12), who opened it, or one of its tasks\n"
                "  --rows N       rows of a table (15)\n"
                "  --html OUT     one interactive page, for any browser, without a network\n"
                "  --chrome OUT   Chrome's JSON, for ui.perfetto.dev\n"
                "  -h, --help     this\n\n"
                "FILE may be - for standard input, OUT for standard output; then there are no\n"
                "tables.\n",
                out);
}

struct options {
    const char *file, *group, *html, *chrome;
    size_t rows;
};

/* Whether writing to path would destroy the trace. */
static bool is_same_file(const char *path, const char *trace)
{
    struct stat a;
    struct stat b;

    return stat(path, &a) == 0 && stat(trace, &b) == 0 && S_ISREG(a.st_mode) &&
           a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/* 0 to go on, 1 after help, 2: wrong. */
static int parse(struct options *o, int argc, char **argv)
{
    static const char *const names[] = {"--group", "--html", "--chrome", "--rows"};

    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];
        const char *values[4] = {0};
        size_t which = 0;
        if (strcmp(word, "-h") == 0 || strcmp(word, "--help") == 0) {
            help(stdout);
            return 1;
        }
        while (which < 4 && strcmp(word, names[which]) != 0) {
            which++;
        }
        if (which < 4 && i + 1 < argc) {
            values[which] = argv[++i];
        } else if (which < 4 || (word[0] == '-' && word[1]) || o->file) {
            (void)fprintf(stderr, "covey trace: %s %s (covey trace --help)\n",
                          which < 4        ? "no value for"
                          : word[0] == '-' ? "no such option:"
                                           : "one file at a time:",
                          word);
            return 2;
        } else {
            o->file = word;
        }
        o->group = values[0] ? values[0] : o->group;
        o->html = values[1] ? values[1] : o->html;
        o->chrome = values[2] ? values[2] : o->chrome;
        if (values[3]) {
            char *end;
            unsigned long n = strtoul(values[3], &end, 10);
            if (*end || n == 0 || n > ROWS_MAX) {
                (void)fprintf(stderr, "covey trace: --rows %s: not from 1 to %d\n", values[3],
                              ROWS_MAX);
                return 2;
            }
            o->rows = n;
        }
    }
    if (!o->file) {
        help(stderr);
        return 2;
    }
    const char *outputs[] = {o->html, o->chrome};
    for (size_t i = 0; i < 2; i++) {
        if (outputs[i] && is_same_file(outputs[i], o->file)) {
            (void)fprintf(stderr, "covey trace: %s is the trace itself\n", outputs[i]);
            return 2;
        }
    }
    return 0;
}

struct page {
    const struct cvy_trace_model *model;
    const char *title;
};

static bool write_chrome(const struct page *p, FILE *out)
{
    cvy_trace_write_chrome(p->model, out);
    return true;
}

static bool write_html(const struct page *p, FILE *out)
{
    return cvy_trace_write_html(p->model, p->title, out);
}

/* 0, or 1 after a word on what went wrong. */
static int write_to(const char *path, const struct page *p,
                    bool (*write)(const struct page *p, FILE *out))
{
    bool is_stdout = strcmp(path, "-") == 0;
    FILE *out = is_stdout ? stdout : fopen(path, "wb");
    bool ok = out != NULL;

    if (ok) {
        errno = ENOMEM; /* unless writing says otherwise */
        ok = write(p, out) && fflush(out) == 0 && !ferror(out);
        ok = (is_stdout || fclose(out) == 0) && ok;
    }
    if (!ok) {
        (void)fprintf(stderr, "covey trace: %s: %s\n", path, strerror(errno));
    }
    return ok ? 0 : 1;
}

static int show(const struct options *o, const struct cvy_trace_model *m)
{
    const char *slash = strrchr(o->file, '/');
    struct page page = {.model = m, .title = slash ? slash + 1 : o->file};
    bool is_quiet =
        (o->html && strcmp(o->html, "-") == 0) || (o->chrome && strcmp(o->chrome, "-") == 0);
    int status = 0;

    if (o->chrome) {
        status |= write_to(o->chrome, &page, write_chrome);
    }
    if (o->html) {
        status |= write_to(o->html, &page, write_html);
    }
    if (is_quiet) {
        return status;
    }
    cvy_trace_report(m, o->rows, stdout);
    if (o->group && !cvy_trace_report_group(m, o->group, o->rows, stdout)) {
        (void)fprintf(stderr, "covey trace: no group \"%s\" in this trace\n", o->group);
        status = 1;
    }
    if (fflush(stdout) != 0 || ferror(stdout)) {
        (void)fprintf(stderr, "covey trace: standard output: %s\n", strerror(errno));
        status = 1;
    }
    return status;
}

int cvy_trace_main(int argc, char **argv)
{
    struct options o = {.rows = ROWS_DEFAULT};
    char error[256];

    int wrong = parse(&o, argc, argv);
    if (wrong) {
        return wrong == 1 ? 0 : 2;
    }
    struct cvy_trace *t = cvy_trace_read(o.file, error, sizeof(error));
    if (!t) {
        (void)fprintf(stderr, "covey trace: %s: %s\n", o.file, error);
        return 1;
    }
    struct cvy_trace_model *m = cvy_trace_model_new(t);
    int status = 1;
    if (m) {
        status = show(&o, m);
    } else {
        (void)fprintf(stderr, "covey trace: out of memory\n");
    }
    cvy_trace_model_free(m);
    cvy_trace_free(t);
    return status;
}
