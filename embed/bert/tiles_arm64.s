#include "textflag.h"
#include "neon_arm64.h"

// A tile of a product, c[r] = from[r] + a[r]·b, as kernels.go describes it: four
// rows by one panel. The sums are in V16 to V31, four registers a row; the
// weights of one input are in V0 to V3; V4 to V7 hold four inputs of each row.

#define ROW(s0, s1, s2, s3, row, i) \
	FMLAE(s0, 0, row, i) \
	FMLAE(s1, 1, row, i) \
	FMLAE(s2, 2, row, i) \
	FMLAE(s3, 3, row, i)

#define STEP(i) \
	VLD1.P 64(R3), [V0.S4, V1.S4, V2.S4, V3.S4] \
	ROW(16, 17, 18, 19, 4, i) \
	ROW(20, 21, 22, 23, 5, i) \
	ROW(24, 25, 26, 27, 6, i) \
	ROW(28, 29, 30, 31, 7, i)

// func neonTile4(depth int, a *float32, lda int, b *float32, ldb int, from *float32, ldf int, c *float32, ldc int)
TEXT ·neonTile4(SB), NOSPLIT, $0-72
	MOVD depth+0(FP), R0
	MOVD a+8(FP), R1
	MOVD lda+16(FP), R2
	MOVD b+24(FP), R3
	MOVD from+40(FP), R4
	MOVD ldf+48(FP), R5
	MOVD c+56(FP), R6
	MOVD ldc+64(FP), R7
	LSL  $2, R2
	LSL  $2, R5
	LSL  $2, R7
	ADD  R1, R2, R8
	ADD  R8, R2, R9
	ADD  R9, R2, R10
	VLD1 (R4), [V16.S4, V17.S4, V18.S4, V19.S4]
	ADD  R5, R4
	VLD1 (R4), [V20.S4, V21.S4, V22.S4, V23.S4]
	ADD  R5, R4
	VLD1 (R4), [V24.S4, V25.S4, V26.S4, V27.S4]
	ADD  R5, R4
	VLD1 (R4), [V28.S4, V29.S4, V30.S4, V31.S4]

loop:
	VLD1.P 16(R1), [V4.S4]
	VLD1.P 16(R8), [V5.S4]
	VLD1.P 16(R9), [V6.S4]
	VLD1.P 16(R10), [V7.S4]
	STEP(0)
	STEP(1)
	STEP(2)
	STEP(3)
	SUBS $4, R0, R0
	BNE  loop

	VST1 [V16.S4, V17.S4, V18.S4, V19.S4], (R6)
	ADD  R7, R6
	VST1 [V20.S4, V21.S4, V22.S4, V23.S4], (R6)
	ADD  R7, R6
	VST1 [V24.S4, V25.S4, V26.S4, V27.S4], (R6)
	ADD  R7, R6
	VST1 [V28.S4, V29.S4, V30.S4, V31.S4], (R6)
	RET
