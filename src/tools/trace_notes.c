/* SPDX-License-Identifier: MIT
 * trace_notes.c - what else events tell of: groups, names, regions, logs, peers. See trace_build.h.
 * Some come in pairs, or with text behind them: a ring's pending is the one before. */
#include "tools/line.h"
#include "tools/trace_build.h"

#include <stdlib.h>
#include <string.h>

#define TEXT_LEN_MAX 160
#define NESTING_MAX 1000 /* regions that are looked through for the one that ends */

/* Groups are listed while events are recorded, for a snapshot at its end: one at this address that
 * is open is it, and was not there before. If it has ended, it is another one; then a snapshot's
 * list says nothing of it. */
static uint32_t group_begin(struct cvy_trace_model *m, const struct cvy_trace_group *group)
{
    uint32_t i = cvy_trace_group_of(m, group->object);
    struct cvy_trace_group *listed = &m->groups[i];

    if (listed->was_there_before && listed->end >= 0 && m->trace->header.is_snapshot) {
        listed->site = 0;
        listed->opener = 0;
    }
    if (!listed->was_there_before || listed->end >= 0) {
        return cvy_trace_group_add(m, group);
    }
    listed->start = group->start;
    listed->opener = group->opener;
    listed->was_there_before = false;
    return i;
}

static void group_opened(struct cvy_trace_model *m, const struct cvy_trace_item *e)
{
    struct cvy_trace_worker *w = &m->workers[e->ring];
    uint32_t opener = cvy_trace_life_of(m, e->id);
    uint32_t group =
        group_begin(m, &(struct cvy_trace_group){
                           .object = e->object, .opener = opener, .start = e->ns, .end = -1});

    if (group) {
        w->pending = COVEY_TRACE_group_open;
        w->pending_index = group;
    }
}

static void group_joined(struct cvy_trace_model *m, const struct cvy_trace_item *e)
{
    uint32_t g = cvy_trace_group_of(m, e->object);

    /* Not one that has ended: the opening of the next one at this address may be missing. */
    if (g && m->groups[g].end < 0) {
        m->groups[g].end = e->ns;
    }
}

static void mark(struct cvy_trace_model *m, const struct cvy_trace_item *e)
{
    if (cvy_trace_grow(m, &m->marks, m->mark_count, &m->mark_room, sizeof(*m->marks))) {
        m->workers[e->ring].pending = e->type;
        m->workers[e->ring].pending_index = (uint32_t)m->mark_count;
        m->marks[m->mark_count++] =
            (struct cvy_trace_mark){.task = cvy_trace_life_of(m, e->id),
                                    .at = e->ns,
                                    .site = e->type == COVEY_TRACE_log ? e->object : 0};
    }
}

static void text(struct cvy_trace_model *m, const struct cvy_trace_item *e)
{
    struct cvy_trace_worker *w = &m->workers[e->ring];
    char **at = NULL;
    char part[11] = {0};
    size_t n = e->arg & 0x7F;

    if (w->pending == COVEY_TRACE_name) {
        at = &m->lives[w->pending_index].name;
    } else if (w->pending == COVEY_TRACE_message) {
        at = &m->marks[w->pending_index].text;
    } else if (w->pending == COVEY_TRACE_peer) {
        at = &m->peers[w->pending_index].text;
    } else {
        return;
    }
    memcpy(part, &e->id, 4);
    memcpy(part + 4, &e->object, 6);
    part[n < 10 ? n : 10] = '\0';
    size_t len = *at ? strlen(*at) : 0;
    if (len < TEXT_LEN_MAX) {
        char *longer = realloc(*at, len + sizeof(part));
        if (!longer) {
            m->is_out_of_memory = true;
            return;
        }
        memcpy(longer + len, part, sizeof(part));
        *at = longer;
    }
    if (e->arg & 0x80) {
        w->pending = 0;
    }
}

/* Not part by part: a character may be in two of them. */
void cvy_trace_texts_end(struct cvy_trace_model *m)
{
    for (size_t i = 0; i < m->life_count; i++) {
        if (m->lives[i].name) {
            cvy_line_make_printable(m->lives[i].name);
        }
    }
    for (size_t i = 0; i < m->peer_count; i++) {
        if (m->peers[i].text) {
            cvy_line_make_printable(m->peers[i].text);
        }
    }
}

