/* SPDX-License-Identifier: MIT
 * switch_aarch64.S - AAPCS64: x19-x30, d8-d15 and fpcr survive a call. */
#ifdef __aarch64__
    .text
    .globl cvy_switch
    .hidden cvy_switch
    .type cvy_switch, %function
    .p2align 5
cvy_switch:
    .cfi_startproc
    sub sp, sp, #176
    .cfi_adjust_cfa_offset 176
    stp x19, x20, [sp, #0]
    stp x21, x22, [sp, #16]
    stp x23, x24, [sp, #32]
    stp x25, x26, [sp, #48]
    stp x27, x28, [sp, #64]
    stp x29, x30, [sp, #80]
    stp d8, d9, [sp, #96]
    stp d10, d11, [sp, #112]
    stp d12, d13, [sp, #128]
    stp d14, d15, [sp, #144]
    mrs x9, fpcr
    str x9, [sp, #160]
    mov x10, sp
    str x10, [x0]
    mov sp, x1
    ldr x11, [sp, #160]
    cmp x9, x11
    b.eq 1f
    msr fpcr, x11
1:  ldp x19, x20, [sp, #0]
    ldp x21, x22, [sp, #16]
    ldp x23, x24, [sp, #32]
    ldp x25, x26, [sp, #48]
    ldp x27, x28, [sp, #64]
    ldp x29, x30, [sp, #80]
    ldp d8, d9, [sp, #96]
    ldp d10, d11, [sp, #112]
    ldp d12, d13, [sp, #128]
    ldp d14, d15, [sp, #144]
    add sp, sp, #176
    .cfi_adjust_cfa_offset -176
    ret
    .cfi_endproc
    .size cvy_switch, . - cvy_switch

/* First instruction of every task: x19 holds the entry. */
    .type cvy_switch_start, %function
    .cfi_startproc
    .cfi_undefined x30
    nop /* unwinders look one byte before a return address: let them find this */
cvy_switch_start:
    mov x29, xzr
    blr x19
    brk #0
    .cfi_endproc
    .size cvy_switch_start, . - cvy_switch_start

/* void *cvy_switch_prepare(void *top, void (*entry)(void)) */
    .globl cvy_switch_prepare
    .hidden cvy_switch_prepare
    .type cvy_switch_prepare, %function
cvy_switch_prepare:
    .cfi_startproc
    sub x0, x0, #192
    str x1, [x0, #0]
    stp xzr, xzr, [x0, #8]
    stp xzr, xzr, [x0, #24]
    stp xzr, xzr, [x0, #40]
    stp xzr, xzr, [x0, #56]
    stp xzr, xzr, [x0, #72]
    adrp x9, cvy_switch_start
    add x9, x9, :lo12:cvy_switch_start
    str x9, [x0, #88]
    stp xzr, xzr, [x0, #96]
    stp xzr, xzr, [x0, #112]
    stp xzr, xzr, [x0, #128]
    stp xzr, xzr, [x0, #144]
    str xzr, [x0, #160]         /* fpcr as the ABI says at a start */
    ret
    .cfi_endproc
    .size cvy_switch_prepare, . - cvy_switch_prepare

/* void cvy_switch_reset_float(void): the same value for a stack that goes to the next task. */
    .globl cvy_switch_reset_float
    .hidden cvy_switch_reset_float
    .type cvy_switch_reset_float, %function
cvy_switch_reset_float:
    .cfi_startproc
    msr fpcr, xzr
    ret
    .cfi_endproc
    .size cvy_switch_reset_float, . - cvy_switch_reset_float
#endif
    .section .note.GNU-stack, "", %progbits
