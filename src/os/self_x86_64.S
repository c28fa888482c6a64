/* SPDX-License-Identifier: MIT
 * self_x86_64.S - see self.h: the word, in the static block of thread-locals, and its setter. */
#ifdef __x86_64__
    .section .tbss, "awT", @nobits
    .globl cvy_self_word
    .hidden cvy_self_word
    .type cvy_self_word, @object
    .size cvy_self_word, 8
    .p2align 3
cvy_self_word:
    .zero 8

    .text
    .globl cvy_self_set
    .hidden cvy_self_set
    .type cvy_self_set, @function
cvy_self_set:
    .cfi_startproc
    movq cvy_self_word@gottpoff(%rip), %rax
    movq %rdi, %fs:(%rax)
    ret
    .cfi_endproc
    .size cvy_self_set, . - cvy_self_set
#endif
    .section .note.GNU-stack, "", @progbits
