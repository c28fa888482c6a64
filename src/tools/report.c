/* SPDX-License-Identifier: MIT
 * report.c - see report.h. */
#define _GNU_SOURCE
#include "tools/report.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define REDRAW_NS (100 * COVEY_MS)
#define WIPE "\r\033[K"

static uint64_t count(const _Atomic uint64_t *n)
{
    return atomic_load_explicit(n, memory_order_relaxed);
}

static uint64_t count_ended(const struct cvy_fetch_counts *c)
{
    uint64_t sum = 0;

    for (int i = 0; i <= CVY_CANCELED; i++) {
        sum += count(&c->ended[i]);
    }
    return sum;
}

/* ---- results ---- */

static const char *outcome_name(enum cvy_outcome outcome)
{
    static const char *const names[] = {"ok", "skipped", "failed", "canceled"};

    return names[outcome];
}

static void write_json(struct cvy_line *l, const struct cvy_job *job, const struct cvy_result *r)
{
    cvy_line_printf(l, "{\"n\":%llu,\"url\":", (unsigned long long)job->n);
    cvy_line_json(l, job->url);
    cvy_line_printf(l, ",\"result\":\"%s\",\"status\":", outcome_name(r->outcome));
    cvy_line_printf(l, r->status ? "%d" : "null", r->status);
    cvy_line_printf(l, ",\"bytes\":%llu,\"file\":", (unsigned long long)r->bytes);
    bool has_file = r->outcome == CVY_FETCHED || r->outcome == CVY_SKIPPED;
    cvy_line_json(l, has_file ? job->path : NULL);
    cvy_line_printf(l, ",\"attempts\":%d,\"http\":", r->attempts);
    cvy_line_printf(l, r->http_version ? "\"%d.%d\"" : "null", r->http_version / 10,
                    r->http_version % 10);
    cvy_line_printf(l, ",\"reused\":%s,\"ttfb_ms\":%.3f,\"total_ms\":%.3f,\"error\":",
                    r->reused ? "true" : "false", (double)r->ttfb_ns / (double)COVEY_MS,
                    (double)r->total_ns / (double)COVEY_MS);
    cvy_line_json(l, r->message[0] ? r->message : NULL);
    cvy_line_printf(l, "}\n");
}

/* The mutex is held. A result that cannot be told is the last one: nobody listens. */
static int tell_json(struct cvy_fetch *f, const struct cvy_job *job, const struct cvy_result *r)
{
    cvy_line_clear(&f->line);
    write_json(&f->line, job, r);
    if (f->line.is_broken) {
        return covey_errorf(-ENOMEM, "out of memory");
    }
    return cvy_output_write(f->output_ctx, &f->out, f->line.data, f->line.len);
}

/* The mutex is held. */
static void tell_line(struct cvy_fetch *f, const char *text)
{
    cvy_line_clear(&f->line);
    if (f->is_progress_shown) {
        cvy_line_printf(&f->line, WIPE);
        f->is_progress_shown = false;
    }
    size_t start = f->line.len;
    cvy_line_printf(&f->line, "covey: %s", text);
    if (!f->line.is_broken) {
        cvy_line_make_printable(f->line.data + start);
        cvy_line_printf(&f->line, "\n");
        (void)cvy_output_write(f->output_ctx, &f->err, f->line.data, f->line.len);
    }
}

void cvy_report_line(struct cvy_fetch *f, const char *fmt, ...)
{
    char *text = NULL;
    va_list args;

    va_start(args, fmt);
    int len = vasprintf(&text, fmt, args);
    va_end(args);
    if (len >= 0) {
        covey_mutex_lock(&f->mutex);
        tell_line(f, text);
        covey_mutex_unlock(&f->mutex);
        free(text);
    }
}

void cvy_report_result(const struct cvy_job *job, const struct cvy_result *r)
{
    struct cvy_fetch *f = job->fetch;
    bool is_told = r->outcome == CVY_FAILED && !f->options.quiet;
    int code = 0;

    atomic_fetch_add_explicit(&f->counts.ended[r->outcome], 1, memory_order_relaxed);
    if (!f->options.json && !is_told) {
        return;
    }
    covey_mutex_lock(&f->mutex);
    if (f->options.json) {
        code = tell_json(f, job, r);
    }
    if (is_told) {
        tell_line(f, r->message);
    }
    covey_mutex_unlock(&f->mutex);
    if (code < 0 && covey_ctx_err(f->output_ctx) == 0) {
        cvy_fetch_local_error(f, code, covey_errmsg(), true);
    }
}

/* ---- progress ---- */

