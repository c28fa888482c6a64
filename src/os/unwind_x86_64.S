/* SPDX-License-Identifier: MIT
 * unwind_x86_64.S - void cvy_unwind_call(void *sp, void (*fn)(void *), void *arg): calls fn(arg). To
 * an unwinder its caller is who called cvy_switch() when that saved sp: see switch_x86_64.S for
 * what lies where. */
#ifdef __x86_64__
    .text
    .globl cvy_unwind_call
    .hidden cvy_unwind_call
    .type cvy_unwind_call, @function
cvy_unwind_call:
    .cfi_startproc
    pushq %rbx
    .cfi_adjust_cfa_offset 8
    .cfi_offset rbx, -16
    movq %rdi, %rbx
    movq %rdx, %rdi
    .cfi_remember_state
    .cfi_def_cfa rbx, 64
    .cfi_offset rip, -8
    .cfi_offset rbp, -16
    .cfi_offset rbx, -24
    .cfi_offset r12, -32
    .cfi_offset r13, -40
    .cfi_offset r14, -48
    .cfi_offset r15, -56
    call *%rsi
    .globl cvy_unwind_called
    .hidden cvy_unwind_called
cvy_unwind_called:
    .cfi_restore_state
    popq %rbx
    .cfi_adjust_cfa_offset -8
    ret
    .cfi_endproc
    .size cvy_unwind_call, . - cvy_unwind_call
#endif
    .section .note.GNU-stack, "", @progbits
