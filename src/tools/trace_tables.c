/* SPDX-License-Identifier: MIT
 * trace_tables.c - two hash tables of a model that is being made: tasks by the low half of their
 * id, open groups by address. See trace_build.h. */
#include "tools/grow.h"
#include "tools/trace_build.h"

#include <stdlib.h>

bool cvy_trace_grow(struct cvy_trace_model *m, void *items, size_t count, size_t *room, size_t size)
{
    bool fits =
        count < *room || (*room <= UINT32_MAX / 2 && cvy_tools_grow(items, count, room, size));

    m->is_out_of_memory |= !fits;
    return fits;
}

static size_t hash(uint64_t key)
{
    return (size_t)((key * UINT64_C(0x9E3779B97F4A7C15)) >> 32);
}

static uint32_t key_of_life(const struct cvy_trace_model *m, uint32_t i)
{
    return (uint32_t)m->lives[i].id;
}

/* The slot of id, or the free one where it belongs. */
static uint32_t *life_slot(const struct cvy_trace_model *m, uint32_t id)
{
    size_t i = hash(id) & (m->by_id_room - 1);
    while (m->by_id[i] != 0 && key_of_life(m, m->by_id[i]) != id) {
        i = (i + 1) & (m->by_id_room - 1);
    }
    return &m->by_id[i];
}

static uint32_t *group_slot(const struct cvy_trace_model *m, uint64_t object)
{
    size_t i = hash(object) & (m->by_object_room - 1);
    while (m->by_object[i] != 0 && m->groups[m->by_object[i]].object != object) {
        i = (i + 1) & (m->by_object_room - 1);
    }
    return &m->by_object[i];
}

/* A table of twice the room, at most half full. */
static bool table_grow(struct cvy_trace_model *m, uint32_t **table, size_t count, size_t *room,
                       uint32_t *(*slot)(const struct cvy_trace_model *m, uint64_t key),
                       uint64_t (*key)(const struct cvy_trace_model *m, uint32_t i))
{
    if (*room > 0 && count * 2 < *room) {
        return true;
    }
    uint32_t *old = *table;
    size_t old_room = *room;
    size_t larger = old_room ? old_room * 2 : 256;
    uint32_t *fresh = calloc(larger, sizeof(*fresh));
    if (!fresh) {
        m->is_out_of_memory = true;
        return false;
    }
    *table = fresh;
    *room = larger;
    for (size_t i = 0; i < old_room; i++) {
        if (old[i] != 0) {
            *slot(m, key(m, old[i])) = old[i];
        }
    }
    free(old);
    return true;
}

static uint32_t *life_slot_by_key(const struct cvy_trace_model *m, uint64_t key)
{
    return life_slot(m, (uint32_t)key);
}

static uint64_t life_key(const struct cvy_trace_model *m, uint32_t i)
{
    return key_of_life(m, i);
}

static uint64_t group_key(const struct cvy_trace_model *m, uint32_t i)
{
    return m->groups[i].object;
}

uint32_t cvy_trace_life_add(struct cvy_trace_model *m, uint64_t id)
{
    if (!cvy_trace_grow(m, &m->lives, m->life_count, &m->life_room, sizeof(*m->lives)) ||
        !table_grow(m, &m->by_id, m->by_id_count, &m->by_id_room, life_slot_by_key, life_key)) {
        return 0;
    }
    uint32_t i = (uint32_t)m->life_count++;
    m->lives[i] = (struct cvy_trace_life){.id = id, .end = -1, .was_there_before = true};
    uint32_t *slot = life_slot(m, (uint32_t)id);
    m->by_id_count += *slot == 0;
    *slot = i;
    return i;
}

uint32_t cvy_trace_life_find(const struct cvy_trace_model *m, uint32_t id)
{
    return m->by_id_room ? *life_slot(m, id) : 0;
}

uint32_t cvy_trace_life_of(struct cvy_trace_model *m, uint32_t id)
{
    if (id == 0 || m->is_out_of_memory) {
        return 0;
    }
    uint32_t i = cvy_trace_life_find(m, id);
    return i != 0 ? i : cvy_trace_life_add(m, id);
}

uint32_t cvy_trace_group_of(const struct cvy_trace_model *m, uint64_t object)
{
    return m->by_object_room && object ? *group_slot(m, object) : 0;
}

uint32_t cvy_trace_group_add(struct cvy_trace_model *m, const struct cvy_trace_group *group)
{
    if (!cvy_trace_grow(m, &m->groups, m->group_count, &m->group_room, sizeof(*m->groups)) ||
        !table_grow(m, &m->by_object, m->by_object_count, &m->by_object_room, group_slot,
                    group_key)) {
        return 0;
    }
    uint32_t i = (uint32_t)m->group_count++;
    m->groups[i] = *group;
    uint32_t *slot = group_slot(m, group->object);
    m->by_object_count += *slot == 0;
    *slot = i;
    return i;
}
