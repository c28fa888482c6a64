/* SPDX-License-Identifier: MIT */
#include "tools/names.h"

#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *claim(struct cvy_names *names, const char *name)
{
    static char kept[64];
    char *claimed = cvy_names_claim(names, name);

    snprintf(kept, sizeof(kept), "%s", claimed);
    free(claimed);
    return kept;
}

TEST(the_second_of_a_name_gets_a_number)
{
    struct cvy_names names = {0};

    CHECK_STR(claim(&names, "a"), "a");
    CHECK_STR(claim(&names, "a"), "a.1");
    CHECK_STR(claim(&names, "b"), "b");
    CHECK_STR(claim(&names, "a"), "a.2");
    CHECK_STR(claim(&names, "a.3"), "a.3");
    CHECK_STR(claim(&names, "a"), "a.4");
    CHECK_STR(claim(&names, "a.1"), "a.1.1");
    cvy_names_fini(&names);
}

TEST(many_names_are_all_different)
{
    enum { N = 200000 };
    struct cvy_names names = {0};
    char name[32];

    for (int i = 0; i < N; i++) {
        snprintf(name, sizeof(name), "name-%d", i);
        CHECK_STR(claim(&names, name), name);
    }
    for (int i = 0; i < N; i++) { /* the same one: linear in time, too */
        snprintf(name, sizeof(name), i == 0 ? "same" : "same.%d", i);
        CHECK_STR(claim(&names, "same"), name);
    }
    CHECK_EQ(names.count, 2 * N);
    cvy_names_fini(&names);
}
