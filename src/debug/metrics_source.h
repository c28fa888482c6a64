/* SPDX-License-Identifier: MIT
 * metrics_source.h - what objects with figures of their own add to covey_metrics_write(). */
#ifndef CVY_DEBUG_METRICS_SOURCE_H
#define CVY_DEBUG_METRICS_SOURCE_H

#include <stdio.h>

/* May switch. */
void cvy_metrics_write_sources(FILE *out);

#endif
