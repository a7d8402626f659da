#include "textflag.h"

// func prefetch(p unsafe.Pointer, bytes int)
TEXT ·prefetch(SB), NOSPLIT, $0-16
	MOVD p+0(FP), R0
	MOVD bytes+8(FP), R1
	ADD  R0, R1
	AND  $~63, R0

lines:
	CMP  R1, R0
	BGE  done
	PRFM (R0), PLDL1KEEP
	ADD  $64, R0
	B    lines

done:
	RET
