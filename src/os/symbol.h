/* SPDX-License-Identifier: MIT
 * symbol.h - what stands at an address of this process's code: function, source line, module.
 *
 * Names and lines come from debug information through libdw (elfutils), which is loaded when it is
 * first wanted and need not be there. Without it the dynamic linker knows the exported names, and
 * of the rest there is module and offset, which addr2line and debuggers take. */
#ifndef CVY_OS_SYMBOL_H
#define CVY_OS_SYMBOL_H

#include <stdbool.h>
#include <stdint.h>

struct cvy_symbol {
    const char *function; /* NULL: unknown */
    const char *file;     /* NULL: unknown; as the compiler was given it, or absolute */
    int line;
    const char *module; /* path of the program or library; NULL: none is mapped there */
    uintptr_t offset;   /* in the module */
};

/* One reader; used by one thread at a time. */
struct cvy_symbols {
    void *reader; /* NULL: only the dynamic linker is asked */
};

/* is_plain: without libdw, which allocates and takes its time: in signal handlers. */
void cvy_symbols_open(struct cvy_symbols *s, bool is_plain);
void cvy_symbols_close(struct cvy_symbols *s);
/* The texts live until the close. pc lies inside the call instruction, as unwind.h gives it. */
void cvy_symbols_find(struct cvy_symbols *s, const void *pc, struct cvy_symbol *out);

#endif
