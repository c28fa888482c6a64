/* SPDX-License-Identifier: MIT
 * date.c - see date.h. Reading is libcurl's. */
#include "http/date.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>

void cvy_http_date_write(char out[CVY_HTTP_DATE_SIZE], time_t at)
{
    static const char days[] = "SunMonTueWedThuFriSat";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    char text[64]; /* as long as a compiler must fear */
    struct tm tm;

    (void)gmtime_r(&at, &tm);
    (void)snprintf(text, sizeof(text), "%.3s, %02d %.3s %04d %02d:%02d:%02d GMT",
                   days + (size_t)3 * (size_t)tm.tm_wday, tm.tm_mday,
                   months + (size_t)3 * (size_t)tm.tm_mon, (tm.tm_year + 1900) % 10000, tm.tm_hour,
                   tm.tm_min, tm.tm_sec);
    memcpy(out, text, CVY_HTTP_DATE_SIZE - 1);
    out[CVY_HTTP_DATE_SIZE - 1] = '\0';
}

bool cvy_http_date_read(const char *text, time_t *at)
{
    *at = curl_getdate(text, NULL);
    return *at != -1;
}
