/* SPDX-License-Identifier: MIT
 * top_model_test.c - the tree that covey top makes of places, and its rows. */
#include "tools/top_model.h"

#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SITE(file, line) "{\"file\":\"/src/" file "\",\"line\":" #line "}"
#define SHOP "\"name\":\"shop\",\"started\":" SITE("shop.c", 1)
#define CLERK "\"name\":\"clerk\",\"started\":" SITE("shop.c", 3)
#define BY_SHOP                                                                                    \
    "\"group\":{\"opened\":" SITE("shop.c", 2) ",\"opener\":\"shop\",\"opener_started\":" SITE(    \
        "shop.c", 1) "}"

static char text[8192];
static struct cvy_json *json;

static struct cvy_top_model *model_of(const char *places)
{
    (void)snprintf(text, sizeof(text), "{\"places\":[%s]}", places);
    json = cvy_json_parse(text, strlen(text));
    CHECK(json);
    struct cvy_top_model *m = cvy_top_model_new(json);
    CHECK(m);
    return m;
}

/* The rows' words, each on a line with its depth and tasks. */
static const char *rows_of(const struct cvy_top_model *m, const struct cvy_top_model *before,
                           struct cvy_top_look look)
{
    static char out[4096];
    struct cvy_top_rows rows = {0};
    char words[512];
    size_t len = 0;

    out[0] = '\0';
    CHECK(cvy_top_rows_make(&rows, m, before, &look));
    for (size_t i = 0; i < rows.count; i++) {
        cvy_top_row_text(m, &rows.rows[i], words, sizeof(words));
        len += (size_t)snprintf(
            out + len, sizeof(out) - len, "%u %lld %s\n", rows.rows[i].depth,
            (long long)(before ? rows.rows[i].change : rows.rows[i].node->tasks), words);
    }
    free(rows.rows);
    return out;
}

static void end(struct cvy_top_model *m)
{
    cvy_top_model_free(m);
    cvy_json_free(json);
}

TEST(what_is_noted_stands_for_the_wait)
{
    struct cvy_top_model *m =
        model_of("{\"tasks\":3," CLERK ",\"state\":\"waiting\",\"wait\":\"select\","
                 "\"awaiting\":\"lease\",\"stack\":[]}");

    CHECK_STR(rows_of(m, NULL, (struct cvy_top_look){.is_all_open = true}), "0 3 clerk shop.c:3\n"
                                                                            "1 3 lease \n");
    end(m);
}

TEST(groups_stand_under_who_opened_them_and_counts_add_up)
{
    struct cvy_top_model *m = model_of(
        "{\"tasks\":1," SHOP ",\"state\":\"waiting\",\"wait\":\"group wait\"},"
        "{\"tasks\":5," CLERK ",\"state\":\"waiting\",\"wait\":\"mutex\",\"oldest_seconds\":2,"
        "\"stack\":[{\"address\":\"0x1\",\"function\":\"covey_mutex_lock\"},"
        "{\"address\":\"0x2\",\"function\":\"sell\",\"file\":\"/a/sell.c\",\"line\":7}]," BY_SHOP
        "},{\"tasks\":2," CLERK ",\"state\":\"running\"}");

    /* The running ones do not say whose they are: they are with their like. */
    CHECK_STR(rows_of(m, NULL, (struct cvy_top_look){.is_all_open = true}),
              "0 8 shop shop.c:1\n"
              "1 7 group shop.c:2\n"
              "2 7 clerk shop.c:3\n"
              "3 5 mutex at sell (sell.c:7)\n"
              "4 5 at covey_mutex_lock\n"
              "4 5 at sell (sell.c:7)\n"
              "3 2 running \n"
              "1 1 group wait \n");
    int64_t tasks;
    CHECK_STR(cvy_top_hot(m, &m->nodes[0], &tasks), "mutex");
    CHECK_EQ(tasks, 5);
    CHECK_EQ(m->nodes[0].running, 2);
    CHECK(m->nodes[0].oldest == 2);
    end(m);
}

TEST(a_filter_shows_what_has_it_and_what_is_above)
{
    struct cvy_top_model *m =
        model_of("{\"tasks\":1," SHOP ",\"state\":\"waiting\",\"wait\":\"group wait\"},"
                 "{\"tasks\":5," CLERK ",\"state\":\"waiting\",\"wait\":\"sleep\"," BY_SHOP "}");

    CHECK_STR(rows_of(m, NULL, (struct cvy_top_look){.filter = "CLERK"}),
              "0 6 shop shop.c:1\n1 5 group shop.c:2\n2 5 clerk shop.c:3\n");
    CHECK_STR(rows_of(m, NULL, (struct cvy_top_look){.filter = "nothing"}), "");
    end(m);
}

