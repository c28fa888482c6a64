/* SPDX-License-Identifier: MIT
 * trace_ask.c - what a model is asked once it is made: names, places, what a task did at a moment,
 * and the critical path of a group. See trace_model.h. */
#include "tools/grow.h"
#include "tools/trace_model.h"

#include <stdio.h>
#include <string.h>

#define PATH_STEPS_MAX 1000000

const char *cvy_trace_name(const struct cvy_trace_model *m, uint32_t life)
{
    const struct cvy_trace_life *l = &m->lives[life];
    const struct cvy_trace_site *s = cvy_trace_site_at(m->trace, l->site);

    if (life == 0) {
        return "-";
    }
    return l->name ? l->name : s && s->name[0] ? s->name : "task";
}

const char *cvy_trace_place(const struct cvy_trace_model *m, uint64_t site, char *out, size_t size)
{
    const struct cvy_trace_site *s = cvy_trace_site_at(m->trace, site);

    if (!s) {
        return "?";
    }
    const char *slash = strrchr(s->file, '/');
    const char *file = slash ? slash + 1 : s->file;
    if (s->line == 0) {
        (void)snprintf(out, size, "%s", file); /* no place in a program: a route */
    } else {
        (void)snprintf(out, size, "%s:%u", file, s->line);
    }
    return out;
}

const char *cvy_trace_reason(uint8_t reason)
{
    static const char *const reasons[] = {
#define NAME(number, name) [number] = (name),
        COVEY_TRACE_REASON_LIST(NAME)
#undef NAME
    };
    return reason < sizeof(reasons) / sizeof(*reasons) && reasons[reason] ? reasons[reason]
                                                                          : "unknown";
}

const struct cvy_trace_segment *cvy_trace_segment_at(const struct cvy_trace_model *m, uint32_t life,
                                                     int64_t at)
{
    const struct cvy_trace_life *l = &m->lives[life];
    size_t low = l->first;
    size_t high = l->first + l->count;

    /* The first that ends at or after it. */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (m->segments[middle].end < at) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < l->first + l->count && m->segments[low].start < at ? &m->segments[low] : NULL;
}

struct cvy_trace_step *cvy_trace_critical_path(const struct cvy_trace_model *m, uint32_t group,
                                               size_t *count, bool *is_cut)
{
    const struct cvy_trace_group *g = &m->groups[group];
    struct cvy_trace_step *steps = NULL;
    size_t room = 0;
    int64_t at = g->end >= 0 ? g->end : m->end;
    uint32_t life = g->opener;

    *count = 0;
    *is_cut = false;
    for (size_t turn = 0; at > g->start; turn++) {
        *is_cut = turn == PATH_STEPS_MAX;
        if (*is_cut) {
            break;
        }
        const struct cvy_trace_segment *s = cvy_trace_segment_at(m, life, at);
        if (!s) {
            /* Before its first: whoever started it. */
            const struct cvy_trace_life *l = &m->lives[life];
            if (l->was_there_before || l->start < at || !l->creator) {
                break;
            }
            life = l->creator;
            continue;
        }
        if (s->state == CVY_TRACE_WAITING && s->end == at && s->by == CVY_TRACE_BY_TASK &&
            s->waker && s->waker != life) {
            life = s->waker;
            continue;
        }
        if (!cvy_tools_grow(&steps, *count, &room, sizeof(*steps))) {
            break;
        }
        int64_t start = s->start > g->start ? s->start : g->start;
        steps[(*count)++] = (struct cvy_trace_step){.segment = s, .start = start, .end = at};
        at = s->start;
    }
    return steps;
}
