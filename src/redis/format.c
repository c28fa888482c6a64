/* SPDX-License-Identifier: MIT
 * format.c - see format.h.
 *
 * What hiredis does for arguments one by one, without a text of its own in between: straight to
 * where a request keeps its bytes. */
#include "redis/format.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define COMMAND_MAX ((size_t)512 * 1024 * 1024) /* the server takes no larger string either */
#define HEADER_MAX 24                           /* "$12345\r\n", and an argument's "\r\n" */

/* ---- bytes ---- */

static size_t length(const covey_redis_args *a, int i)
{
    return a->lens ? a->lens[i] : strlen(a->argv[i]);
}

static size_t count_digits(size_t n)
{
    size_t digits = 1;

    while (n >= 10) {
        n /= 10;
        digits++;
    }
    return digits;
}

int64_t cvy_redis_format_len(const covey_redis_args *a)
{
    if (a->argc < 1) {
        return covey_errorf(-EINVAL, "redis: a command without a word");
    }
    size_t total = 3 + count_digits((size_t)a->argc);
    for (int i = 0; i < a->argc; i++) {
        size_t len = length(a, i);
        if (len > COMMAND_MAX || total > COMMAND_MAX - len - HEADER_MAX) {
            return covey_errorf(COVEY_ETOOLARGE, "redis: a command of more than 512 MiB");
        }
        total += 3 + count_digits(len) + len + 2;
    }
    return (int64_t)total;
}

/* "$12\r\n". */
static char *put_header(char *to, char kind, size_t n)
{
    size_t digits = count_digits(n);

    *to++ = kind;
    for (size_t i = digits; i > 0; i--) {
        to[i - 1] = (char)('0' + n % 10);
        n /= 10;
    }
    to += digits;
    *to++ = '\r';
    *to++ = '\n';
    return to;
}

char *cvy_redis_format(char *to, const covey_redis_args *a)
{
    to = put_header(to, '*', (size_t)a->argc);
    for (int i = 0; i < a->argc; i++) {
        size_t len = length(a, i);
        to = put_header(to, '$', len);
        if (len > 0) {
            memcpy(to, a->argv[i], len);
        }
        to += len;
        *to++ = '\r';
        *to++ = '\n';
    }
    return to;
}

/* ---- words ---- */

struct cvy_redis_word cvy_redis_first_word(const covey_redis_args *a)
{
    return (struct cvy_redis_word){a->argv[0], length(a, 0)};
}

struct cvy_redis_word cvy_redis_first_word_of(const char *text)
{
    const char *at = strchr(text, '$');
    char *end;

    if (!at) {
        return (struct cvy_redis_word){"", 0};
    }
    size_t len = strtoul(at + 1, &end, 10);
    return (struct cvy_redis_word){end + 2, len};
}

bool cvy_redis_word_is(struct cvy_redis_word w, const char *name)
{
    return w.len == strlen(name) && strncasecmp(w.at, name, w.len) == 0;
}

static const char *const own_only[] = {
    "AUTH",       "BLMOVE",   "BLMPOP",  "BLPOP",    "BRPOP",   "BRPOPLPUSH", "BZMPOP",
    "BZPOPMAX",   "BZPOPMIN", "DISCARD", "EXEC",     "HELLO",   "MONITOR",    "MULTI",
    "PSUBSCRIBE", "PSYNC",    "QUIT",    "READONLY", "RESET",   "SELECT",     "SSUBSCRIBE",
    "SUBSCRIBE",  "SYNC",     "UNWATCH", "WAIT",     "WAITAOF", "WATCH",
};

static int by_name(const void *key, const void *entry)
{
    return strcmp(key, *(const char *const *)entry);
}

int cvy_redis_check_shared(struct cvy_redis_word w)
{
    char name[16] = "";

    for (size_t i = 0; w.len < sizeof(name) && i < w.len; i++) {
        name[i] = (char)toupper((unsigned char)w.at[i]);
    }
    if (!bsearch(name, own_only, sizeof(own_only) / sizeof(*own_only), sizeof(*own_only),
                 by_name)) {
        return 0;
    }
    return covey_errorf(-EINVAL, "redis: %s needs a connection of its own (covey_redis_own)", name);
}
