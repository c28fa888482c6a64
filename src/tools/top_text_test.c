/* SPDX-License-Identifier: MIT
 * top_text_test.c - what names may do to a terminal. */
#include "tools/top_text.h"

#include "harness.h"

#include <locale.h>
#include <stdlib.h>
#include <string.h>

static void check_shown(const char *text, int columns, const char *shown, int taken)
{
    char *out = NULL;
    size_t len;
    FILE *f = open_memstream(&out, &len);

    CHECK(f);
    CHECK_EQ(cvy_top_text_put(f, text, columns), taken);
    CHECK_EQ(fclose(f), 0);
    CHECK_STR(out, shown);
    free(out);
}

TEST(nothing_that_a_terminal_obeys_comes_through)
{
    CHECK(setlocale(LC_CTYPE, "C.UTF-8"));
    check_shown("a\x1b[31mb\x1b]0;t\a", 80, "a?[31mb?]0;t?", 13);
    check_shown("tab\there\r\n\x7f", 80, "tab?here???", 11);
    check_shown("\xc2\x9b"
                "31m",
                80, "?31m", 4); /* CSI in one character */
    check_shown("a\xe2\x80\xae"
                "b\xe2\x81\xa6\xef\xbb\xbf",
                80, "a?b??", 5);
}

TEST(characters_take_the_columns_that_they_have)
{
    CHECK(setlocale(LC_CTYPE, "C.UTF-8"));
    check_shown("h\xc3\xa9", 80, "h\xc3\xa9", 2);
    check_shown("e\xcc\x81x", 2, "e\xcc\x81x", 2); /* a combining accent */
    check_shown("\xe6\xbc\xa2\xe5\xad\x97", 4, "\xe6\xbc\xa2\xe5\xad\x97", 4);
    check_shown("\xe6\xbc\xa2\xe5\xad\x97", 3, "\xe6\xbc\xa2>", 3);
    check_shown("\xe6\xbc\xa2\xe5\xad\x97", 2, ">", 1); /* no half of one */
}

TEST(what_is_cut_off_is_told)
{
    check_shown("line 123", 8, "line 123", 8);
    check_shown("line 123", 7, "line 1>", 7);
    check_shown("line 123", 1, ">", 1);
    check_shown("line 123", 0, "", 0);
    check_shown("", 0, "", 0);
}

TEST(what_is_no_character_is_a_question_mark)
{
    CHECK(setlocale(LC_CTYPE, "C.UTF-8"));
    check_shown("\xff\xfe"
                "a\xe6\xbc",
                80, "??a??", 5);
    CHECK(setlocale(LC_CTYPE, "C"));
    check_shown("h\xc3\xa9", 80, "h??", 3);
}