static void peer(struct cvy_trace_model *m, const struct cvy_trace_item *e)
{
    struct cvy_trace_worker *w = &m->workers[e->ring];

    w->pending = 0;
    if (cvy_trace_grow(m, &m->peers, m->peer_count, &m->peer_room, sizeof(*m->peers))) {
        w->pending = COVEY_TRACE_peer;
        w->pending_index = (uint32_t)m->peer_count;
        m->peers[m->peer_count++] = (struct cvy_trace_peer){.object = e->id, .at = e->ns};
    }
}

static void region_began(struct cvy_trace_model *m, const struct cvy_trace_item *e)
{
    uint32_t task = cvy_trace_life_of(m, e->id);

    if (cvy_trace_grow(m, &m->regions, m->region_count, &m->region_room, sizeof(*m->regions))) {
        m->regions[m->region_count++] =
            (struct cvy_trace_region){.task = task,
                                      .site = e->object,
                                      .start = e->ns,
                                      .end = -1,
                                      .outer = m->lives[task].open_region};
        m->lives[task].open_region = (uint32_t)m->region_count;
    }
}

/* The innermost of its task and site. They need not end in the order of their nesting. */
static void region_ended(struct cvy_trace_model *m, const struct cvy_trace_item *e)
{
    uint32_t *link = &m->lives[cvy_trace_life_of(m, e->id)].open_region;

    for (int i = 1; i < NESTING_MAX && *link != 0 && m->regions[*link - 1].site != e->object; i++) {
        link = &m->regions[*link - 1].outer;
    }
    if (*link != 0 && m->regions[*link - 1].site == e->object) {
        struct cvy_trace_region *r = &m->regions[*link - 1];
        r->end = e->ns;
        *link = r->outer;
    }
}

static void name(struct cvy_trace_model *m, const struct cvy_trace_item *e)
{
    struct cvy_trace_worker *w = &m->workers[e->ring];
    uint32_t life = cvy_trace_life_of(m, e->id);

    w->pending = life ? COVEY_TRACE_name : 0;
    w->pending_index = life;
    if (life) {
        free(m->lives[life].name);
        m->lives[life].name = NULL;
    }
}

/* Of the group that was opened just before. */
static void site(struct cvy_trace_model *m, const struct cvy_trace_item *e)
{
    struct cvy_trace_worker *w = &m->workers[e->ring];

    if (w->pending == COVEY_TRACE_group_open) {
        m->groups[w->pending_index].site = e->object;
    }
    w->pending = 0;
}

static void value(struct cvy_trace_model *m, const struct cvy_trace_item *e)
{
    struct cvy_trace_worker *w = &m->workers[e->ring];

    if (w->pending == COVEY_TRACE_log) {
        m->marks[w->pending_index].value = (int64_t)(e->object << 32 | e->id);
    }
    w->pending = 0;
}

void cvy_trace_note_event(struct cvy_trace_model *m, const struct cvy_trace_item *e)
{
    switch (e->type) {
    case COVEY_TRACE_group:
        m->workers[e->ring].group_of_new = e->object;
        break;
    case COVEY_TRACE_group_open:
        group_opened(m, e);
        break;
    case COVEY_TRACE_group_join:
        group_joined(m, e);
        break;
    case COVEY_TRACE_name:
        name(m, e);
        break;
    case COVEY_TRACE_peer:
        peer(m, e);
        break;
    case COVEY_TRACE_log:
    case COVEY_TRACE_message:
        mark(m, e);
        break;
    case COVEY_TRACE_text:
        text(m, e);
        break;
    case COVEY_TRACE_site:
        site(m, e);
        break;
    case COVEY_TRACE_value:
        value(m, e);
        break;
    case COVEY_TRACE_region_begin:
        region_began(m, e);
        break;
    case COVEY_TRACE_region_end:
        region_ended(m, e);
        break;
    case COVEY_TRACE_steal:
        m->workers[e->ring].steals++;
        m->workers[e->ring].stolen += e->object;
        break;
    default:
        break;
    }
}
