/* SPDX-License-Identifier: MIT
 * metrics_source.h - what objects with figures of their own add to covey_metrics_write(). */
#ifndef CVY_DEBUG_METRICS_SOURCE_H
#define CVY_DEBUG_METRICS_SOURCE_H

#include <covey/metrics.h>

/* 0; -ENOMEM. May switch. */
int cvy_metrics_write_sources(FILE *out);
/* As a label's value: a scraper takes nothing that is no UTF-8. */
void cvy_metrics_write_escaped(FILE *out, const char *text);
/* " 0.25\n". Not by %f: a locale may have another decimal point. */
void cvy_metrics_write_value(FILE *out, int64_t value, int decimals);
/* {queue="in",le="0.1"}: the source's labels, if it is one (s not NULL), and le, if it is not. */
void cvy_metrics_write_labels(FILE *out, const covey_metrics_source *s, const covey_metric *metric,
                              const char *le);
/* The lines of a histogram; values as covey_histogram_read() gives them. */
void cvy_metrics_write_histogram(FILE *out, const char *name, const covey_metrics_source *s,
                                 const covey_metric *metric, const int64_t *values);

#endif
