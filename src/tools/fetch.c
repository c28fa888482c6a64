/* SPDX-License-Identifier: MIT
 * fetch.c - `covey fetch`: one run from the options to the exit status. */
#define _GNU_SOURCE
#include "tools/fetch.h"

#include "tools/descriptors.h"
#include "tools/job.h"
#include "tools/report.h"
#include "tools/template.h"
#include "tools/url_list.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OUTPUT_GRACE (300 * COVEY_MS) /* for results, once the run is cancelled */
#define WAITING_PER_TURN 16           /* with --per-host: tasks that may wait for their host */
#define WAITING_MAX 4096

enum {
    STATUS_OK,
    STATUS_FAILED,
    STATUS_USAGE,
    STATUS_LATE,
    STATUS_LOCAL,
    STATUS_INTERRUPTED = 130
};

void cvy_fetch_local_error(struct cvy_fetch *f, int code, const char *message, bool is_fatal)
{
    covey_mutex_lock(&f->mutex);
    f->local_code = f->local_code < 0 ? f->local_code : code;
    if (message && !f->local_message[0]) {
        (void)snprintf(f->local_message, sizeof(f->local_message), "%s", message);
    }
    covey_mutex_unlock(&f->mutex);
    if (is_fatal) {
        covey_group_cancel(f->group, code);
    }
}

/* ---- starting transfers ---- */

/* The file of the n-th URL, malloc'd. NULL: out of memory, or too long a name. */
static char *make_path(struct cvy_fetch *f, const char *url, uint64_t n)
{
    const struct cvy_fetch_options *o = &f->options;
    const char *template = o->template ? o->template : "{name}";
    char *path = NULL;

    char *name = cvy_template_expand(template, url, n);
    if (!name) {
        return NULL;
    }
    char *claimed =
        cvy_template_is_unique(template) ? strdup(name) : cvy_names_claim(&f->names, name);
    free(name);
    if (!claimed || !o->directory) {
        return claimed;
    }
    if (asprintf(&path, "%s/%s", o->directory, claimed) < 0) {
        path = NULL;
    }
    free(claimed);
    return path;
}

/* Waits while there are as many transfers as there may be. */
static int start(struct cvy_fetch *f, const char *url)
{
    bool has_file = !f->options.to_stdout && !f->options.discard;
    uint64_t n = ++f->numbers;
    char *path = has_file ? make_path(f, url, n) : NULL;

    if (has_file && !path) {
        return covey_errorf(-ENAMETOOLONG, "fetch %s: no file name can be made of it", url);
    }
    struct cvy_job *job = cvy_job_new(f, n, url, path);
    free(path);
    if (!job) {
        return covey_errorf(-ENOMEM, "out of memory");
    }
    int code = covey_group_go(f->group, cvy_job_run, job);
    if (code < 0) {
        free(job);
        return covey_errorf(code, "fetch %s: %s", url, covey_strerror(code));
    }
    return 0;
}

/* One URL that cannot be started does not stop the others. */
static void start_or_tell(struct cvy_fetch *f, const char *url)
{
    int code = start(f, url);

    if (code < 0) {
        atomic_fetch_add_explicit(&f->counts.started, 1, memory_order_relaxed);
        atomic_fetch_add_explicit(&f->counts.ended[CVY_FAILED], 1, memory_order_relaxed);
        if (!f->options.quiet) {
            cvy_report_line(f, "%s", covey_errmsg());
        }
        cvy_fetch_local_error(f, code, NULL, f->options.fail_fast);
    }
}

static int start_list(covey_ctx *ctx, struct cvy_fetch *f)
{
    char *url;
    struct cvy_url_list *list = cvy_url_list_open(f->options.list);
    if (!list) {
        return covey_errcode();
    }
    int code;
    while ((code = cvy_url_list_next(ctx, list, &url)) > 0 && covey_ctx_err(ctx) == 0) {
        start_or_tell(f, url);
    }
    cvy_url_list_close(list);
    return code < 0 && covey_ctx_err(ctx) == 0 ? code : 0;
}