TEST(a_group_that_its_own_tasks_open_again_is_no_circle)
{
    struct cvy_top_model *m = model_of("{\"tasks\":3,\"name\":\"shop\",\"started\":" SITE(
        "shop.c", 1) ",\"state\":\"waiting\","
                     "\"wait\":\"group wait\"," BY_SHOP "}");

    CHECK_STR(rows_of(m, NULL, (struct cvy_top_look){0}),
              "0 3 group shop.c:2\n1 3 shop shop.c:1\n2 3 group wait \n");
    end(m);
}

TEST(changes_are_by_place_and_sort)
{
    struct cvy_top_model *before = model_of("{\"tasks\":9," SHOP ",\"state\":\"running\"},"
                                            "{\"tasks\":1," CLERK ",\"state\":\"running\"}");
    struct cvy_json *kept = json;
    struct cvy_top_model *m = model_of("{\"tasks\":8," SHOP ",\"state\":\"running\"},"
                                       "{\"tasks\":4," CLERK ",\"state\":\"running\"}");

    CHECK_STR(
        rows_of(m, before, (struct cvy_top_look){.sort = CVY_TOP_BY_CHANGE, .filter = "shop.c"}),
        "0 3 clerk shop.c:3\n0 -1 shop shop.c:1\n");
    cvy_top_model_free(before);
    cvy_json_free(kept);
    end(m);
}

TEST(places_with_the_same_words_are_one_spot_whatever_their_tasks_are_called)
{
    struct cvy_top_model *m = model_of("{\"tasks\":2,\"name\":\"conn-1\",\"started\":" SITE(
        "a.c", 1) ",\"state\":\"waiting\","
                  "\"wait\":\"read\",\"oldest_seconds\":2,\"stack\":[]},"
                  "{\"tasks\":4," SHOP ",\"state\":\"waiting\",\"wait\":\"mutex\",\"stack\":[]},"
                  "{\"tasks\":9," SHOP ",\"state\":\"running\",\"stack\":[]},"
                  "{\"tasks\":3,\"name\":\"conn-2\",\"started\":" SITE(
                      "a.c", 1) ",\"state\":\"waiting\","
                                "\"wait\":\"read\",\"oldest_seconds\":7,\"stack\":[]}");
    struct cvy_top_spot spots[3];

    CHECK_EQ(cvy_top_spots(m, spots, 3), 2); /* who runs waits nowhere */
    CHECK_STR(spots[0].place->name, "read");
    CHECK_EQ(spots[0].tasks, 5);
    CHECK(spots[0].oldest == 7);
    CHECK_STR(spots[1].place->name, "mutex");
    CHECK_EQ(cvy_top_spots(m, spots, 1), 1);
    CHECK_EQ(spots[0].tasks, 5);
    end(m);
}

TEST(tasks_beyond_the_places_that_are_told_are_counted)
{
    (void)snprintf(text, sizeof(text), "%s",
                   "{\"places\":[{\"tasks\":2," SHOP ",\"state\":\"running\"}],\"others\":40}");
    json = cvy_json_parse(text, strlen(text));
    struct cvy_top_model *m = cvy_top_model_new(json);

    CHECK(m);
    CHECK_EQ(m->nodes[0].tasks, 42);
    CHECK_STR(rows_of(m, NULL, (struct cvy_top_look){0}),
              "0 40 at further places \n0 2 shop shop.c:1\n1 2 running \n");
    end(m);
}

/* A hostile server's answer takes no time without end. */
TEST(places_beyond_those_that_a_server_has_are_left_out)
{
    char *many = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&many, &len);

    CHECK(out);
    (void)fputs("{\"places\":[", out);
    for (int i = 0; i < 5000; i++) {
        (void)fprintf(out, "%s{\"tasks\":1,\"name\":\"n%d\",\"state\":\"running\"}", i ? "," : "",
                      i);
    }
    (void)fputs("]}", out);
    CHECK_EQ(fclose(out), 0);
    json = cvy_json_parse(many, len);
    CHECK(json);
    struct cvy_top_model *m = cvy_top_model_new(json);
    CHECK(m);
    CHECK_EQ(m->place_count, 4096);
    CHECK_EQ(m->nodes[0].tasks, 4096);
    end(m);
    free(many);
}

TEST(what_is_no_answer_is_refused)
{
    char other[] = "{\"places\":7}";
    struct cvy_json *j = cvy_json_parse(other, strlen(other));

    CHECK(j && !cvy_top_model_new(j));
    cvy_json_free(j);
}
