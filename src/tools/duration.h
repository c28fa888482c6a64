/* SPDX-License-Identifier: MIT
 * duration.h - "100ms", "5s", "1m30s", "2h", "1.5s" as nanoseconds. */
#ifndef CVY_TOOLS_DURATION_H
#define CVY_TOOLS_DURATION_H

#include <stdbool.h>
#include <stdint.h>

/* False: text is no duration, or none that fits. Without a unit: seconds. */
bool cvy_duration_parse(const char *text, int64_t *ns);

#endif