static int terminal_width(void)
{
    struct winsize size;

    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

/* The mutex is held. rate: bytes a second, of late. */
static void draw(struct cvy_fetch *f, double rate)
{
    struct cvy_fetch_counts *c = &f->counts;
    uint64_t ended = count_ended(c), started = count(&c->started);
    uint64_t failed = count(&c->ended[CVY_FAILED]);
    char bytes[16], speed[16], total[32] = "";
    size_t width = (size_t)terminal_width();

    if (atomic_load_explicit(&c->is_list_read, memory_order_relaxed)) {
        (void)snprintf(total, sizeof(total), "/%llu", (unsigned long long)started);
    }
    cvy_line_clear(&f->line);
    cvy_line_printf(&f->line, WIPE);
    size_t start = f->line.len;
    cvy_line_printf(&f->line, "%llu%s done, %llu in flight, %llu failed, %s, %s/s, %.1f s",
                    (unsigned long long)ended, total, (unsigned long long)count(&c->running),
                    (unsigned long long)failed,
                    cvy_bytes_text((double)count(&c->bytes), bytes, sizeof(bytes)),
                    cvy_bytes_text(rate, speed, sizeof(speed)),
                    (double)(covey_now() - f->started_at) / (double)COVEY_SEC);
    if (f->line.is_broken) {
        return;
    }
    if (f->line.len - start >= width) {
        f->line.len = start + width - 1;
    }
    (void)cvy_output_write(f->output_ctx, &f->err, f->line.data, f->line.len);
    f->is_progress_shown = true;
}

int cvy_report_progress(covey_ctx *ctx, void *arg)
{
    struct cvy_fetch *f = arg;
    uint64_t bytes = 0;
    double rate = 0;

    while (covey_sleep(ctx, REDRAW_NS) == 0) {
        uint64_t now = count(&f->counts.bytes);
        double latest = (double)(now - bytes) * (double)COVEY_SEC / (double)REDRAW_NS;

        bytes = now;
        rate = rate == 0 ? latest : 0.8 * rate + 0.2 * latest;
        covey_mutex_lock(&f->mutex);
        draw(f, rate);
        covey_mutex_unlock(&f->mutex);
    }
    covey_mutex_lock(&f->mutex);
    if (f->is_progress_shown) {
        (void)cvy_output_write(f->output_ctx, &f->err, WIPE, sizeof(WIPE) - 1);
        f->is_progress_shown = false;
    }
    covey_mutex_unlock(&f->mutex);
    return 0;
}

/* ---- summary ---- */

static void tell_count(FILE *err, const char **between, uint64_t n, const char *what)
{
    if (n > 0) {
        (void)fprintf(err, "%s%llu %s", *between, (unsigned long long)n, what);
        *between = ", ";
    }
}

void cvy_report_end(const struct cvy_fetch *f, FILE *err)
{
    if (f->was_interrupted) {
        (void)fputs("covey: interrupted\n", err);
    } else if (f->was_late) {
        (void)fputs("covey: the deadline passed\n", err);
    }
}

void cvy_report_summary(const struct cvy_fetch *f, FILE *err)
{
    const struct cvy_fetch_counts *c = &f->counts;
    double seconds = (double)f->took_ns / (double)COVEY_SEC;
    double bytes = (double)count(&c->bytes);
    char amount[16], speed[16];
    const char *between = "";

    if (f->local_message[0]) {
        (void)fprintf(err, "covey: %s\n", f->local_message);
    }
    (void)fprintf(err, "covey: %llu transfer%s: ", (unsigned long long)count(&c->started),
                  count(&c->started) == 1 ? "" : "s");
    tell_count(err, &between, count(&c->ended[CVY_FETCHED]), "fetched");
    tell_count(err, &between, count(&c->ended[CVY_SKIPPED]), "there already");
    tell_count(err, &between, count(&c->ended[CVY_FAILED]), "failed");
    tell_count(err, &between, count(&c->ended[CVY_CANCELED]), "cancelled");
    (void)fprintf(err, "%s%s in %.3g s (%s/s)", between[0] ? "; " : "",
                  cvy_bytes_text(bytes, amount, sizeof(amount)), seconds,
                  cvy_bytes_text(seconds > 0 ? bytes / seconds : 0, speed, sizeof(speed)));
    between = ", ";
    tell_count(err, &between, count(&c->retries), count(&c->retries) == 1 ? "retry" : "retries");
    tell_count(err, &between, f->client_stats.connections_opened,
               f->client_stats.connections_opened == 1 ? "connection" : "connections");
    (void)fputc('\n', err);
}
