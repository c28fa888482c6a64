/* SPDX-License-Identifier: MIT
 * json.h - reads JSON (RFC 8259) into a tree: what `covey top` needs of a debug server's answers.
 *
 * Strict, and bounded in depth; strings are UTF-8 as they came, escapes undone. The nodes live in
 * one array, so that a tree of any size is freed at once. */
#ifndef CVY_TOOLS_JSON_H
#define CVY_TOOLS_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum cvy_json_type {
    CVY_JSON_NULL,
    CVY_JSON_FALSE,
    CVY_JSON_TRUE,
    CVY_JSON_NUMBER,
    CVY_JSON_STRING,
    CVY_JSON_ARRAY,
    CVY_JSON_OBJECT,
};

struct cvy_json_node {
    enum cvy_json_type type;
    uint32_t next;    /* sibling; 0: none */
    uint32_t child;   /* first; 0: none */
    const char *key;  /* in an object; else NULL */
    const char *text; /* of a string */
    double number;
};

struct cvy_json {
    struct cvy_json_node *nodes; /* [0] is not used, [1] is the root */
    size_t count, room;
};

/* Parses text, which is changed, and is pointed into as long as the tree lives; it must be followed
 * by a zero byte. NULL: it is no JSON, or there is no memory. */
struct cvy_json *cvy_json_parse(char *text, size_t len);
void cvy_json_free(struct cvy_json *j);

typedef const struct cvy_json_node *cvy_json_at;
static inline cvy_json_at cvy_json_root(const struct cvy_json *j)
{
    return &j->nodes[1];
}
/* All take NULL, which is nothing, has nothing and is followed by nothing. */
cvy_json_at cvy_json_child(const struct cvy_json *j, cvy_json_at n);
cvy_json_at cvy_json_next(const struct cvy_json *j, cvy_json_at n);
/* An object's member of that name; NULL: none. */
cvy_json_at cvy_json_get(const struct cvy_json *j, cvy_json_at n, const char *key);
/* A member's value, if it is of the right type; else 0, or "". */
/* The same as a whole number; 0 too if it is none from 0 to 2^53. */
int64_t cvy_json_whole(const struct cvy_json *j, cvy_json_at n, const char *key);
double cvy_json_number(const struct cvy_json *j, cvy_json_at n, const char *key);
const char *cvy_json_text(const struct cvy_json *j, cvy_json_at n, const char *key);

#endif
