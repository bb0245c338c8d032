/* The init program inside each host: tsrunc_init_start up to tsrunc_init_end (native/host/host.h). */
	.section .rodata
	.balign 16
	.globl tsrunc_init_start, tsrunc_init_end
	.hidden tsrunc_init_start, tsrunc_init_end
tsrunc_init_start:
	.incbin "tsrunc-init" /* found through -Wa,-I */
tsrunc_init_end:
	.byte 0
	.section .note.GNU-stack, "", %progbits
