/* SPDX-License-Identifier: MIT
 * json_test.c - which texts are JSON, and what is in them. */
#include "tools/json.h"

#include "harness.h"

#include <stdio.h>
#include <string.h>

static char text[4096];

static struct cvy_json *parse(const char *from)
{
    (void)snprintf(text, sizeof(text), "%s", from);
    return cvy_json_parse(text, strlen(text));
}

TEST(values_are_found_by_their_names)
{
    struct cvy_json *j =
        parse(" {\"a\": 1.5e2, \"b\":[true,false,null,\"x\"] ,\"c\":{\"d\":-7}}\n");
    CHECK(j);
    cvy_json_at root = cvy_json_root(j);

    CHECK_EQ(root->type, CVY_JSON_OBJECT);
    CHECK_EQ((long)cvy_json_number(j, root, "a"), 150);
    cvy_json_at b = cvy_json_child(j, cvy_json_get(j, root, "b"));
    CHECK_EQ(b->type, CVY_JSON_TRUE);
    b = cvy_json_next(j, cvy_json_next(j, cvy_json_next(j, b)));
    CHECK_STR(b->text, "x");
    CHECK(!cvy_json_next(j, b));
    CHECK_EQ((long)cvy_json_number(j, cvy_json_get(j, root, "c"), "d"), -7);
    CHECK_STR(cvy_json_text(j, root, "a"), ""); /* of another type */
    CHECK(!cvy_json_get(j, root, "none"));
    CHECK(!cvy_json_child(j, NULL) && !cvy_json_next(j, NULL) && !cvy_json_get(j, NULL, "a"));
    cvy_json_free(j);
}

TEST(escapes_are_undone)
{
    struct cvy_json *j =
        parse("[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\", \"\\u0041\\u00e9\\u20ac\\ud83d\\ude00\"]");
    CHECK(j);
    cvy_json_at first = cvy_json_child(j, cvy_json_root(j));

    CHECK_STR(first->text, "\"\\/\b\f\n\r\t");
    CHECK_STR(cvy_json_next(j, first)->text, "A\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80");
    cvy_json_free(j);
}

TEST(what_is_no_json_is_refused)
{
    static const char *const wrong[] = {
        "",
        " ",
        "{",
        "[1,]",
        "[1 2]",
        "{\"a\"}",
        "{\"a\":}",
        "{a:1}",
        "[1]x",
        "tru",
        "nul",
        "01",
        "-",
        "1.",
        ".5",
        "1e",
        "+1",
        "\"",
        "\"\\\"",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\ud83d\"",
        "\"\\ude00\"",
        "\"\\u0000\"",
        "\"\n\"",
        "[\"a\" \"b\"]",
        "{\"a\":1,}",
        "NaN",
    };

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct cvy_json *j = parse(wrong[i]);
        if (j) {
            (void)fprintf(stderr, "# taken: %s\n", wrong[i]);
        }
        CHECK(!j);
    }
    memcpy(text, "[1]\0", 5);
    CHECK(!cvy_json_parse(text, 4)); /* a zero byte behind it */
}

TEST(depth_has_a_bound)
{
    char deep[200] = "";

    memset(deep, '[', 64);
    memset(deep + 64, ']', 64);
    struct cvy_json *j = parse(deep);
    CHECK(j);
    cvy_json_free(j);
    memset(deep, '[', 65);
    memset(deep + 65, ']', 65);
    CHECK(!parse(deep));
}
