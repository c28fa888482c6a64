/* SPDX-License-Identifier: MIT
 * module.c - see module.h. */
#define _GNU_SOURCE
#include "os/module.h"

#include "os/pages.h"

#include <errno.h>
#include <limits.h>
#include <link.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct walk {
    void (*fn)(const struct cvy_module *m, void *arg);
    void *arg;
    char program[PATH_MAX];
};

static size_t aligned(size_t n)
{
    return (n + 3) & ~(size_t)3;
}

/* Finds the build ID among a segment's notes. */
static void read_notes(const char *at, size_t len, char *out)
{
    while (len >= sizeof(ElfW(Nhdr))) {
        ElfW(Nhdr) note;
        memcpy(&note, at, sizeof(note));
        size_t name = sizeof(note);
        size_t id = name + aligned(note.n_namesz);
        size_t next = id + aligned(note.n_descsz);
        if (next > len) {
            return;
        }
        if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 &&
            memcmp(at + name, "GNU", 4) == 0) {
            for (size_t i = 0; i < note.n_descsz && 2 * i + 3 <= CVY_BUILD_ID_TEXT; i++) {
                (void)snprintf(out + 2 * i, 3, "%02x", (unsigned char)at[id + i]);
            }
            return;
        }
        at += next;
        len -= next;
    }
}

static int visit(struct dl_phdr_info *info, size_t size, void *arg)
{
    struct walk *w = arg;
    struct cvy_module m = {.path = info->dlpi_name[0] ? info->dlpi_name : w->program};

    (void)size;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        if (p->p_type == PT_NOTE && !m.build_id[0]) {
            read_notes((const char *)(info->dlpi_addr + p->p_vaddr), p->p_memsz, m.build_id);
        } else if (p->p_type == PT_LOAD && (p->p_flags & PF_X) && !m.end) {
            m.start = info->dlpi_addr + p->p_vaddr;
            m.end = m.start + p->p_memsz;
            m.offset = p->p_offset;
        }
    }
    if (m.end) {
        w->fn(&m, w->arg);
    }
    return 0;
}

void cvy_modules_each(void (*fn)(const struct cvy_module *m, void *arg), void *arg)
{
    struct walk w = {.fn = fn, .arg = arg};
    ssize_t n = readlink("/proc/self/exe", w.program, sizeof(w.program) - 1);

    w.program[n > 0 ? n : 0] = '\0';
    (void)dl_iterate_phdr(visit, &w);
}

/* Without a lock of the loader's: a dump must not wait for who loads a library just now. */
static bool is_mapped(const void *address)
{
    const char *page = (const char *)address - (uintptr_t)address % CVY_PAGE;
    unsigned char is_resident;

    return mincore((void *)page, 1, &is_resident) == 0 || errno != ENOMEM;
}

const covey_site *cvy_site_still_there(const covey_site *site)
{
    static const covey_site unloaded = {"unloaded", "a library that was unloaded", 0};

    bool is_there = !site || (is_mapped(site) && (!site->name || is_mapped(site->name)) &&
                              (!site->file || is_mapped(site->file)));
    return is_there ? site : &unloaded;
}
