/* SPDX-License-Identifier: MIT
 * self_aarch64.S - see self.h: the word, in the static block of thread-locals, and its setter. */
#ifdef __aarch64__
    .section .tbss, "awT", %nobits
    .globl cvy_self_word
    .hidden cvy_self_word
    .type cvy_self_word, %object
    .size cvy_self_word, 8
    .p2align 3
cvy_self_word:
    .zero 8

    .text
    .globl cvy_self_set
    .hidden cvy_self_set
    .type cvy_self_set, %function
cvy_self_set:
    .cfi_startproc
    adrp x1, :gottprel:cvy_self_word
    ldr x1, [x1, :gottprel_lo12:cvy_self_word]
    mrs x2, tpidr_el0
    str x0, [x2, x1]
    ret
    .cfi_endproc
    .size cvy_self_set, . - cvy_self_set
#endif
    .section .note.GNU-stack, "", %progbits
