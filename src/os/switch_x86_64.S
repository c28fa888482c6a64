/* SPDX-License-Identifier: MIT
 * switch_x86_64.S - System V AMD64: rbx, rbp, r12-r15, mxcsr and the x87 control word survive a call.
 * Returns with ret: the return-stack predictor stays balanced with the caller's frames. Who is stopped
 * between two instructions of cvy_switch is unwound as one of the two tasks: a register is where it was
 * pushed until it is popped, so that it holds on either stack. */
#ifdef __x86_64__
    .text
    .globl cvy_switch
    .hidden cvy_switch
    .type cvy_switch, @function
    .p2align 5
cvy_switch:
    .cfi_startproc
    pushq %rbp
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset rbp, 0
    pushq %rbx
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset rbx, 0
    pushq %r12
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset r12, 0
    pushq %r13
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset r13, 0
    pushq %r14
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset r14, 0
    pushq %r15
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset r15, 0
    subq $8, %rsp
    .cfi_adjust_cfa_offset 8
    stmxcsr (%rsp)
    fnstcw 4(%rsp)
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    ldmxcsr (%rsp)
    fldcw 4(%rsp)
    addq $8, %rsp
    .cfi_adjust_cfa_offset -8
    popq %r15
    .cfi_adjust_cfa_offset -8
    .cfi_restore r15
    popq %r14
    .cfi_adjust_cfa_offset -8
    .cfi_restore r14
    popq %r13
    .cfi_adjust_cfa_offset -8
    .cfi_restore r13
    popq %r12
    .cfi_adjust_cfa_offset -8
    .cfi_restore r12
    popq %rbx
    .cfi_adjust_cfa_offset -8
    .cfi_restore rbx
    popq %rbp
    .cfi_adjust_cfa_offset -8
    .cfi_restore rbp
    ret
    .cfi_endproc
    .size cvy_switch, . - cvy_switch

/* First instruction of every task: r12 holds the entry. The undefined return address ends a
 * debugger's walk here. */
    .type cvy_switch_start, @function
    .cfi_startproc
    .cfi_undefined rip
cvy_switch_start:
    nop /* unwinders look one byte before a return address: let them find this */
.Lfirst:
    xorl %ebp, %ebp
    call *%r12
    ud2
    .cfi_endproc
    .size cvy_switch_start, . - cvy_switch_start

/* void *cvy_switch_prepare(void *top, void (*entry)(void)) */
    .globl cvy_switch_prepare
    .hidden cvy_switch_prepare
    .type cvy_switch_prepare, @function
cvy_switch_prepare:
    .cfi_startproc
    leaq .Lfirst(%rip), %rax
    movq $0, -8(%rdi)
    movq $0, -16(%rdi)
    movq %rax, -24(%rdi)        /* return address */
    movq $0, -32(%rdi)          /* rbp */
    movq $0, -40(%rdi)          /* rbx */
    movq %rsi, -48(%rdi)        /* r12 */
    movq $0, -56(%rdi)
    movq $0, -64(%rdi)
    movq $0, -72(%rdi)          /* r15 */
    movl $0x1f80, -80(%rdi)     /* mxcsr and x87 control word as the ABI says at a start */
    movl $0x037f, -76(%rdi)
    leaq -80(%rdi), %rax
    ret
    .cfi_endproc
    .size cvy_switch_prepare, . - cvy_switch_prepare

/* void cvy_switch_reset_float(void): the same values for a stack that goes to the next task. */
    .globl cvy_switch_reset_float
    .hidden cvy_switch_reset_float
    .type cvy_switch_reset_float, @function
cvy_switch_reset_float:
    .cfi_startproc
    movl $0x1f80, -8(%rsp)
    movl $0x037f, -4(%rsp)
    ldmxcsr -8(%rsp)
    fldcw -4(%rsp)
    ret
    .cfi_endproc
    .size cvy_switch_reset_float, . - cvy_switch_reset_float
#endif
    .section .note.GNU-stack, "", @progbits
