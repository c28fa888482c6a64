/* SPDX-License-Identifier: MIT
 * top_model.h - what `covey top` shows: the places of a debug server's answer
 * (tasks?format=places), put into a tree.
 *
 * Tasks of the same name and start are a kind; groups opened at the same line by the same kind are
 * one group, and stand below that kind; a kind's places are where its tasks are. Texts belong to
 * the JSON, which must outlive the model. */
#ifndef CVY_TOOLS_TOP_MODEL_H
#define CVY_TOOLS_TOP_MODEL_H

#include "tools/json.h"

#define CVY_TOP_WAITS 32 /* different causes; the last stands for all others */

enum cvy_top_type { CVY_TOP_ROOT, CVY_TOP_GROUP, CVY_TOP_KIND, CVY_TOP_PLACE };

struct cvy_top_node {
    enum cvy_top_type type;
    uint32_t parent, child, next; /* 0: the root, none, none */
    uint64_t key;                 /* the same in the next answer */
    uint64_t kind;                /* of kinds: of name and start alone; of groups: their opener's */
    const char *name;             /* of kinds; of places: the wait, or the state */
    cvy_json_at site;             /* where it was started or opened; of places: their stack */

    /* With all that is below. */
    int64_t tasks, running, runnable;
    double oldest; /* seconds */
    int64_t waits[CVY_TOP_WAITS];
};

struct cvy_top_model {
    const struct cvy_json *json;
    struct cvy_top_node *nodes; /* [0]: the root */
    size_t count, room;
    size_t place_count;
    uint32_t *table; /* by key; open addressing, 0: free */
    size_t table_room;
    const char *waits[CVY_TOP_WAITS];
    size_t wait_count;
};

/* NULL: it is no such answer, or there is no memory. */
struct cvy_top_model *cvy_top_model_new(const struct cvy_json *j);
void cvy_top_model_free(struct cvy_top_model *m);
/* NULL if there is none; m may be NULL. */
const struct cvy_top_node *cvy_top_find(const struct cvy_top_model *m, uint64_t key);
/* The commonest wait of a node; NULL: nobody waits. */
const char *cvy_top_hot(const struct cvy_top_model *m, const struct cvy_top_node *n,
                        int64_t *tasks);
/* ---- rows ---- */

enum cvy_top_sort {
    CVY_TOP_BY_TASKS,
    CVY_TOP_BY_OLDEST,
    CVY_TOP_BY_CHANGE,
    CVY_TOP_BY_NAME,
    CVY_TOP_SORTS
};

struct cvy_top_look {
    enum cvy_top_sort sort;
    const char *filter; /* NULL or empty: none */
    bool is_all_open;
    /* NULL: places are closed, the rest is open. */
    bool (*is_open)(const struct cvy_top_node *n, const void *arg);
    const void *arg;
};

struct cvy_top_row {
    const struct cvy_top_node *node;
    cvy_json_at frame; /* not NULL: one of the node's stack */
    unsigned depth;
    int64_t change; /* of tasks since the answer before */
    bool has_more, is_open;
};

struct cvy_top_rows {
    struct cvy_top_row *rows; /* freed by free() */
    size_t count, room;
};

/* False: out of memory. before may be NULL. */
bool cvy_top_rows_make(struct cvy_top_rows *rows, const struct cvy_top_model *m,
                       const struct cvy_top_model *before, const struct cvy_top_look *look);
/* A row's words, without its figures. */
void cvy_top_row_text(const struct cvy_top_model *m, const struct cvy_top_row *row, char *out,
                      size_t size);

/* ---- where most wait ---- */

#define CVY_TOP_SPOT_TEXT 256

/* Places with the same words, whatever the names of their tasks. */
struct cvy_top_spot {
    const struct cvy_top_node *place; /* one of them */
    int64_t tasks;
    double oldest; /* seconds */
};

/* At most max of them, the most tasks first; how many. */
size_t cvy_top_spots(const struct cvy_top_model *m, struct cvy_top_spot *out, size_t max);

#endif
