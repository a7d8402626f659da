#include "textflag.h"

// func prefetch(p unsafe.Pointer, bytes int)
TEXT ·prefetch(SB), NOSPLIT, $0-16
	MOVQ p+0(FP), DI
	MOVQ bytes+8(FP), CX
	ADDQ DI, CX
	ANDQ $-64, DI

lines:
	CMPQ       DI, CX
	JGE        done
	PREFETCHT0 (DI)
	ADDQ       $64, DI
	JMP        lines

done:
	RET
