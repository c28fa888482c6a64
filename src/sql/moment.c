/* SPDX-License-Identifier: MIT
 * moment.c - see moment.h. Calendar arithmetic after Howard Hinnant's days_from_civil: years begin
 * in March, so that the leap day is the last. */
#include "sql/moment.h"

#include <stdio.h>
#include <string.h>

#define US_PER_SEC INT64_C(1000000)
#define SEC_PER_DAY 86400
#define DAYS_PER_ERA 146097 /* 400 years */
#define DAYS_TO_1970 719468 /* from 0000-03-01 */
#define YEAR_MAX 294246     /* the last whole one that 64 bits of microseconds hold */

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

static int64_t days_of(int64_t year, int month, int day)
{
    year -= month <= 2;
    int64_t era = floor_div(year, 400);
    int64_t of_era = year - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * DAYS_PER_ERA + of_era * 365 + of_era / 4 - of_era / 100 + of_year - DAYS_TO_1970;
}

static void date_of(int64_t days, int64_t *year, int *month, int *day)
{
    days += DAYS_TO_1970;
    int64_t era = floor_div(days, DAYS_PER_ERA);
    int64_t d = days - era * DAYS_PER_ERA;
    int64_t y = (d - d / 1460 + d / 36524 - d / 146096) / 365;
    int64_t of_year = d - (365 * y + y / 4 - y / 100);
    int64_t m = (5 * of_year + 2) / 153;

    *day = (int)(of_year - (153 * m + 2) / 5 + 1);
    *month = (int)(m < 10 ? m + 3 : m - 9);
    *year = y + era * 400 + (*month <= 2);
}

bool cvy_sql_moment_format(int64_t us, char out[CVY_SQL_MOMENT_LEN])
{
    int64_t sec = floor_div(us, US_PER_SEC), year;
    int64_t days = floor_div(sec, SEC_PER_DAY);
    int rest = (int)(sec - days * SEC_PER_DAY);
    int fraction = (int)((us % US_PER_SEC + US_PER_SEC) % US_PER_SEC);
    int month, day;

    date_of(days, &year, &month, &day);
    if (year < 0 || year > 9999) {
        return false;
    }
    int n = snprintf(out, CVY_SQL_MOMENT_LEN, "%04d-%02d-%02d %02d:%02d:%02d", (int)year, month,
                     day, rest / 3600, rest / 60 % 60, rest % 60);
    if (fraction != 0) {
        (void)snprintf(out + n, CVY_SQL_MOMENT_LEN - (size_t)n, ".%06d", fraction);
    }
    return true;
}

/* Reads min to max digits. */
static bool read_number(const char **p, int min, int max, int *out)
{
    int n = 0;

    *out = 0;
    while (n < max && **p >= '0' && **p <= '9') {
        *out = *out * 10 + (**p - '0');
        n++;
        (*p)++;
    }
    return n >= min;
}

static bool is_leap(int64_t year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static bool skip(const char **p, char c)
{
    if (**p == c) {
        (*p)++;
        return true;
    }
    return false;
}

static bool read_date(const char **p, int *year, int *month, int *day)
{
    static const int lengths[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    if (!read_number(p, 4, 6, year) || !skip(p, '-') || !read_number(p, 2, 2, month) ||
        !skip(p, '-') || !read_number(p, 2, 2, day)) {
        return false;
    }
    return *year <= YEAR_MAX && *month >= 1 && *month <= 12 && *day >= 1 &&
           *day <= lengths[*month - 1];
}

/* Microseconds since midnight. */
static bool read_time(const char **p, int64_t *us)
{
    int hour, minute, second = 0, fraction = 0;

    if (!read_number(p, 2, 2, &hour) || !skip(p, ':') || !read_number(p, 2, 2, &minute)) {
        return false;
    }
    if (skip(p, ':')) {
        if (!read_number(p, 2, 2, &second)) {
            return false;
        }
        if (skip(p, '.')) {
            const char *first = *p;
            if (!read_number(p, 1, 6, &fraction)) {
                return false;
            }
            for (long n = *p - first; n < 6; n++) {
                fraction *= 10;
            }
            while (**p >= '0' && **p <= '9') {
                (*p)++;
            }
        }
    }
    *us = (hour * 3600 + minute * 60 + second) * US_PER_SEC + fraction;
    return hour <= 24 && minute < 60 && second <= 60;
}

/* Seconds east of Greenwich. */
static bool read_zone(const char **p, int *east)
{
    int hour, minute = 0, second = 0;
    bool is_west = **p == '-';

    *east = 0;
    if (skip(p, 'Z') || (**p != '+' && **p != '-')) {
        return true;
    }
    (*p)++;
    bool is_good = read_number(p, 2, 2, &hour);
    if (is_good && skip(p, ':')) {
        is_good = read_number(p, 2, 2, &minute);
    }
    if (is_good && skip(p, ':')) {
        is_good = read_number(p, 2, 2, &second);
    }
    *east = hour * 3600 + minute * 60 + second;
    *east = is_west ? -*east : *east;
    return is_good && minute < 60 && second < 60;
}

bool cvy_sql_moment_parse(const char *text, int64_t *us)
{
    const char *p = text;
    int year, month, day, east = 0;
    int64_t time = 0;

    if (strcmp(text, "infinity") == 0 || strcmp(text, "-infinity") == 0) {
        *us = text[0] == '-' ? INT64_MIN : INT64_MAX;
        return true;
    }
    if (!read_date(&p, &year, &month, &day)) {
        return false;
    }
    bool has_time = (p[0] == 'T' || p[0] == ' ') && p[1] >= '0' && p[1] <= '9';
    if (has_time) {
        p++;
        if (!read_time(&p, &time) || !read_zone(&p, &east)) {
            return false;
        }
    }
    if (strcmp(p, " BC") == 0) {
        year = 1 - year;
    } else if (*p) {
        return false;
    }
    if (month == 2 && day == 29 && !is_leap(year)) {
        return false;
    }
    *us = days_of(year, month, day) * SEC_PER_DAY * US_PER_SEC + time - east * US_PER_SEC;
    return true;
}
