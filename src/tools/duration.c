/* SPDX-License-Identifier: MIT
 * duration.c - see duration.h. */
#include "tools/duration.h"

#include <covey/defs.h>

#include <stdlib.h>
#include <string.h>

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
             {"d", 24 * 3600 * COVEY_SEC}};

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
    double sum = 0;
    bool has_unit = true;

    if (*text == '\0') {
        return false;
    }
    while (*text) {
        char *number_end;
        const char *end;

        if ((*text < '0' || *text > '9') && *text != '.') {
            return false; /* strtod would take a sign, "inf", or hexadecimals */
        }
        if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
            return false;
        }
        double number = strtod(text, &number_end);
        if (number_end == text || !has_unit) {
            return false;
        }
        has_unit = *number_end != '\0';
        int64_t unit = has_unit ? unit_at(number_end, &end) : COVEY_SEC;
        if (unit == 0) {
            return false;
        }
        text = has_unit ? end : number_end;
        sum += number * (double)unit;
    }
    if (sum > (double)LONGEST) {
        return false;
    }
    *ns = (int64_t)(sum + 0.5);
    return true;
}
