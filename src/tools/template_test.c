/* SPDX-License-Identifier: MIT */
#include "tools/template.h"

#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *expand(const char *template, const char *url)
{
    static char kept[CVY_TEMPLATE_NAME_MAX + 1];
    char *name = cvy_template_expand(template, url, 7);

    snprintf(kept, sizeof(kept), "%s", name ? name : "NULL");
    free(name);
    return kept;
}

TEST(fields)
{
    const char *url = "https://example.org:8443/a/b.html?x=1";

    CHECK_STR(expand("{name}", url), "b.html");
    CHECK_STR(expand("{path}", url), "a/b.html");
    CHECK_STR(expand("{host}/{path}", url), "example.org/a/b.html");
    CHECK_STR(expand("{n}-{name}", url), "7-b.html");
    CHECK_STR(expand("{scheme}.{port}", url), "https.8443");
    CHECK_STR(expand("{name}@{query}", url), "b.html@x=1");
    CHECK_STR(expand("{{{n}}}", url), "{7}");
    CHECK_STR(expand("/abs/{n}", url), "/abs/7");
    CHECK_EQ(strlen(expand("{hash}", url)), 16);
    CHECK_STR(expand("{name}", "http://h/"), "index.html");
    CHECK_STR(expand("{name}", "http://h"), "index.html");
    CHECK_STR(expand("{path}", "http://h/a/"), "a/index.html");
}

TEST(a_url_cannot_leave_the_directory)
{
    CHECK_STR(expand("{path}", "http://h/../../etc/passwd"), "_./_./etc/passwd");
    CHECK_STR(expand("{path}", "http://h/./a/.."), "_/a/_.");
    CHECK_STR(expand("{path}", "http://h//etc//passwd"), "etc/passwd");
    CHECK_STR(expand("{name}", "http://h/.."), "_.");
    CHECK_STR(expand("{name}", "http://h/.bashrc"), "_bashrc");
    CHECK_STR(expand("{host}/x", "http://../x"), "_./x");
    CHECK_STR(expand("{host}/x", "http:///x"), "x");
    CHECK_STR(expand("{query}/x", "http://h/?/etc"), "_etc/x");
    CHECK_STR(expand("{query}/x", "http://h/"), "x"); /* not "/x" */
    CHECK_STR(expand("{query}", "http://h/"), "_");
    CHECK_STR(expand(".{query}", "http://h/?."), "__");
    CHECK_STR(expand(".{query}/x", "http://h/"), "_/x");
    CHECK_STR(expand("..{query}/x", "http://h/"), "__/x");
    CHECK_STR(expand("{name}", "http://h/a\\b"), "a_b");
    CHECK_STR(expand("{name}", "http://h/a\nb\tc\x7f"), "a_b_c_");
    CHECK_STR(expand("{name}", "http://h/%2e%2e%2fx"), "%2e%2e%2fx"); /* no decoding */
}

TEST(long_names_are_cut_and_stay_different)
{
    static char first[CVY_TEMPLATE_NAME_MAX + 1];
    char url[1200] = "http://h/";

    memset(url + 9, 'a', 1000);
    url[1009] = '1';
    snprintf(first, sizeof(first), "%s", expand("{name}", url));
    CHECK_EQ(strlen(first), CVY_TEMPLATE_PART_MAX);
    url[1009] = '2';
    CHECK(strcmp(first, expand("{name}", url)) != 0);
}

TEST(a_whole_name_has_a_limit)
{
    static char url[8192] = "http://h/";

    for (int i = 9; i < 8190; i += 2) {
        url[i] = 'a';
        url[i + 1] = '/';
    }
    CHECK_STR(expand("{path}", url), "NULL");
}

TEST(wrong_templates_are_told)
{
    static const char *const bad[] = {"",   "a/",     "{nope}", "{name", "name}", "{}",
                                      "..", "../{n}", "a/../b", "./{n}", "{n}/."};
    static const char *const good[] = {"{n}", "a/{host}/{path}", "{{x}}", "...", "..a", "/tmp/{n}"};

    for (unsigned i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        CHECK(cvy_template_error(bad[i]) != NULL);
    }
    for (unsigned i = 0; i < sizeof(good) / sizeof(*good); i++) {
        CHECK(cvy_template_error(good[i]) == NULL);
    }
}

TEST(only_the_number_makes_names_unique)
{
    CHECK(cvy_template_is_unique("a{n}b"));
    CHECK(!cvy_template_is_unique("{name}{path}{host}{query}"));
    CHECK(!cvy_template_is_unique("{{n}}"));
}
