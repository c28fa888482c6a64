/* SPDX-License-Identifier: MIT
 * named.c - see named.h. A list apart: a channel without a name pays for none. Channels of the same
 * name stand next to each other in it. */
#include "chan/named.h"

#include "base/alloc.h"
#include "base/list.h"
#include "os/lock.h"
#include "sched/task.h"

#include <covey/error.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#undef errno

struct named {
    struct named *next;
    covey_chan *chan; /* not counted: it leaves the list before it goes */
    char name[CVY_CHAN_NAME_MAX + 1];
};

static struct cvy_lock lock = CVY_LOCK_INIT(CVY_RANK_GROUP); /* channels are locked under it */
static struct named *first;

/* Takes its entry out of the list; NULL: it has none. */
static struct named *take(covey_chan *ch)
{
    cvy_lock(&lock);
    struct named **at = &first;
    while (*at && (*at)->chan != ch) {
        at = &(*at)->next;
    }
    struct named *found = *at;
    if (found) {
        *at = found->next;
    }
    cvy_unlock(&lock);
    return found;
}

static void insert(struct named *n)
{
    cvy_lock(&lock);
    struct named **at = &first;
    while (*at && strcmp((*at)->name, n->name) != 0) {
        at = &(*at)->next;
    }
    n->next = *at;
    *at = n;
    cvy_unlock(&lock);
}

int covey_chan_set_name(covey_chan *ch, const char *name)
{
    if (!ch || (name && (!name[0] || strlen(name) > CVY_CHAN_NAME_MAX))) {
        return covey_errorf(-EINVAL, "a channel's name has 1 to %d bytes", CVY_CHAN_NAME_MAX);
    }
    struct named *n = name ? cvy_alloc(sizeof(*n)) : NULL;
    if (name && !n) {
        return covey_errorf(-ENOMEM, "no memory for a channel's name");
    }
    free(take(ch));
    cvy_chan_set_named(ch, name != NULL);
    if (n) {
        memcpy(n->name, name, strlen(name) + 1);
        n->chan = ch;
        insert(n);
    }
    return 0;
}

void cvy_chan_named_remove(covey_chan *ch)
{
    free(take(ch));
}

int cvy_chan_named_print(const covey_chan *ch, char *out, size_t size)
{
    int len = 0;

    out[0] = '\0';
    if (!cvy_lock_try(&lock)) {
        return 0;
    }
    const struct named *n = first;
    while (n && n->chan != ch) {
        n = n->next;
    }
    if (n) {
        len = snprintf(out, size, "\"%s\"", n->name);
    }
    cvy_unlock(&lock);
    for (char *c = out; *c; c++) {
        if ((unsigned char)*c < ' ' || *c == 0x7f) {
            *c = '?';
        }
    }
    return len;
}

static void add(struct cvy_chan_figures *sum, covey_chan *ch)
{
    struct cvy_chan_figures f = {0};

    cvy_chan_figures(ch, &f);
    sum->len += f.len;
    sum->capacity += f.capacity;
    sum->senders += f.senders;
    sum->receivers += f.receivers;
}

/* At most room of them; how many there are. */
static size_t look(struct cvy_chan_figures *out, size_t room)
{
    size_t count = 0;

    cvy_lock(&lock);
    for (const struct named *n = first; n; count++) {
        struct cvy_chan_figures sum = {0};
        const char *name = n->name;
        memcpy(sum.name, name, sizeof(sum.name));
        for (; n && strcmp(n->name, name) == 0; n = n->next) {
            if (count < room) {
                add(&sum, n->chan);
            }
        }
        if (count < room) {
            out[count] = sum;
        }
    }
    cvy_unlock(&lock);
    return count;
}

int cvy_chan_named_list(struct cvy_chan_figures **out, size_t *count)
{
    struct cvy_chan_figures *list = NULL;
    size_t room = 0;
    size_t n;

    /* Without memory taken under the lock: more may have been named by the time there is some. */
    while ((n = look(list, room)) > room) {
        free(list);
        room = n + n / 4;
        list = cvy_alloc(room * sizeof(*list));
        if (!list) {
            return -ENOMEM;
        }
    }
    *out = list;
    *count = n;
    return 0;
}
