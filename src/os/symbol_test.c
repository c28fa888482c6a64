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
    struct cvy_symbol symbol[CVY_SYMBOLS_MAX];
    const char *pc = caller();
    int line = __LINE__ - 1;

    cvy_symbols_open(&s, false);
    if (!s.reader) {
        SKIP("no libdw");
    }
    CHECK_EQ(cvy_symbols_find(&s, pc, symbol), 1);
    CHECK(symbol->function != NULL && symbol->file != NULL);
    CHECK(strstr(symbol->function, "a_static_function_has_its_name_and_line"));
    CHECK(strstr(symbol->file, "symbol_test.c"));
    CHECK_EQ(symbol->line, line);
    cvy_symbols_close(&s);
}

static volatile bool is_run;
static const char *inner_pc;
static int inner_line, middle_line;

__attribute__((always_inline)) static inline void inner(void)
{
    inner_line = __LINE__ + 1;
    inner_pc = caller();
    is_run = true;
}

__attribute__((always_inline)) static inline void middle(void)
{
    middle_line = __LINE__ + 1;
    inner();
}

TEST(inlined_functions_stand_before_who_called_them)
{
    struct cvy_symbols s;
    struct cvy_symbol symbols[CVY_SYMBOLS_MAX];
    int line = __LINE__ + 1;
    middle();

    cvy_symbols_open(&s, false);
    if (!s.reader) {
        SKIP("no libdw");
    }
    CHECK_EQ(cvy_symbols_find(&s, inner_pc, symbols), 3);
    CHECK_STR(symbols[0].function, "inner");
    CHECK_EQ(symbols[0].line, inner_line);
    CHECK_STR(symbols[1].function, "middle");
    CHECK_EQ(symbols[1].line, middle_line);
    CHECK(symbols[0].is_inlined && symbols[1].is_inlined && !symbols[2].is_inlined);
    CHECK(strstr(symbols[2].function, "inlined_functions_stand_before_who_called_them"));
    CHECK_EQ(symbols[2].line, line);
    for (int i = 0; i < 3; i++) {
        CHECK(strstr(symbols[i].file, "symbol_test.c"));
        CHECK_EQ(symbols[i].offset, symbols[0].offset);
    }
    cvy_symbols_close(&s);
}

TEST(without_libdw_there_are_module_and_offset)
{
    struct cvy_symbols s;
    struct cvy_symbol symbol[CVY_SYMBOLS_MAX];
    const char *pc = caller();

    CHECK_EQ(setenv("COVEY_NO_LIBDW", "1", 1), 0);
    cvy_symbols_open(&s, false);
    CHECK(!s.reader);
    CHECK_EQ(cvy_symbols_find(&s, pc, symbol), 1);
    CHECK(symbol->file == NULL);
    CHECK(symbol->module && strstr(symbol->module, "symbol_test"));
    CHECK(symbol->offset > 0);
    cvy_symbols_close(&s);
}

TEST(an_address_of_nothing_is_nothing)
{
    struct cvy_symbols s;
    struct cvy_symbol symbol[CVY_SYMBOLS_MAX];

    cvy_symbols_open(&s, false);
    CHECK_EQ(cvy_symbols_find(&s, (void *)16, symbol), 1);
    CHECK(symbol->module == NULL && symbol->function == NULL && symbol->file == NULL);
    cvy_symbols_close(&s);
}

TEST(an_address_is_the_same_whoever_was_asked_for_in_between)
{
    enum { OTHERS = 3000 };
    struct cvy_symbols s;
    struct cvy_symbol first, again;
    const char *pc = caller();

    cvy_symbols_open(&s, false);
    cvy_symbols_find_function(&s, pc, &first);
    for (int i = 1; i <= OTHERS; i++) {
        struct cvy_symbol other;
        cvy_symbols_find_function(&s, pc + i, &other);
        CHECK_EQ(other.offset, first.offset + (uintptr_t)i);
        cvy_symbols_find_function(&s, pc + i, &again); /* from what is remembered */
        CHECK_EQ(again.offset, other.offset);
        CHECK_EQ(again.line, other.line);
    }
    cvy_symbols_find_function(&s, pc, &again);
    CHECK_STR(again.function, first.function);
    CHECK_EQ(again.line, first.line);
    cvy_symbols_close(&s);
}
