/* SPDX-License-Identifier: MIT
 * symbol.c - see symbol.h. */
#define _GNU_SOURCE
#include "os/symbol.h"

#include "base/alloc.h"
#include "os/dwarf.h"

#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* libstdc++'s, or whose the program has (Itanium C++ ABI); looked for when a name of C++ is met. */
static char *(*demangle)(const char *mangled, char *out, size_t *size, int *status);
static pthread_once_t demangle_once = PTHREAD_ONCE_INIT;

static bool load_one(void *place, void *library, const char *name)
{
    void *found = dlsym(library, name);

    /* POSIX has it so that a function's address fits a void *. */
    *(void **)place = found;
    return found != NULL;
}

static void load_demangle(void)
{
    if (!load_one(&demangle, RTLD_DEFAULT, "__cxa_demangle")) {
        void *library = dlopen("libstdc++.so.6", RTLD_NOW | RTLD_LOCAL);
        if (library) {
            (void)load_one(&demangle, library, "__cxa_demangle");
        }
    }
}

/* A dump asks for the same few addresses again and again, a million times if there are as many
 * tasks. So no two of them may drive each other out: each has several slots to be in. */
#define CACHE_SIZE 1024
#define CACHE_WAYS 8

struct known {
    const void *pc; /* NULL: empty */
    size_t count;
    struct cvy_symbol symbols[CVY_SYMBOLS_MAX];
};

/* A name of C++, as its source has it. */
struct plain_name {
    struct plain_name *next;
    const char *mangled; /* libdw's */
    char *text;          /* NULL: it is no such name after all */
};

struct reader {
    struct cvy_dwarf *dwarf;
    struct plain_name *names; /* each once */
    size_t turn;              /* who gives way where all slots are taken */
    struct known cache[CACHE_SIZE];
};

void cvy_symbols_open(struct cvy_symbols *s, bool is_plain)
{
    s->reader = NULL;
    if (is_plain) {
        return;
    }
    struct cvy_dwarf *dwarf = cvy_dwarf_open();
    struct reader *r = dwarf ? cvy_alloc_zeroed(sizeof(*r)) : NULL;
    if (r) {
        r->dwarf = dwarf;
        s->reader = r;
    } else if (dwarf) {
        cvy_dwarf_close(dwarf);
    }
}

void cvy_symbols_close(struct cvy_symbols *s)
{
    struct reader *r = s->reader;

    if (r) {
        cvy_dwarf_close(r->dwarf);
        for (struct plain_name *n = r->names, *next; n; n = next) {
            next = n->next;
            free(n->text);
            free(n);
        }
        free(r);
        s->reader = NULL;
    }
}

static uintptr_t bias_of(const void *pc, Dl_info *info)
{
    struct link_map *map = NULL;

    return dladdr1(pc, info, (void **)&map, RTLD_DL_LINKMAP) != 0 && map
               ? map->l_addr
               : (uintptr_t)info->dli_fbase;
}

struct searched {
    uintptr_t pc;
    struct cvy_symbol *out;
};

static int find_in_program(struct dl_phdr_info *info, size_t size, void *arg)
{
    const struct searched *s = arg;

    (void)size;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        if (p->p_type == PT_LOAD && s->pc - info->dlpi_addr - p->p_vaddr < p->p_memsz) {
            s->out->module = program_invocation_name;
            s->out->offset = s->pc - info->dlpi_addr;
            return 1;
        }
    }
    return 0;
}

static void find_by_linker(const void *pc, struct cvy_symbol *out)
{
    Dl_info info;
    const ElfW(Sym) *entry = NULL;

    if (dladdr1(pc, &info, (void **)&entry, RTLD_DL_SYMENT) == 0 || !info.dli_fname) {
        /* Of a static program the linker knows nothing. */
        (void)dl_iterate_phdr(find_in_program, &(struct searched){(uintptr_t)pc, out});
        return;
    }
    out->module = info.dli_fname;
    /* As the file counts: a program that is not relocatable does not begin at 0. */
    out->offset = (uintptr_t)pc - bias_of(pc, &info);
    /* A static function would pass for the exported one before it. */
    if (entry && (uintptr_t)pc - (uintptr_t)info.dli_saddr < entry->st_size) {
        out->function = info.dli_sname;
    }
}

static const char *plain_name_of(struct reader *r, const char *name)
{
    if (name[0] != '_' || name[1] != 'Z') {
        return name;
    }
    (void)pthread_once(&demangle_once, load_demangle);
    if (!demangle) {
        return name;
    }
    struct plain_name *n = r->names;
    while (n && n->mangled != name) {
        n = n->next;
    }
    if (!n && (n = cvy_alloc(sizeof(*n))) != NULL) {
        *n = (struct plain_name){r->names, name, demangle(name, NULL, NULL, NULL)};
        r->names = n;
    }
    return n && n->text ? n->text : name;
}

/* out[0] has what the linker knows. */
static size_t find_by_reader(struct reader *r, const void *pc, struct cvy_symbol *out)
{
    struct cvy_symbol linkers = out[0];
    size_t n = cvy_dwarf_find(r->dwarf, pc, out, CVY_SYMBOLS_MAX);

    for (size_t i = 0; i < n; i++) {
        out[i].module = linkers.module;
        out[i].offset = linkers.offset;
        out[i].function = out[i].function ? plain_name_of(r, out[i].function) : NULL;
    }
    if (!out[n - 1].function) {
        out[n - 1].function = linkers.function;
    }
    return n;
}

/* The slot that has pc, or is to have it. */
static struct known *slot_of(struct reader *r, const void *pc)
{
    size_t at = (size_t)((uintptr_t)pc * UINT64_C(0x9E3779B97F4A7C15) >> 32);

    for (size_t i = 0; i < CACHE_WAYS; i++) {
        struct known *k = &r->cache[(at + i) % CACHE_SIZE];
        if (k->pc == pc || !k->pc) {
            return k;
        }
    }
    return &r->cache[(at + r->turn++ % CACHE_WAYS) % CACHE_SIZE];
}

size_t cvy_symbols_find(struct cvy_symbols *s, const void *pc, struct cvy_symbol *out)
{
    struct reader *r = s->reader;
    struct known *k = r && pc ? slot_of(r, pc) : NULL;

    if (k && k->pc == pc) {
        memcpy(out, k->symbols, k->count * sizeof(*out));
        return k->count;
    }
    out[0] = (struct cvy_symbol){0};
    find_by_linker(pc, &out[0]);
    size_t n = r ? find_by_reader(r, pc, out) : 1;
    if (k) {
        k->pc = pc;
        k->count = n;
        memcpy(k->symbols, out, n * sizeof(*out));
    }
    return n;
}

void cvy_symbols_find_function(struct cvy_symbols *s, const void *pc, struct cvy_symbol *out)
{
    struct cvy_symbol symbols[CVY_SYMBOLS_MAX];
    size_t n = cvy_symbols_find(s, pc, symbols);

    *out = symbols[n - 1];
}
