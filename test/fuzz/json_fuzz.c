/* SPDX-License-Identifier: MIT
 * json_fuzz.c - what a debug server, or who claims to be one, may answer. fuzz-layer: tools
 *
 * Whatever comes is refused or is a tree that ends; covey top makes rows of it. */
#include "fuzz.h"

#include "tools/top_model.h"

static size_t count(const struct cvy_json *j, cvy_json_at n, size_t depth)
{
    size_t sum = 0;

    MUST(depth <= 64);
    for (; n; n = cvy_json_next(j, n)) {
        MUST(n->type != CVY_JSON_STRING || n->text);
        sum += 1 + count(j, cvy_json_child(j, n), depth + 1);
    }
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);

    MUST(text);
    memcpy(text, data, size);
    text[size] = '\0';
    struct cvy_json *j = cvy_json_parse(text, size);
    if (j) {
        MUST(count(j, cvy_json_root(j), 0) == j->count - 1);
        struct cvy_top_model *m = cvy_top_model_new(j);
        if (m) {
            for (int sort = 0; sort < CVY_TOP_SORTS; sort++) {
                struct cvy_top_rows rows = {0};
                struct cvy_top_look look = {.sort = (enum cvy_top_sort)sort, .is_all_open = true};
                MUST(cvy_top_rows_make(&rows, m, NULL, &look));
                MUST(rows.count >= m->place_count);
                free(rows.rows);
            }
            struct cvy_top_spot spots[3];
            size_t count = cvy_top_spots(m, spots, 3);
            for (size_t i = 0; i < count; i++) {
                MUST(spots[i].tasks > 0 && spots[i].tasks <= m->nodes[0].tasks);
            }
        }
        cvy_top_model_free(m);
    }
    cvy_json_free(j);
    free(text);
    return 0;
}
