/* SPDX-License-Identifier: MIT
 * switch_aarch64.S - AAPCS64: x19-x30, d8-d15 and fpcr survive a call. Who is stopped between two
 * instructions of cvy_switch is unwound as one of the two tasks: a register is where it was stored
 * until it is loaded, so that it holds on either stack. */
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
    .cfi_rel_offset x19, 0
    .cfi_rel_offset x20, 8
    stp x21, x22, [sp, #16]
    .cfi_rel_offset x21, 16
    .cfi_rel_offset x22, 24
    stp x23, x24, [sp, #32]
    .cfi_rel_offset x23, 32
    .cfi_rel_offset x24, 40
    stp x25, x26, [sp, #48]
    .cfi_rel_offset x25, 48
    .cfi_rel_offset x26, 56
    stp x27, x28, [sp, #64]
    .cfi_rel_offset x27, 64
    .cfi_rel_offset x28, 72
    stp x29, x30, [sp, #80]
    .cfi_rel_offset x29, 80
    .cfi_rel_offset x30, 88
    stp d8, d9, [sp, #96]
    .cfi_rel_offset 72, 96
    .cfi_rel_offset 73, 104
    stp d10, d11, [sp, #112]
    .cfi_rel_offset 74, 112
    .cfi_rel_offset 75, 120
    stp d12, d13, [sp, #128]
    .cfi_rel_offset 76, 128
    .cfi_rel_offset 77, 136
    stp d14, d15, [sp, #144]
    .cfi_rel_offset 78, 144
    .cfi_rel_offset 79, 152
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
    .cfi_restore x19
    .cfi_restore x20
    ldp x21, x22, [sp, #16]
    .cfi_restore x21
    .cfi_restore x22
    ldp x23, x24, [sp, #32]
    .cfi_restore x23
    .cfi_restore x24
    ldp x25, x26, [sp, #48]
    .cfi_restore x25
    .cfi_restore x26
    ldp x27, x28, [sp, #64]
    .cfi_restore x27
    .cfi_restore x28
    ldp x29, x30, [sp, #80]
    .cfi_restore x29
    .cfi_restore x30
    ldp d8, d9, [sp, #96]
    .cfi_restore 72
    .cfi_restore 73
    ldp d10, d11, [sp, #112]
    .cfi_restore 74
    .cfi_restore 75
    ldp d12, d13, [sp, #128]
    .cfi_restore 76
    .cfi_restore 77
    ldp d14, d15, [sp, #144]
    .cfi_restore 78
    .cfi_restore 79
    add sp, sp, #176
    .cfi_adjust_cfa_offset -176
    ret
    .cfi_endproc
    .size cvy_switch, . - cvy_switch

/* First instruction of every task: x19 holds the entry. */
    .type cvy_switch_start, %function
    .cfi_startproc
    .cfi_undefined x30
cvy_switch_start:
    nop /* unwinders look one byte before a return address: let them find this */
.Lfirst:
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
    adrp x9, .Lfirst
    add x9, x9, :lo12:.Lfirst
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
