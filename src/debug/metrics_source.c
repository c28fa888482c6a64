/* SPDX-License-Identifier: MIT
 * metrics_source.c - the objects that show figures of their own.
 *
 * The sources of one kind stand next to each other in the list, so that a walk finds each kind
 * once. A source is read under the mutex: once covey_metrics_unregister() has returned its object
 * is not touched again. The mutex may be held across a switch, since reading one may lock its
 * object; nobody who holds an object's lock may register or unregister. */
#include "debug/metrics_source.h"

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
    while (*at && (*at)->kind_ == kind) {
        at = &(*at)->next_;
    }
    *s = (covey_metrics_source){kind, name, object, *at};
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

static void write_escaped(FILE *out, const char *text)
{
    for (; *text; text++) {
        switch (*text) {
        case '\\':
            (void)fputs("\\\\", out);
            break;
        case '"':
            (void)fputs("\\\"", out);
            break;
        case '\n':
            (void)fputs("\\n", out);
            break;
        default:
            (void)fputc(*text, out);
        }
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
        write_escaped(out, s->name_);
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
                         size_t at)
{
    int64_t values[COVEY_METRICS_MAX] = {0};

    s->kind_->read(s->object_, values);
    if (metric->is_histogram) {
        cvy_metrics_write_histogram(out, metric->name, s, metric, values + at);
        return;
    }
    (void)fputs(metric->name, out);
    cvy_metrics_write_labels(out, s, metric, NULL);
    cvy_metrics_write_value(out, values[at], metric->decimals);
}

/* All sources of first's kind: metric by metric, as the format demands. */
static void write_kind(FILE *out, const covey_metrics_source *first)
{
    const covey_metrics_kind *kind = first->kind_;
    const char *family = "";

    for (size_t i = 0, at = 0; i < kind->count; at += values_of(&kind->metrics[i]), i++) {
        const covey_metric *metric = &kind->metrics[i];
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
            write_sample(out, s, metric, at);
        }
    }
}

void cvy_metrics_write_sources(FILE *out)
{
    const covey_metrics_kind *written = NULL;

    covey_mutex_lock(&registry.mutex);
    for (const covey_metrics_source *s = registry.first; s; s = s->next_) {
        if (s->kind_ != written) {
            written = s->kind_;
            write_kind(out, s);
        }
    }
    covey_mutex_unlock(&registry.mutex);
}
