/* SPDX-License-Identifier: MIT
 * conditions.c - see conditions.h. */
#include "http/conditions.h"
#include "http/date.h"

#include <string.h>
#include <strings.h>

/* ---- what must be so, or not ---- */

/* Whether a list of entity tags has this one, which is strong; as a weak one too, if that counts.
 */
static bool has_tag(const char *list, const char *etag, bool weak_counts)
{
    size_t len = strlen(etag);

    if (strcmp(list, "*") == 0) {
        return true;
    }
    while (*list) {
        list += strspn(list, " \t,");
        list += weak_counts && strncmp(list, "W/", 2) == 0 ? 2 : 0;
        if (strncmp(list, etag, len) == 0 && (list[len] == '\0' || strchr(" \t,", list[len]))) {
            return true;
        }
        list += strcspn(list, ",");
    }
    return false;
}

/* False also if the header says no date. */
static bool is_later(const struct cvy_http_state *s, const char *since)
{
    time_t at;

    return since && cvy_http_date_read(since, &at) && s->modified > at;
}

static bool is_not_later(const struct cvy_http_state *s, const char *since)
{
    time_t at;

    return since && cvy_http_date_read(since, &at) && s->modified <= at;
}

int cvy_http_conditions_check(const covey_http_server_request *req, const struct cvy_http_state *s)
{
    const char *match = covey_http_request_header(req, "If-Match");
    const char *no_match = covey_http_request_header(req, "If-None-Match");

    if (match ? !has_tag(match, s->etag, false)
              : is_later(s, covey_http_request_header(req, "If-Unmodified-Since"))) {
        return 412;
    }
    if (no_match ? has_tag(no_match, s->etag, true)
                 : is_not_later(s, covey_http_request_header(req, "If-Modified-Since"))) {
        return 304;
    }
    return 0;
}

/* ---- ranges ---- */

/* Digits, if there are any: false. What is too large is as good as the largest. */
static bool read_number(const char **text, int64_t *number)
{
    const char *at = *text;

    for (*number = 0; *at >= '0' && *at <= '9'; at++) {
        int64_t digit = *at - '0';
        *number = *number > (INT64_MAX - digit) / 10 ? INT64_MAX : 10 * *number + digit;
    }
    bool is_there = at > *text;
    *text = at;
    return is_there;
}

/* "bytes=1-2", "bytes=1-", "bytes=-2". */
static int read_range(const char *range, int64_t size, int64_t *from, int64_t *to)
{
    int64_t first, last;

    if (strncasecmp(range, "bytes=", 6) != 0) {
        return 200;
    }
    range += 6;
    bool has_first = read_number(&range, &first);
    if (*range++ != '-') {
        return 200;
    }
    bool has_last = read_number(&range, &last);
    if (*range || (!has_first && !has_last) || (has_first && has_last && last < first)) {
        return 200;
    }
    if (!has_first) { /* so many at the end */
        first = last < size ? size - last : 0;
        last = last > 0 ? INT64_MAX : -1;
    } else if (!has_last) {
        last = INT64_MAX;
    }
    if (first >= size || last < 0) {
        return 416;
    }
    *from = first;
    *to = last < size - 1 ? last + 1 : size;
    return 206;
}

int cvy_http_range_of(const covey_http_server_request *req, const struct cvy_http_state *s,
                      int64_t *from, int64_t *to)
{
    const char *range = covey_http_request_header(req, "Range");
    const char *condition = covey_http_request_header(req, "If-Range");
    bool is_same = !condition || strcmp(condition, s->etag) == 0 || strcmp(condition, s->date) == 0;

    *from = 0;
    *to = s->size;
    return range && is_same && strcmp(req->method, "GET") == 0
               ? read_range(range, s->size, from, to)
               : 200;
}
