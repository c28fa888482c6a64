/* SPDX-License-Identifier: MIT
 * fault.c - recognises a stack overflow in SIGSEGV or SIGBUS and says so; of any other fault that
 * will end the process, which task's it is and where.
 *
 * Runs on an alternate stack, one per carrier thread. Other faults then go to the handler that was
 * there before. Left alone in sanitizer builds, which have handlers of their own. */
#define _GNU_SOURCE
#include "base/alloc.h"
#include "os/file.h"
#include "os/module.h"
#include "os/symbol.h"
#include "sched/worker.h"

#include <dlfcn.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ALT_STACK_BYTES ((size_t)256 << 10) /* committed on touch; a dump reads symbols on it */
#define GUARD_BYTES 4096

static struct sigaction previous_segv, previous_bus;

/* Whether the fault is in the module that malloc is in. */
static bool is_in_libc(const void *context)
{
    Dl_info here;
    Dl_info libc;

    return dladdr(cvy_fault_pc(context), &here) != 0 &&
           dladdr((const void *)(uintptr_t)malloc, &libc) != 0 && here.dli_fbase == libc.dli_fbase;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* In one write, without the heap, which may be what is broken. The core file has the rest. */
static void tell(int number, const siginfo_t *info, const void *context, const struct cvy_task *t)
{
    struct cvy_symbols without_names = {0};
    struct cvy_symbol s;
    char text[1024];
    const covey_site *site = cvy_site_still_there(t->site);

    cvy_symbols_find_function(&without_names, cvy_fault_pc(context), &s);
    int len = snprintf(text, sizeof(text),
                       "covey: %s at address %p in task %llu \"%s\", started at %s:%d\n"
                       "    at %s (%s+0x%llx)\n",
                       number == SIGSEGV ? "SIGSEGV" : "SIGBUS", info->si_addr,
                       (unsigned long long)t->id, cvy_task_label(t), site ? site->file : "?",
                       site ? site->line : 0, s.function ? s.function : "?",
                       s.module ? base_name(s.module) : "?", (unsigned long long)s.offset);
    (void)cvy_file_write(STDERR_FILENO, text, len < (int)sizeof(text) ? (size_t)len : sizeof(text));
}

static void on_fault(int number, siginfo_t *info, void *context)
{
    struct cvy_thread *th = cvy_thread_self();
    struct cvy_task *t = th ? th->task : NULL;
    const char *address = info->si_addr;
    struct sigaction *previous = number == SIGSEGV ? &previous_segv : &previous_bus;

    if (t && t->stack && address < t->stack->low && address >= t->stack->low - GUARD_BYTES) {
        th->is_faulting = true;
        th->is_faulting_in_libc = is_in_libc(context);
        cvy_fatal("stack overflow in task %llu \"%s\" (%zu KiB)", (unsigned long long)t->id,
                  cvy_task_label(t), cvy_stack_class_size(t->stack->class_index) / 1024);
    }
    if (previous->sa_flags & SA_SIGINFO) {
        previous->sa_sigaction(number, info, context);
    } else if (previous->sa_handler != SIG_DFL && previous->sa_handler != SIG_IGN) {
        previous->sa_handler(number);
    } else {
        if (t && t->stack && info->si_code > 0) {
            tell(number, info, context, t);
        }
        /* The instruction faults again, now with the default's effect. */
        (void)sigaction(number, &(struct sigaction){.sa_handler = SIG_DFL}, NULL);
        if (info->si_code <= 0) {
            /* Sent by kill(): nothing would repeat it. */
            (void)raise(number);
        }
    }
}

void cvy_fault_install(void)
{
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};

    if (!CVY_SANITIZED) {
        (void)sigemptyset(&action.sa_mask);
        (void)sigaction(SIGSEGV, &action, &previous_segv);
        (void)sigaction(SIGBUS, &action, &previous_bus);
    }
}

static void restore(int number, const struct sigaction *previous)
{
    struct sigaction now;

    if (sigaction(number, NULL, &now) == 0 && (now.sa_flags & SA_SIGINFO) &&
        now.sa_sigaction == on_fault) {
        (void)sigaction(number, previous, NULL);
    }
}

void cvy_fault_remove(void)
{
    if (!CVY_SANITIZED) {
        restore(SIGSEGV, &previous_segv);
        restore(SIGBUS, &previous_bus);
    }
}

void cvy_fault_thread_init(struct cvy_thread *th)
{
    if (CVY_SANITIZED) {
        return;
    }
    /* Not for faults alone: a profile's signal does not fit on a compact stack. */
    th->alt_stack = cvy_alloc(ALT_STACK_BYTES);
    if (th->alt_stack) {
        stack_t ss = {.ss_sp = th->alt_stack, .ss_size = ALT_STACK_BYTES};
        (void)sigaltstack(&ss, NULL);
    }
}

void cvy_fault_thread_fini(struct cvy_thread *th)
{
    if (th->alt_stack) {
        (void)sigaltstack(&(stack_t){.ss_flags = SS_DISABLE}, NULL);
        free(th->alt_stack);
    }
}
