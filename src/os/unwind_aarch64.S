/* SPDX-License-Identifier: MIT
 * unwind_aarch64.S - void cvy_unwind_call(void *sp, void (*fn)(void *), void *arg): calls fn(arg).
 * To an unwinder its caller is who called cvy_switch() when that saved sp: see switch_aarch64.S for
 * what lies where. */
#ifdef __aarch64__
    .text
    .globl cvy_unwind_call
    .hidden cvy_unwind_call
    .type cvy_unwind_call, %function
cvy_unwind_call:
    .cfi_startproc
    stp x29, x30, [sp, #-32]!
    .cfi_adjust_cfa_offset 32
    .cfi_offset x29, -32
    .cfi_offset x30, -24
    str x19, [sp, #16]
    .cfi_offset x19, -16
    mov x19, x0
    mov x0, x2
    .cfi_remember_state
    .cfi_def_cfa x19, 176
    .cfi_offset x19, -176
    .cfi_offset x20, -168
    .cfi_offset x21, -160
    .cfi_offset x22, -152
    .cfi_offset x23, -144
    .cfi_offset x24, -136
    .cfi_offset x25, -128
    .cfi_offset x26, -120
    .cfi_offset x27, -112
    .cfi_offset x28, -104
    .cfi_offset x29, -96
    .cfi_offset x30, -88
    blr x1
    .globl cvy_unwind_called
    .hidden cvy_unwind_called
cvy_unwind_called:
    .cfi_restore_state
    ldr x19, [sp, #16]
    ldp x29, x30, [sp], #32
    .cfi_adjust_cfa_offset -32
    ret
    .cfi_endproc
    .size cvy_unwind_call, . - cvy_unwind_call
#endif
    .section .note.GNU-stack, "", %progbits
