/* SPDX-License-Identifier: MIT
 * symbol_test.c - names and lines of this program's own code. */
#include "os/symbol.h"

#include "harness.h"

#include <stdlib.h>
#include <string.h>

/* Inside the call, in the caller. */
__attribute__((noinline)) static char *caller(void)
{
    return (char *)__builtin_return_address(0) - 1;
}

TEST(a_static_function_has_its_name_and_line)
{
    struct cvy_symbols s;
    struct cvy_symbol symbol;
    const char *pc = caller();
    int line = __LINE__ - 1;

    cvy_symbols_open(&s, false);
    if (!s.reader) {
        SKIP("no libdw");
    }
    cvy_symbols_find(&s, pc, &symbol);
    CHECK(symbol.function != NULL && symbol.file != NULL);
    CHECK(strstr(symbol.function, "a_static_function_has_its_name_and_line"));
    CHECK(strstr(symbol.file, "symbol_test.c"));
    CHECK_EQ(symbol.line, line);
    cvy_symbols_close(&s);
}

TEST(without_libdw_there_are_module_and_offset)
{
    struct cvy_symbols s;
    struct cvy_symbol symbol;
    const char *pc = caller();

    CHECK_EQ(setenv("COVEY_NO_LIBDW", "1", 1), 0);
    cvy_symbols_open(&s, false);
    CHECK(!s.reader);
    cvy_symbols_find(&s, pc, &symbol);
    CHECK(symbol.file == NULL);
    CHECK(symbol.module && strstr(symbol.module, "symbol_test"));
    CHECK(symbol.offset > 0);
    cvy_symbols_close(&s);
}

TEST(an_address_of_nothing_is_nothing)
{
    struct cvy_symbols s;
    struct cvy_symbol symbol;

    cvy_symbols_open(&s, false);
    cvy_symbols_find(&s, (void *)16, &symbol);
    CHECK(symbol.module == NULL && symbol.function == NULL && symbol.file == NULL);
    cvy_symbols_close(&s);
}

TEST(an_address_is_the_same_whoever_was_asked_for_in_between)
{
    enum { OTHERS = 3000 };
    struct cvy_symbols s;
    struct cvy_symbol first, again;
    const char *pc = caller();

    cvy_symbols_open(&s, false);
    cvy_symbols_find(&s, pc, &first);
    for (int i = 1; i <= OTHERS; i++) {
        struct cvy_symbol other;
        cvy_symbols_find(&s, pc + i, &other);
        CHECK_EQ(other.offset, first.offset + (uintptr_t)i);
        cvy_symbols_find(&s, pc + i, &again); /* from what is remembered */
        CHECK_EQ(again.offset, other.offset);
        CHECK_EQ(again.line, other.line);
    }
    cvy_symbols_find(&s, pc, &again);
    CHECK_STR(again.function, first.function);
    CHECK_EQ(again.line, first.line);
    cvy_symbols_close(&s);
}