static void start_all(struct cvy_fetch *f)
{
    covey_ctx *ctx = covey_group_ctx(f->group);

    for (int i = 0; i < f->options.url_count && covey_ctx_err(ctx) == 0; i++) {
        start_or_tell(f, f->options.urls[i]);
    }
    if (f->options.list && start_list(ctx, f) < 0) {
        cvy_fetch_local_error(f, covey_errcode(), covey_errmsg(), false);
    }
    atomic_store_explicit(&f->counts.is_list_read, true, memory_order_relaxed);
}

/* ---- the run ---- */

/* A task of its own, once the run is cancelled: results have a moment to come out. */
static int limit_output(covey_ctx *ctx, void *arg)
{
    struct cvy_fetch *f = arg;
    (void)ctx;

    (void)covey_sleep(f->output_ctx, OUTPUT_GRACE);
    covey_ctx_cancel(f->output_ctx);
    return 0;
}

static covey_http_client *make_client(const struct cvy_fetch *f)
{
    const struct cvy_fetch_options *o = &f->options;
    const covey_http_client_options options = {
        .max_connections = f->connections,
        .max_redirects = o->max_redirects,
        .connect_timeout_ns = o->connect_timeout_ns,
        .user_agent = o->user_agent,
        .ca_file = o->ca_file,
        .proxy = o->proxy,
        .insecure = o->insecure,
        .http1 = o->http1,
    };

    return covey_http_client_new(&options);
}

static int group_limit(const struct cvy_fetch *f)
{
    int waiting =
        f->at_once < WAITING_MAX / WAITING_PER_TURN ? f->at_once * WAITING_PER_TURN : WAITING_MAX;

    return f->turns ? f->at_once + waiting : f->at_once;
}

/* Fetches everything under f->ctx. */
static int fetch_all(struct cvy_fetch *f)
{
    covey_group *drawing = covey_group_new(NULL);
    const covey_group_options options = {
        .policy = f->options.fail_fast ? COVEY_FIRST_ERROR : COVEY_ALL,
        .limit = group_limit(f),
    };

    f->group = covey_group_new_with(f->ctx, &options);
    if (!drawing || !f->group) {
        if (drawing) {
            (void)covey_group_wait(drawing);
        }
        return covey_errorf(-ENOMEM, "out of memory");
    }
    if (f->shows_progress) {
        (void)covey_group_go(drawing, cvy_report_progress, f);
    }
    start_all(f);
    (void)covey_group_wait(f->group); /* every failure was counted and told */
    f->group = NULL;
    covey_group_cancel(drawing, 0);
    (void)covey_group_wait(drawing);
    return 0;
}

static void note_end(struct cvy_fetch *f)
{
    int err = covey_ctx_err(f->ctx);

    f->was_interrupted = err == COVEY_ECANCELED && covey_ctx_cause(f->ctx) == -EINTR;
    f->was_late = err == COVEY_EDEADLINE;
    f->took_ns = covey_now() - f->started_at;
    covey_http_client_stats_get(f->client, &f->client_stats);
}

/* The tasks that live besides this one, once those that are about to end have had their time. */
static void count_tasks(struct cvy_fetch *f)
{
    covey_stats stats;

    for (int i = 0; i < 100; i++) {
        covey_stats_get(&stats);
        f->tasks_ran = stats.tasks_started;
        f->tasks_left = stats.tasks_started - stats.tasks_ended - 1;
        if (f->tasks_left == 0) {
            return;
        }
        (void)covey_sleep(NULL, 10 * COVEY_MS);
    }
}

static int run(covey_ctx *root, void *arg)
{
    static const int signals[] = {SIGINT, SIGTERM};
    struct cvy_fetch *f = arg;
    const struct cvy_fetch_options *o = &f->options;
    covey_ctx *interrupted = covey_ctx_with_signals(root, signals, 2);
    int code = 0;

    f->started_at = covey_now();
    f->ctx = o->deadline_ns > 0 ? covey_ctx_with_timeout(interrupted, o->deadline_ns)
                                : covey_ctx_ref(interrupted);
    f->output_ctx = covey_ctx_with_cancel(covey_ctx_background());
    f->client = make_client(f);
    f->turns = o->per_host > 0 ? covey_sem_new(f->at_once) : NULL;
    covey_stop *stop = covey_ctx_after_func(f->ctx, limit_output, f);
    if (!f->client || !stop || (o->per_host > 0 && !f->turns)) {
        code = covey_errorf(-ENOMEM, "out of memory");
    } else {
        code = fetch_all(f);
        note_end(f);
    }
    if (stop) {
        (void)covey_stop_call(stop);
    }
    covey_ctx_cancel(
        f->output_ctx); /* limit_output may sleep under it still: freed in clean_up() */
    covey_sem_free(f->turns);
    covey_http_client_free(f->client);
    covey_ctx_unref(f->ctx);
    covey_ctx_unref(interrupted);
    if (o->stats) {
        count_tasks(f);
    }
    return code;
}

