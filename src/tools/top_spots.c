/* SPDX-License-Identifier: MIT
 * top_spots.c - where most tasks wait, for whoever looks: connections whose tasks have names of
 * their own are one spot all the same. See top_model.h. */
#include "tools/top_model.h"

#include <stdlib.h>
#include <string.h>

struct spot {
    struct cvy_top_spot spot;
    char words[CVY_TOP_SPOT_TEXT];
};

static int compare_words(const void *a, const void *b)
{
    return strcmp(((const struct spot *)a)->words, ((const struct spot *)b)->words);
}

static int compare_tasks(const void *a, const void *b)
{
    const struct spot *x = a;
    const struct spot *y = b;

    return (y->spot.tasks > x->spot.tasks) - (y->spot.tasks < x->spot.tasks);
}

static size_t collect(const struct cvy_top_model *m, struct spot *spots)
{
    size_t count = 0;

    for (size_t i = 1; i < m->count; i++) {
        const struct cvy_top_node *n = &m->nodes[i];
        int64_t waiting = n->tasks - n->running - n->runnable;
        if (n->type == CVY_TOP_PLACE && n->parent && waiting > 0) {
            struct spot *s = &spots[count++];
            s->spot = (struct cvy_top_spot){n, waiting, n->oldest};
            cvy_top_row_text(m, &(struct cvy_top_row){.node = n}, s->words, sizeof(s->words));
        }
    }
    return count;
}

/* Neighbours with the same words become one. */
static size_t merge(struct spot *spots, size_t count)
{
    size_t kept = 0;

    for (size_t i = 0; i < count; i++) {
        struct cvy_top_spot *last = kept > 0 ? &spots[kept - 1].spot : NULL;
        if (!last || compare_words(&spots[kept - 1], &spots[i]) != 0) {
            spots[kept++] = spots[i];
        } else {
            last->tasks += spots[i].spot.tasks;
            last->oldest =
                spots[i].spot.oldest > last->oldest ? spots[i].spot.oldest : last->oldest;
        }
    }
    return kept;
}

size_t cvy_top_spots(const struct cvy_top_model *m, struct cvy_top_spot *out, size_t max)
{
    struct spot *spots = m->place_count > 0 ? malloc(m->place_count * sizeof(*spots)) : NULL;

    if (!spots) {
        return 0;
    }
    size_t count = collect(m, spots);
    qsort(spots, count, sizeof(*spots), compare_words);
    count = merge(spots, count);
    qsort(spots, count, sizeof(*spots), compare_tasks);
    count = count < max ? count : max;
    for (size_t i = 0; i < count; i++) {
        out[i] = spots[i].spot;
    }
    free(spots);
    return count;
}
