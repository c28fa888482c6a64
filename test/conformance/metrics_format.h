/* SPDX-License-Identifier: MIT
 * metrics_format.h - the rules of Prometheus' text format and the conventions for names, which
 * whatever covey_metrics_write() writes in a test is held against. Include harness.h first. */
#ifndef CVY_CONFORMANCE_METRICS_FORMAT_H
#define CVY_CONFORMANCE_METRICS_FORMAT_H

#include <locale.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct metrics_family {
    char name[128], type[16];
    const char *samples; /* behind its head */
    double bucket;       /* a histogram's last one */
    bool is_infinite;    /* which was that of +Inf */
};

static inline bool metrics_ends_with(const char *text, const char *end)
{
    size_t len = strlen(text), of_end = strlen(end);
    return len >= of_end && strcmp(text + len - of_end, end) == 0;
}

#define METRICS_CHECK(condition, line)                                                             \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            (void)fprintf(stderr, "# %.*s\n", (int)strcspn((line), "\n"), (line));                 \
            CHECK(condition);                                                                      \
        }                                                                                          \
    } while (0)

static inline void metrics_check_name(const struct metrics_family *f)
{
    static const char *const kinds[] = {"_gauge", "_counter", "_histogram"};
    static const char *const reserved[] = {"_count", "_sum", "_bucket", "_info"};

    METRICS_CHECK((strcmp(f->type, "counter") == 0) == metrics_ends_with(f->name, "_total"),
                  f->name);
    METRICS_CHECK(strcmp(f->type, "histogram") != 0 || metrics_ends_with(f->name, "_seconds"),
                  f->name);
    METRICS_CHECK(strspn(f->name, "abcdefghijklmnopqrstuvwxyz0123456789_") == strlen(f->name),
                  f->name);
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        METRICS_CHECK(!strstr(f->name, kinds[i]), f->name);
    }
    for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++) {
        METRICS_CHECK(!metrics_ends_with(f->name, reserved[i]), f->name);
    }
}

/* At a family's two lines; behind them. */
static inline const char *metrics_check_head(const char *line, struct metrics_family *f)
{
    char again[160];
    char name[128] = "";
    int len = 0;

    METRICS_CHECK(sscanf(line, "# HELP %127s %*[^ \n]%n", f->name, &len) == 1 && len > 0, line);
    (void)snprintf(again, sizeof(again), "\n# HELP %s ", f->name);
    METRICS_CHECK(!strstr(line, again), line); /* it is there once */
    line = strchr(line, '\n') + 1;
    METRICS_CHECK(sscanf(line, "# TYPE %127s %15s", name, f->type) == 2, line);
    CHECK_STR(name, f->name);
    metrics_check_name(f);
    return strchr(line, '\n') + 1;
}

static inline void metrics_check_histogram(const char *line, const char *rest, double value,
                                           struct metrics_family *f)
{
    if (strncmp(rest, "_bucket{", 8) == 0) {
        METRICS_CHECK(f->is_infinite || value >= f->bucket, line);
        f->bucket = value;
        const char *infinite = strstr(line, "le=\"+Inf\"}");
        f->is_infinite = infinite && infinite < line + strcspn(line, "\n");
    } else if (strncmp(rest, "_count", 6) == 0) {
        METRICS_CHECK(f->is_infinite && value == f->bucket, line);
        f->bucket = 0;
        f->is_infinite = false;
    } else {
        METRICS_CHECK(strncmp(rest, "_sum", 4) == 0 && f->is_infinite, line);
    }
}

/* A sample, on a line of its own. */
static inline void metrics_check_sample(const char *line, struct metrics_family *f)
{
    size_t len = strcspn(line, "\n");
    const char *space = line + len;
    const char *rest = line + strlen(f->name);
    char *end;

    while (space > line && *space != ' ') {
        space--;
    }
    METRICS_CHECK(space > line && strncmp(line, f->name, strlen(f->name)) == 0, line);
    double value = strtod(space + 1, &end);
    METRICS_CHECK(end == line + len && end > space + 1, line);
    METRICS_CHECK(strcmp(f->type, "gauge") == 0 || value >= 0, line);
    if (strcmp(f->type, "histogram") == 0) {
        metrics_check_histogram(line, rest, value, f);
    } else {
        METRICS_CHECK(*rest == ' ' || *rest == '{', line);
    }
    for (const char *at = f->samples; at < line; at = strchr(at, '\n') + 1) {
        METRICS_CHECK(strncmp(at, line, (size_t)(space + 1 - line)) != 0, line);
    }
}

static inline void metrics_check(const char *text)
{
    struct metrics_family f = {0};

    CHECK(setlocale(LC_CTYPE, "C.UTF-8"));
    CHECK(mbstowcs(NULL, text, 0) != (size_t)-1);
    for (const char *line = text; *line;) {
        if (*line == '#') {
            METRICS_CHECK(!f.is_infinite, line);
            line = metrics_check_head(line, &f);
            f.samples = line;
        } else {
            metrics_check_sample(line, &f);
            line = strchr(line, '\n') + 1;
        }
    }
}

#endif
