/* SPDX-License-Identifier: MIT
 * metrics_source.c - the objects that show figures of their own.
 *
 * The sources of one kind stand next to each other in the list, so that a walk finds each kind
 * once; those of the same name too, by their numbers. A source is read under the mutex: once
 * covey_metrics_unregister() has returned its object is not touched again. The mutex may be held
 * across a switch, since reading one may lock its object; nobody who holds an object's lock may
 * register or unregister. */
#include "debug/metrics_source.h"

#include "base/alloc.h"
#include "base/utf8.h"

#include <covey/error.h>
#include <covey/metrics.h>
#include <covey/sync.h>

#include <inttypes.h>
#include <string.h>

#define DECIMALS_MAX 18

static struct {
    covey_mutex mutex;
    covey_metrics_source *first; /* guarded by mutex */
} registry;

void covey_metrics_register(covey_metrics_source *s, const covey_metrics_kind *kind,
                            const char *name, void *object)
{
    covey_mutex_lock(&registry.mutex);
    covey_metrics_source **at = &registry.first;
    while (*at && (*at)->kind_ != kind) {
        at = &(*at)->next_;
    }
    while (*at && (*at)->kind_ == kind && strcmp((*at)->name_, name) != 0) {
        at = &(*at)->next_;
    }
    /* The first number that is free: it stays, and there are never more than there are objects. */
    unsigned number = 0;
    while (*at && (*at)->kind_ == kind && (*at)->number_ == number &&
           strcmp((*at)->name_, name) == 0) {
        number++;
        at = &(*at)->next_;
    }
    *s = (covey_metrics_source){kind, name, object, *at, number};
    *at = s;
    covey_mutex_unlock(&registry.mutex);
}

void covey_metrics_unregister(covey_metrics_source *s)
{
    covey_mutex_lock(&registry.mutex);
    covey_metrics_source **at = &registry.first;
    while (*at && *at != s) {
        at = &(*at)->next_;
    }
    if (*at) {
        *at = s->next_;
        *s = (covey_metrics_source){0};
    }
    covey_mutex_unlock(&registry.mutex);
}

void cvy_metrics_write_escaped(FILE *out, const char *text)
{
    for (const unsigned char *c = (const unsigned char *)text; *c;) {
        size_t len = cvy_utf8_len(c);
        if (*c == '\n') {
            (void)fputs("\\n", out);
        } else if (*c == '"' || *c == '\\') {
            (void)fprintf(out, "\\%c", *c);
        } else if (len == 0) {
            (void)fputs("\xEF\xBF\xBD", out); /* U+FFFD */
        } else {
            (void)fwrite(c, 1, len, out);
        }
        c += len > 0 ? len : 1;
    }
}

void cvy_metrics_write_value(FILE *out, int64_t value, int decimals)
{
    uint64_t whole = value < 0 ? -(uint64_t)value : (uint64_t)value;
    uint64_t unit = 1;

    for (int i = 0; i < decimals && i < DECIMALS_MAX; i++) {
        unit *= 10;
    }
    (void)fprintf(out, " %s%" PRIu64, value < 0 ? "-" : "", whole / unit);
    if (unit > 1) {
        (void)fprintf(out, ".%0*" PRIu64, decimals < DECIMALS_MAX ? decimals : DECIMALS_MAX,
                      whole % unit);
    }
    (void)fputc('\n', out);
}

void cvy_metrics_write_labels(FILE *out, const covey_metrics_source *s, const covey_metric *metric,
                              const char *le)
{
    const char *more = s && metric->more_labels ? metric->more_labels : "";

    if (!s && !le) {
        return;
    }
    (void)fputc('{', out);
    if (s) {
        (void)fprintf(out, "%s=\"", s->kind_->label);
        cvy_metrics_write_escaped(out, s->name_);
        if (s->number_ > 0) {
            (void)fprintf(out, "#%u", s->number_ + 1);
        }
        (void)fprintf(out, "\"%s%s%s", *more ? "," : "", more, le ? "," : "");
    }
    (void)fprintf(out, le ? "le=\"%s\"}" : "}", le);
}

static size_t values_of(const covey_metric *metric)
{
    return metric->is_histogram ? COVEY_HISTOGRAM_VALUES : 1;
}

/* One metric of one source, whose values begin at that one. */
static void write_sample(FILE *out, const covey_metrics_source *s, const covey_metric *metric,
                         const int64_t *values)
{
    if (metric->is_histogram) {
        cvy_metrics_write_histogram(out, metric->name, s, metric, values);
        return;
    }
    (void)fputs(metric->name, out);
    cvy_metrics_write_labels(out, s, metric, NULL);
    cvy_metrics_write_value(out, *values, metric->decimals);
}

/* All sources of first's kind, whose values are given: metric by metric, as the format demands. */
static void write_kind(FILE *out, const covey_metrics_source *first,
                       int64_t (*values)[COVEY_METRICS_MAX])
{
    const covey_metrics_kind *kind = first->kind_;
    const char *family = "";

    for (size_t i = 0, at = 0; i < kind->count; at += values_of(&kind->metrics[i]), i++) {
        const covey_metric *metric = &kind->metrics[i];
        size_t of = 0;
        if (at + values_of(metric) > COVEY_METRICS_MAX) {
            break;
        }
        if (strcmp(family, metric->name) != 0) {
            family = metric->name;
            (void)fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", family, metric->help, family,
                          metric->is_histogram ? "histogram"
                          : metric->is_gauge   ? "gauge"
                                               : "counter");
        }
        for (const covey_metrics_source *s = first; s && s->kind_ == kind; s = s->next_) {
            write_sample(out, s, metric, &values[of++][at]);
        }
    }
}

/* Each is read once, so that its figures belong together. */
static int read_and_write_kind(FILE *out, const covey_metrics_source *first)
{
    size_t count = 0;
    size_t i = 0;

    for (const covey_metrics_source *s = first; s && s->kind_ == first->kind_; s = s->next_) {
        count++;
    }
    int64_t(*values)[COVEY_METRICS_MAX] = cvy_alloc_zeroed(count * sizeof(*values));
    if (!values) {
        return -ENOMEM;
    }
    for (const covey_metrics_source *s = first; s && s->kind_ == first->kind_; s = s->next_) {
        s->kind_->read(s->object_, values[i++]);
    }
    write_kind(out, first, values);
    free(values);
    return 0;
}

int cvy_metrics_write_sources(FILE *out)
{
    const covey_metrics_kind *written = NULL;
    int code = 0;

    covey_mutex_lock(&registry.mutex);
    for (const covey_metrics_source *s = registry.first; s && code == 0; s = s->next_) {
        if (s->kind_ != written) {
            written = s->kind_;
            code = read_and_write_kind(out, s);
        }
    }
    covey_mutex_unlock(&registry.mutex);
    return code < 0 ? covey_errorf(code, "no memory for metrics") : 0;
}
