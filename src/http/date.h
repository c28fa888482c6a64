/* SPDX-License-Identifier: MIT
 * date.h - dates as HTTP writes them, "Fri, 27 Nov 2026 17:00:00 GMT", whatever the program's
 * locale is (strftime() and strptime() would speak its language). */
#ifndef CVY_HTTP_DATE_H
#define CVY_HTTP_DATE_H

#include <stdbool.h>
#include <time.h>

#define CVY_HTTP_DATE_SIZE 30 /* with the NUL; years of four digits */

void cvy_http_date_write(char out[CVY_HTTP_DATE_SIZE], time_t at);
/* Any of the forms that RFC 9110 has. False: it is no date. */
bool cvy_http_date_read(const char *text, time_t *at);

#endif
