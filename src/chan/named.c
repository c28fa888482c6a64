/* SPDX-License-Identifier: MIT
 * named.c - see named.h. A list apart: a channel without a name pays for none. */
#include "chan/named.h"

#include "base/alloc.h"
#include "base/list.h"
#include "os/lock.h"
#include "sched/task.h"

#include <covey/error.h>

#include <stdio.h>
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
        cvy_lock(&lock);
        n->next = first;
        first = n;
        cvy_unlock(&lock);
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
        *c = (unsigned char)*c < ' ' || *c == 0x7f ? '?' : *c;
    }
    return len;
}

void cvy_chan_named_each(void (*fn)(const struct cvy_chan_figures *f, void *arg), void *arg)
{
    cvy_lock(&lock);
    for (const struct named *n = first; n; n = n->next) {
        struct cvy_chan_figures f = {.name = n->name};
        cvy_chan_figures(n->chan, &f);
        fn(&f, arg);
    }
    cvy_unlock(&lock);
}
