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
};

/* Asks again: now becomes before. 0, or a code with a message, and nothing has changed. */
int cvy_top_view_fetch(covey_ctx *ctx, struct cvy_top_view *v);
void cvy_top_view_fini(struct cvy_top_view *v);

enum { CVY_TOP_HEAD_LINES = 3 }; /* the last names the columns */
void cvy_top_view_head(const struct cvy_top_view *v, int line, char out[CVY_TOP_LINE]);
void cvy_top_view_row(const struct cvy_top_view *v, const struct cvy_top_row *row,
                      char out[CVY_TOP_LINE]);

#endif
