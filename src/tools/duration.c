/* SPDX-License-Identifier: MIT
 * duration.c - see duration.h. */
#include "tools/duration.h"

#include <covey/defs.h>

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define LONGEST (INT64_C(366) * 24 * 3600 * COVEY_SEC)

static const struct {
    const char *name;
    int64_t ns;
} units[] = {{"ns", 1},
             {"us", COVEY_US},
             {"ms", COVEY_MS},
             {"s", COVEY_SEC},
             {"m", 60 * COVEY_SEC},
             {"h", 3600 * COVEY_SEC},
             {"d", 24 * INT64_C(3600) * COVEY_SEC}};

/* The unit at text, and behind it. 0: none. */
static int64_t unit_at(const char *text, const char **end)
{
    size_t len = strspn(text, "abcdefghijklmnopqrstuvwxyz");

    *end = text + len;
    for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
        if (strlen(units[i].name) == len && strncmp(text, units[i].name, len) == 0) {
            return units[i].ns;
        }
    }
    return 0;
}

bool cvy_duration_parse(const char *text, int64_t *ns)
{
    const char *start = text;
    double sum = 0;

    if (*text == '\0') {
        return false;
    }
    while (*text) {
        char *number_end;
        const char *end;

        /* strtod would take a sign, "inf", and hexadecimals too. */
        if (strspn(text, "0123456789.") == 0 || strncasecmp(text, "0x", 2) == 0) {
            return false;
        }
        double number = strtod(text, &number_end);
        bool is_bare = text == start && *number_end == '\0';
        int64_t unit = unit_at(number_end, &end);
        if (is_bare) {
            unit = COVEY_SEC;
        }
        if (number_end == text || unit == 0) {
            return false;
        }
        text = end;
        sum += number * (double)unit;
    }
    if (sum > (double)LONGEST) {
        return false;
    }
    *ns = (int64_t)(sum + 0.5);
    return true;
}
