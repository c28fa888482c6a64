/* SPDX-License-Identifier: MIT
 * message.c - see message.h. */
#include "redis/message.h"

#include <stdlib.h>
#include <string.h>

struct text {
    const char *at;
    size_t len;
};

static struct text text_at(const covey_redis_reply *push, size_t i)
{
    struct text t;

    t.at = covey_redis_text(covey_redis_at(push, i), &t.len);
    return t;
}

bool cvy_redis_opens_with(const covey_redis_reply *push, const char *word)
{
    const char *text = text_at(push, 0).at;

    return text && strcmp(text, word) == 0;
}

bool cvy_redis_is_message(const covey_redis_reply *push)
{
    return cvy_redis_opens_with(push, "message") || cvy_redis_opens_with(push, "pmessage");
}

static const char *put(char **to, struct text t)
{
    char *at = *to;

    if (t.len > 0) {
        memcpy(at, t.at, t.len);
    }
    at[t.len] = '\0';
    *to = at + t.len + 1;
    return at;
}

static covey_redis_message *make(covey_redis_message_kind kind, struct text pattern,
                                 struct text channel, struct text data)
{
    covey_redis_message *m = malloc(sizeof(*m) + pattern.len + channel.len + data.len + 3);

    if (m) {
        char *to = (char *)(m + 1);
        m->kind = kind;
        m->pattern = put(&to, pattern);
        m->channel = put(&to, channel);
        m->channel_len = channel.len;
        m->data = put(&to, data);
        m->len = data.len;
    }
    return m;
}

/* "message" channel data; "pmessage" pattern channel data. */
covey_redis_message *cvy_redis_message_of(const covey_redis_reply *push)
{
    bool by_pattern = cvy_redis_opens_with(push, "pmessage");
    struct text pattern = by_pattern ? text_at(push, 1) : (struct text){0};

    return make(COVEY_REDIS_MESSAGE, pattern, text_at(push, 1 + by_pattern),
                text_at(push, 2 + by_pattern));
}

covey_redis_message *cvy_redis_message_gap(void)
{
    struct text none = {0};

    return make(COVEY_REDIS_GAP, none, none, none);
}

void covey_redis_message_free(covey_redis_message *m)
{
    free(m);
}
