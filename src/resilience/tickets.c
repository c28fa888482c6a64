/* SPDX-License-Identifier: MIT
 * tickets.c - a table of tickets: a growing array of places, the free ones in a chain, those that
 * are out in a list in order of issue. All steps take constant time. */
#include "resilience/tickets.h"

#include <stdlib.h>

void cvy_tickets_fini(struct cvy_tickets *t)
{
    free(t->places);
}

/* A free place, not linked anywhere; 0: out of memory. */
static uint32_t place_new(struct cvy_tickets *t)
{
    uint32_t place = t->free;

    if (place) {
        t->free = t->places[place].next;
        return place;
    }
    if (t->used + 1 >= t->room) {
        uint32_t room = t->room ? t->room * 2 : 16;
        struct cvy_ticket *moved =
            room > t->room ? realloc(t->places, room * sizeof(*moved)) : NULL;
        if (!moved) {
            return 0;
        }
        t->places = moved;
        t->room = room;
    }
    return ++t->used;
}

uint64_t cvy_ticket_issue(struct cvy_tickets *t, uint64_t generation, int64_t now)
{
    uint32_t place = place_new(t);

    if (!place) {
        return 0;
    }
    uint64_t id = (uint64_t)++t->serial << 32 | place;
    t->places[place] = (struct cvy_ticket){
        .id = id, .generation = generation, .issued_at = now, .previous = t->newest};
    if (t->newest) {
        t->places[t->newest].next = place;
    } else {
        t->oldest = place;
    }
    t->newest = place;
    t->out++;
    return id;
}

bool cvy_ticket_redeem(struct cvy_tickets *t, uint64_t id, struct cvy_ticket *ticket)
{
    uint32_t place = (uint32_t)id;

    if (place == 0 || place > t->used || t->places[place].id != id) {
        return false;
    }
    struct cvy_ticket *p = &t->places[place];
    *ticket = *p;
    *(p->previous ? &t->places[p->previous].next : &t->oldest) = p->next;
    *(p->next ? &t->places[p->next].previous : &t->newest) = p->previous;
    p->id = 0;
    p->next = t->free;
    t->free = place;
    t->out--;
    return true;
}

bool cvy_ticket_expire(struct cvy_tickets *t, int64_t issued_by, struct cvy_ticket *ticket)
{
    return t->oldest && t->places[t->oldest].issued_at <= issued_by &&
           cvy_ticket_redeem(t, t->places[t->oldest].id, ticket);
}
