/* SPDX-License-Identifier: MIT
 * top_view.h - what `covey top` has of a program now and had before, and its words: the head's
 * lines and each row's, for the screen and for a file alike. */
#ifndef CVY_TOOLS_TOP_VIEW_H
#define CVY_TOOLS_TOP_VIEW_H

#include "tools/top_model.h"
#include "tools/top_source.h"

#define CVY_TOP_LINE 1024

/* One answer. */
struct cvy_top_answer {
    char *body;
    struct cvy_json *json;
    struct cvy_top_model *model; /* NULL: none yet */
    int64_t at_ns;
};

struct cvy_top_view {
    struct cvy_top_source source;
    struct cvy_top_answer now, before;
    int columns; /* as wide as lines may be: narrow ones have fewer figures */
};

/* Asks. 0, or a code with a message, and there is no answer. */
int cvy_top_answer_fetch(covey_ctx *ctx, const struct cvy_top_source *s,
                         struct cvy_top_answer *out);
void cvy_top_answer_fini(struct cvy_top_answer *a);
/* Takes an answer: now becomes before, unless another process has answered. */
void cvy_top_view_take(struct cvy_top_view *v, struct cvy_top_answer *a);
void cvy_top_view_fini(struct cvy_top_view *v);

/* Of the process, its tasks, where most wait, the columns' names. */
enum cvy_top_head { CVY_TOP_PROCESS, CVY_TOP_TASKS, CVY_TOP_HOT, CVY_TOP_COLUMNS, CVY_TOP_HEADS };
void cvy_top_view_head(const struct cvy_top_view *v, enum cvy_top_head head,
                       char out[CVY_TOP_LINE]);
/* A line of figures and words of the tree. */
void cvy_top_view_row(const struct cvy_top_view *v, const struct cvy_top_row *row,
                      char out[CVY_TOP_LINE]);

/* For the heads: a figure of covey_stats, the columns' names, "1.2s". */
int64_t cvy_top_stat(const struct cvy_top_answer *a, const char *name);
void cvy_top_put_titles(const struct cvy_top_view *v, char out[CVY_TOP_LINE]);
void cvy_top_put_time(double seconds, char *out, size_t size);

#endif
