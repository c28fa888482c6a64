/* SPDX-License-Identifier: MIT
 * error_list.c - see error_list.h. */
#include "group/error_list.h"

#include "base/alloc.h"
#include "os/lock.h"

#include <covey/error.h>

#include <stdlib.h>
#include <string.h>

#undef errno

struct covey_error_list {
    /* Guarded by lock. */
    struct cvy_lock lock; /* rank CVY_RANK_POOL: taken inside the group's */
    struct cvy_message *entries;
    size_t len, room;
    size_t lost; /* entries there was no memory for */
};

covey_error_list *covey_error_list_new(void)
{
    covey_error_list *l = cvy_alloc_zeroed(sizeof(*l));

    if (l) {
        cvy_lock_init(&l->lock, CVY_RANK_POOL);
    }
    return l;
}

void covey_error_list_free(covey_error_list *l)
{
    if (!l) {
        return;
    }
    for (size_t i = 0; i < l->len; i++) {
        free(l->entries[i].text);
    }
    free(l->entries);
    free(l);
}

void cvy_error_list_add(covey_error_list *l, const struct cvy_message *m)
{
    cvy_lock(&l->lock);
    if (cvy_grow(&l->entries, l->len, &l->room, sizeof(*l->entries))) {
        struct cvy_message *entry = &l->entries[l->len++];
        *entry = *m;
        entry->text = m->text ? cvy_strdup(m->text) : NULL;
    } else {
        l->lost++;
    }
    cvy_unlock(&l->lock);
}

size_t covey_error_list_len(const covey_error_list *l)
{
    return l ? l->len + l->lost : 0;
}

int covey_error_list_code(const covey_error_list *l, size_t i)
{
    if (!l || i >= l->len) {
        return i < covey_error_list_len(l) ? -ENOMEM : 0;
    }
    return l->entries[i].code;
}

const char *covey_error_list_message(const covey_error_list *l, size_t i)
{
    if (l && i < l->len) {
        return cvy_message_words(&l->entries[i]);
    }
    int code = covey_error_list_code(l, i);
    return code ? covey_strerror(code) : "";
}