/* ---- around it ---- */

/* As many transfers as there are descriptors for. */
static bool fit_descriptors(struct cvy_fetch *f)
{
    const struct cvy_fetch_options *o = &f->options;
    long limit = cvy_descriptors_limit(), open = cvy_descriptors_open();
    long each = o->discard || o->to_stdout ? 1 : 2; /* a connection, and a file */
    long fit = cvy_descriptors_fit(limit, open, each);

    f->at_once = o->at_once;
    if (fit == 0) {
        (void)fprintf(stderr, "covey: the limit of %ld open files leaves none for a transfer\n",
                      limit);
        return false;
    }
    if (fit < f->at_once) {
        f->at_once = (int)fit;
        if (!o->quiet) {
            (void)fprintf(stderr,
                          "covey: the limit of %ld open files allows %ld transfers at "
                          "once, not %d\n",
                          limit, fit, o->at_once);
        }
    }
    /* Idle connections count too: libcurl keeps as many as were ever busy. */
    f->connections = 2L * f->at_once * each + 256 > fit * each ? f->at_once : 0;
    return true;
}

static int status_of(const struct cvy_fetch *f)
{
    if (f->was_interrupted) {
        return STATUS_INTERRUPTED;
    }
    if (f->was_late) {
        return STATUS_LATE;
    }
    if (f->local_code < 0) {
        return STATUS_LOCAL;
    }
    return f->counts.ended[CVY_FAILED] > 0 ? STATUS_FAILED : STATUS_OK;
}

static void tell_left(const struct cvy_fetch *f, int descriptors_before)
{
    (void)fprintf(stderr,
                  "covey: %llu tasks ran; left behind: %llu tasks, %d threads, "
                  "%d descriptors\n",
                  (unsigned long long)f->tasks_ran, (unsigned long long)f->tasks_left,
                  cvy_threads_alive() - 1, cvy_descriptors_open() - descriptors_before);
}

static void clean_up(struct cvy_fetch *f)
{
    covey_ctx_unref(f->output_ctx);
    cvy_names_fini(&f->names);
    cvy_line_fini(&f->line);
    cvy_fetch_options_fini(&f->options);
}

int cvy_fetch_main(int argc, char **argv)
{
    static struct cvy_fetch f; /* zero: its mutexes are ready */
    int status;

    f.out = (struct cvy_output){.fd = STDOUT_FILENO, .name = "standard output"};
    f.err = (struct cvy_output){.fd = STDERR_FILENO, .name = "standard error"};
    switch (cvy_fetch_options_parse(&f.options, argc, argv, stderr)) {
    case CVY_OPTIONS_HELP:
        cvy_fetch_options_help(stdout);
        clean_up(&f);
        return STATUS_OK;
    case CVY_OPTIONS_WRONG:
        clean_up(&f);
        return STATUS_USAGE;
    default:
        break;
    }
    int descriptors = cvy_descriptors_open();
    if (!fit_descriptors(&f)) {
        clean_up(&f);
        return STATUS_LOCAL;
    }
    f.hosts.per_host = f.options.per_host;
    f.shows_progress =
        !f.options.quiet && !f.options.no_progress && !f.options.to_stdout && isatty(STDERR_FILENO);
    if (covey_run(run, &f) < 0) {
        (void)fprintf(stderr, "covey: %s\n", covey_errmsg());
        f.local_code = covey_errcode();
    } else if (!f.options.quiet) {
        cvy_report_end(&f, stderr);
        if (!f.options.to_stdout) {
            cvy_report_summary(&f, stderr);
        }
    }
    if (f.options.stats) {
        tell_left(&f, descriptors);
    }
    status = status_of(&f);
    clean_up(&f);
    return status;
}
