/* SPDX-License-Identifier: MIT
 * serve_pages.c - see serve_pages.h. */
#include "debug/serve_pages.h"

#include "os/file.h"

#include <covey/debug.h>
#include <covey/error.h>
#include <covey/metrics.h>
#include <covey/select.h>
#include <covey/time.h>
#include <covey/trace.h>

#include <string.h>

#undef errno

#define SECONDS_MAX 600
#define RATE_MAX INT32_MAX
#define CPU_RATE_MAX 1000
#define DUMPS_MAX 4
#define TRACE_SLICE_NS (50 * COVEY_MS) /* between two looks at its size */

static const char index_page[] =
    "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>covey</title>"
    "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">"
    "<meta name=\"color-scheme\" content=\"light dark\">"
    "<style>body{font:15px/1.5 system-ui,sans-serif;max-width:44em;margin:2em auto;padding:0 1em}"
    "dt{margin-top:1em;font-weight:600}code{font-size:14px}</style>"
    "<h1>covey</h1><dl>"
    "<dt>Tasks</dt><dd><a href=\"tasks\">tree</a>, <a href=\"tasks?format=folded\">folded</a>, "
    "<a href=\"tasks?format=json\">JSON</a>, <a href=\"tasks?format=places\">places as JSON</a> "
    "(<code>covey top</code> shows them)</dd>"
    "<dt>Profiles</dt><dd>task: <a href=\"profile?kind=task&amp;format=folded\">folded</a>, "
    "<a href=\"profile?kind=task\">pprof</a><br>"
    "5 s of block: <a href=\"profile?kind=block&amp;seconds=5&amp;format=folded\">folded</a>, "
    "<a href=\"profile?kind=block&amp;seconds=5\">pprof</a><br>"
    "5 s of mutex: <a href=\"profile?kind=mutex&amp;seconds=5&amp;format=folded\">folded</a>, "
    "<a href=\"profile?kind=mutex&amp;seconds=5\">pprof</a><br>"
    "5 s of CPU: <a href=\"profile?kind=cpu&amp;seconds=5&amp;format=folded\">folded</a>, "
    "<a href=\"profile?kind=cpu&amp;seconds=5\">pprof</a></dd>"
    "<dt>Traces</dt><dd><a href=\"trace?seconds=1\">one second</a>, "
    "<a href=\"trace\">what the flight recorder remembers</a> (<code>covey trace FILE</code>)</dd>"
    "<dt>Metrics</dt><dd><a href=\"metrics\">for Prometheus</a></dd></dl></html>\n";

/* Waits, but no longer than the client does: one that goes away, or goes on talking, is no longer
 * answered. */
static int wait_for(struct cvy_client *c, int64_t ns)
{
    int fd = covey_conn_fd(c->conn);
    int code = covey_select(c->ctx, COVEY_READABLE(fd), COVEY_AFTER(ns));

    return code == 0 ? covey_errorf(COVEY_ECLOSED, "the client has gone") : code < 0 ? code : 0;
}

/* ---- tasks ---- */

static int write_tasks(FILE *out, void *arg)
{
    const covey_dump_format *format = arg;
    return covey_dump_as(out, *format);
}

/* A dump that has a line for each task is as large as there are tasks, and stays in memory until
 * its client has it: few may be there at once. */
static int answer_dump(struct cvy_client *c, const char *type, covey_dump_format format)
{
    bool is_folded = format == COVEY_DUMP_FOLDED || format == COVEY_DUMP_PLACES_JSON;
    int code;

    if (is_folded || c->is_head) {
        return cvy_answer_written(c, type, write_tasks, &format);
    }
    if (atomic_fetch_add_explicit(c->dumps, 1, memory_order_relaxed) < DUMPS_MAX) {
        code = cvy_answer_written(c, type, write_tasks, &format);
    } else {
        code = cvy_answer_text(c, 503, "others are fetching dumps; folded ones are not limited");
    }
    atomic_fetch_sub_explicit(c->dumps, 1, memory_order_relaxed);
    return code;
}

static int answer_tasks(struct cvy_client *c, const struct cvy_request *r)
{
    static const struct {
        const char *name;
        covey_dump_format format;
        const char *type;
    } formats[] = {{"text", COVEY_DUMP_TREE, CVY_TYPE_TEXT},
                   {"folded", COVEY_DUMP_FOLDED, CVY_TYPE_TEXT},
                   {"json", COVEY_DUMP_JSON, CVY_TYPE_JSON},
                   {"places", COVEY_DUMP_PLACES_JSON, CVY_TYPE_JSON}};
    const char *wanted = cvy_request_get(r, "format", "text");

    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
        if (strcmp(formats[i].name, wanted) == 0) {
            return answer_dump(c, formats[i].type, formats[i].format);
        }
    }
    return cvy_answer_text(c, 400, "format is text, folded, json or places");
}

/* ---- profiles ---- */

struct profile {
    const char *kind;
    covey_profile_format format;
};

static int write_profile(FILE *out, void *arg)
{
    const struct profile *p = arg;
    return covey_profile_write(p->kind, (int)p->format, out);
}

/* Records for some seconds; one that is on already is the program's own and is left alone. */
static int record_profile(struct cvy_client *c, const char *kind, int64_t rate, int64_t seconds)
{
    int code = covey_profile_start(kind, rate);

    if (code == 0) {
        code = wait_for(c, seconds * COVEY_SEC);
        (void)covey_profile_stop(kind);
    }
    return code;
}

