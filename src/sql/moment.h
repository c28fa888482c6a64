/* SPDX-License-Identifier: MIT
 * moment.h - times as text: "2026-11-27 14:05:00.25". Times are microseconds since 1970 in UTC. */
#ifndef CVY_SQL_MOMENT_H
#define CVY_SQL_MOMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CVY_SQL_MOMENT_LEN 32

/* UTC without a zone, the fraction of six digits left out if it is 0. False: not in the years 0 to
 * 9999. */
bool cvy_sql_moment_format(int64_t us, char out[CVY_SQL_MOMENT_LEN]);
/* A date, a date and a time of day (a space or T between), with a zone (Z, +02, +02:00) or in UTC,
 * in any year, BC behind it if it is before 1; "infinity" and "-infinity". False: anything else. A
 * fraction is cut after six digits. */
bool cvy_sql_moment_parse(const char *text, int64_t *us);

#endif
