/* SPDX-License-Identifier: MIT
 * refusal.c - what a server's error is to its caller: a code, the server's words, and for those
 * that a cluster says ours. */
#include "redis/reply.h"

#include <string.h>

static const char words[] = "redis: "; /* what a refusal's message opens with */

static bool is_kind(const char *text, const char *kind)
{
    size_t len = strlen(kind);

    return strncmp(text, kind, len) == 0 && (text[len] == ' ' || text[len] == '\0');
}

static bool is_one_of(const char *text, const char *const *kinds)
{
    while (*kinds && !is_kind(text, *kinds)) {
        kinds++;
    }
    return *kinds != NULL;
}

int cvy_redis_refusal(const covey_redis_reply *reply)
{
    static const char *const denied[] = {"NOAUTH", "WRONGPASS", "NOPERM", NULL};
    static const char *const redirected[] = {"MOVED", "ASK", NULL};

    if (reply->type != COVEY_REDIS_ERROR) {
        return 0;
    }
    if (is_one_of(reply->text, denied)) {
        return covey_errorf(-EACCES, "%s%s", words, reply->text);
    }
    /* "MOVED 3999 10.0.0.2:6379". */
    const char *node = is_one_of(reply->text, redirected) ? strrchr(reply->text, ' ') : NULL;
    if (node) {
        return covey_errorf(COVEY_EREDIS,
                            "%s%s (the key is on the cluster's node%s: open that one)", words,
                            reply->text, node);
    }
    return covey_errorf(COVEY_EREDIS, "%s%s", words, reply->text);
}

bool covey_redis_refused(const char *kind)
{
    const char *text = covey_errmsg();
    int code = covey_errcode();

    return (code == COVEY_EREDIS || code == -EACCES) &&
           strncmp(text, words, sizeof(words) - 1) == 0 && is_kind(text + sizeof(words) - 1, kind);
}