/* What is wrong with how a profile is asked for; NULL: nothing. */
static const char *profile_mistake(const struct cvy_request *r, const char *kind,
                                   const char *format)
{
    static const char *const kinds[] = {"task", "block", "mutex", "cpu"};
    int64_t rate = cvy_request_number(r, "rate", RATE_MAX);
    size_t i = 0;

    while (i < sizeof(kinds) / sizeof(kinds[0]) && strcmp(kind, kinds[i]) != 0) {
        i++;
    }
    if (i == sizeof(kinds) / sizeof(kinds[0])) {
        return "kind is task, block, mutex or cpu";
    }
    if (strcmp(format, "pprof") != 0 && strcmp(format, "folded") != 0) {
        return "format is pprof or folded";
    }
    if (cvy_request_number(r, "seconds", SECONDS_MAX) < 0) {
        return "seconds is a whole number, at most 600";
    }
    return rate < 0 || (strcmp(kind, "cpu") == 0 && rate > CPU_RATE_MAX)
               ? "rate is a whole number; of cpu, at most 1000"
               : NULL;
}

static int answer_profile(struct cvy_client *c, const struct cvy_request *r)
{
    struct profile p = {.kind = cvy_request_get(r, "kind", "task")};
    const char *format = cvy_request_get(r, "format", "pprof");
    const char *mistake = profile_mistake(r, p.kind, format);
    bool is_text = strcmp(format, "folded") == 0;

    if (mistake) {
        return cvy_answer_text(c, 400, mistake);
    }
    int64_t seconds = cvy_request_number(r, "seconds", SECONDS_MAX);
    p.format = is_text ? COVEY_PROFILE_FOLDED : COVEY_PROFILE_PPROF;
    if (seconds > 0 && !c->is_head && strcmp(p.kind, "task") != 0) {
        int64_t rate = cvy_request_number(r, "rate", RATE_MAX);
        int code = record_profile(c, p.kind, rate, seconds);
        if (code < 0) {
            return cvy_answer_failure(c, code);
        }
    }
    return cvy_answer_written(c, is_text ? CVY_TYPE_TEXT : CVY_TYPE_BINARY, write_profile, &p);
}

/* ---- traces ---- */

/* Until the time is over, or the file is as large as it may be: it is the program's memory. */
static int wait_for_trace(struct cvy_client *c, int fd, int64_t seconds)
{
    int64_t until = covey_now() + seconds * COVEY_SEC;
    int64_t left;
    int code = 0;

    while (code == 0 && (left = until - covey_now()) > 0 &&
           cvy_file_size(fd) < c->trace_bytes_max) {
        code = wait_for(c, left < TRACE_SLICE_NS ? left : TRACE_SLICE_NS);
    }
    return code;
}

static int record_trace(struct cvy_client *c, int fd, const char *path, int64_t seconds)
{
    if (seconds == 0) {
        return covey_trace_snapshot(path);
    }
    int code = covey_trace_start(path);
    if (code == 0) {
        code = wait_for_trace(c, fd, seconds);
        int stopped = covey_trace_stop();
        code = code < 0 ? code : stopped;
    }
    return code;
}

static int answer_trace(struct cvy_client *c, const struct cvy_request *r)
{
    int64_t seconds = cvy_request_number(r, "seconds", SECONDS_MAX);
    char path[CVY_FILE_PATH_SIZE];

    if (seconds < 0) {
        return cvy_answer_text(c, 400, "seconds is a whole number, at most 600");
    }
    if (c->is_head) {
        return cvy_answer_written(c, CVY_TYPE_BINARY, NULL, NULL);
    }
    int fd = cvy_file_unnamed(path);
    if (fd < 0) {
        return cvy_answer_failure(c, covey_errorf(fd, "no room for a trace"));
    }
    int code = record_trace(c, fd, path, seconds);
    if (code == -ENOENT) {
        code = cvy_answer_text(c, 404, "the flight recorder is off; ask for seconds=N");
    } else {
        code = code < 0 ? cvy_answer_failure(c, code) : cvy_answer_file(c, fd, "covey.trace");
    }
    (void)cvy_file_close(fd);
    return code;
}

/* ---- the rest ---- */

static int write_metrics(FILE *out, void *arg)
{
    (void)arg;
    return covey_metrics_write(out);
}

static int answer_metrics(struct cvy_client *c, const struct cvy_request *r)
{
    (void)r;
    return cvy_answer_written(c, CVY_TYPE_METRICS, write_metrics, NULL);
}

static int write_index(FILE *out, void *arg)
{
    (void)arg;
    (void)fputs(index_page, out);
    return 0;
}

static int answer_index(struct cvy_client *c, const struct cvy_request *r)
{
    (void)r;
    return cvy_answer_written(c, CVY_TYPE_HTML, write_index, NULL);
}

int cvy_page_answer(struct cvy_client *c, const struct cvy_request *r)
{
    static const struct {
        const char *path;
        int (*answer)(struct cvy_client *c, const struct cvy_request *r);
    } pages[] = {{"/debug/covey/", answer_index},
                 {"/debug/covey/tasks", answer_tasks},
                 {"/debug/covey/profile", answer_profile},
                 {"/debug/covey/trace", answer_trace},
                 {"/debug/covey/metrics", answer_metrics}};

    for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
        if (strcmp(pages[i].path, r->path) == 0) {
            return pages[i].answer(c, r);
        }
    }
    if (strcmp(r->path, "/debug/covey") == 0) {
        return cvy_answer_text(c, 301, "it is at /debug/covey/");
    }
    return cvy_answer_text(c, 404,
                           "there are /debug/covey/ and below it tasks, profile, trace, metrics");
}
