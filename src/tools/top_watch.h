/* SPDX-License-Identifier: MIT
 * top_watch.h - `covey top` in a terminal: what is asked, shown and typed. */
#ifndef CVY_TOOLS_TOP_WATCH_H
#define CVY_TOOLS_TOP_WATCH_H

#include "tools/top_screen.h"
#include "tools/top_view.h"

#define CVY_TOP_FILTER_MAX 64

/* What a task that has asked gives back. */
struct cvy_top_asked {
    bool is_dump;
    int code;
    struct cvy_top_answer answer; /* of a question for the tree that went well */
    char words[256];              /* of one that did not; of a dump: what became of it */
};

struct cvy_top_watch {
    struct cvy_top_view view;
    int64_t interval_ns;
    int signals; /* a descriptor of those that the terminal is about */

    /* What is asked, by tasks that give their answers to a channel. */
    covey_group *asking;
    covey_chan *answers; /* of struct cvy_top_asked */
    bool is_asking, is_dumping;
    bool is_unwanted; /* the answer: who looks has paused since it was asked for */
    int64_t asked_at, next_at;
    char failure[256]; /* of the last question; empty: it was answered */

    /* What is looked at. */
    struct cvy_screen screen;
    struct cvy_top_rows rows;
    size_t selected, first; /* rows */
    uint64_t selected_key;  /* the row's, which the selection follows */
    uint64_t *toggled;      /* nodes that are not as they are by default */
    size_t toggled_count, toggled_room;
    enum cvy_top_sort sort;
    char filter[CVY_TOP_FILTER_MAX];
    bool is_typing, is_paused, is_help, must_stop, must_quit;
    char message[256]; /* of the last key; until the next */
    unsigned dumps;
};

/* Until q is typed or ctx is done. 0, or a code with a message. May switch. */
int cvy_top_watch(covey_ctx *ctx, struct cvy_top_watch *w);
void cvy_top_watch_fini(struct cvy_top_watch *w);

/* top_ask.c: starts to ask, for the tree or for a dump that goes to a file, unless that is under
 * way; takes what has come. None of these waits; close does, for what it tells to end. */
int cvy_top_ask_open(covey_ctx *ctx, struct cvy_top_watch *w);
void cvy_top_ask(struct cvy_top_watch *w);
void cvy_top_ask_dump(struct cvy_top_watch *w);
void cvy_top_ask_take(struct cvy_top_watch *w, struct cvy_top_asked *a);
void cvy_top_ask_close(struct cvy_top_watch *w);

/* top_draw.c: the rows as they are to be now, and the screen. */
void cvy_top_rows_refresh(struct cvy_top_watch *w);
void cvy_top_draw(struct cvy_top_watch *w);

/* top_keys.c: acts on what has been typed. */
void cvy_top_keys(struct cvy_top_watch *w);

/* Opens a closed node, or closes it. */
void cvy_top_toggle(struct cvy_top_watch *w, uint64_t key);

#endif
