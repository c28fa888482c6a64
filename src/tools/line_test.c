/* SPDX-License-Identifier: MIT */
#include "tools/line.h"

#include "harness.h"

#include <stdio.h>
#include <string.h>

static const char *json(const char *text)
{
    static char kept[512];
    struct cvy_line l = {0};

    cvy_line_json(&l, text);
    CHECK(!l.is_broken && l.len == strlen(l.data));
    snprintf(kept, sizeof(kept), "%s", l.data);
    cvy_line_fini(&l);
    return kept;
}

TEST(json_strings_are_escaped)
{
    CHECK_STR(json(NULL), "null");
    CHECK_STR(json(""), "\"\"");
    CHECK_STR(json("a\"b\\c"), "\"a\\\"b\\\\c\"");
    CHECK_STR(json("\n\t\x01\x7f"), "\"\\u000a\\u0009\\u0001\\u007f\"");
    CHECK_STR(json("\xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80"),
              "\"\xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80\"");
}

TEST(what_is_no_utf8_is_replaced)
{
    CHECK_STR(json("\xff"), "\"\\ufffd\"");
    CHECK_STR(json("a\xc3"), "\"a\\ufffd\"");                     /* cut short */
    CHECK_STR(json("\xc0\xaf"), "\"\\ufffd\\ufffd\"");            /* overlong */
    CHECK_STR(json("\xed\xa0\x80"), "\"\\ufffd\\ufffd\\ufffd\""); /* a surrogate */
    CHECK_STR(json("\xf4\x90\x80\x80"), "\"\\ufffd\\ufffd\\ufffd\\ufffd\"");
    CHECK_STR(json("\xe2\x82z"), "\"\\ufffd\\ufffdz\"");
}

TEST(lines_grow)
{
    struct cvy_line l = {0};

    for (int i = 0; i < 10000; i++) {
        cvy_line_printf(&l, "%04d", i);
    }
    CHECK_EQ(l.len, 40000);
    CHECK(memcmp(l.data + 4 * 1234, "1234", 4) == 0);
    cvy_line_clear(&l);
    CHECK_EQ(l.len, 0);
    cvy_line_fini(&l);
}

TEST(amounts_of_bytes)
{
    char buf[16];

    CHECK_STR(cvy_bytes_text(0, buf, sizeof(buf)), "0 B");
    CHECK_STR(cvy_bytes_text(999, buf, sizeof(buf)), "999 B");
    CHECK_STR(cvy_bytes_text(1000, buf, sizeof(buf)), "1.0 kB");
    CHECK_STR(cvy_bytes_text(123456, buf, sizeof(buf)), "123 kB");
    CHECK_STR(cvy_bytes_text(12345678, buf, sizeof(buf)), "12.3 MB");
    CHECK_STR(cvy_bytes_text(1e18, buf, sizeof(buf)), "1000 PB");
}

TEST(control_characters_do_not_reach_the_terminal)
{
    char text[] = "a\033[2Jb\nc\x7f";

    cvy_line_make_printable(text);
    CHECK_STR(text, "a?[2Jb?c?");
    char c1[] = "\xc2\x9b"
                "2J\xc2\x80\xc2\x9f\xc2\xa0\xc3\x9b"; /* CSI in one character; others are kept */
    cvy_line_make_printable(c1);
    CHECK_STR(c1, "??2J????\xc2\xa0\xc3\x9b");
    char bytes[] = "a\x9b"
                   "2J\xe2\x82\xac\xc2"; /* CSI in one byte; cut short */
    cvy_line_make_printable(bytes);
    CHECK_STR(bytes, "a?2J\xe2\x82\xac?");
}
