#include "textflag.h"

// A tile of sums, as codes.go describes it: four rows by one panel, with SDOT. The
// sums are in V16 to V31, four registers a row; the weights of four inputs are in
// V0 to V3; V4 to V7 hold sixteen inputs of each row. SDOT wants both factors with
// a sign: turning the highest bit of an input's code over takes codeBias away, so
// that sums begin with zero and start is not read.

// SDOTE adds to each lane of d the four products of its bytes of n with the bytes i of m.
#define SDOTE(d, n, m, i) WORD $(0x4f80e000 | ((i)&1)<<21 | ((i)>>1)<<11 | (m)<<16 | (n)<<5 | (d))

#define ROW(s0, s1, s2, s3, row, i) \
	SDOTE(s0, 0, row, i) \
	SDOTE(s1, 1, row, i) \
	SDOTE(s2, 2, row, i) \
	SDOTE(s3, 3, row, i)

#define STEP(i) \
	VLD1.P 64(R3), [V0.B16, V1.B16, V2.B16, V3.B16] \
	ROW(16, 17, 18, 19, 4, i) \
	ROW(20, 21, 22, 23, 5, i) \
	ROW(24, 25, 26, 27, 6, i) \
	ROW(28, 29, 30, 31, 7, i)

#define ZERO(s0, s1, s2, s3) \
	VEOR s0.B16, s0.B16, s0.B16 \
	VEOR s1.B16, s1.B16, s1.B16 \
	VEOR s2.B16, s2.B16, s2.B16 \
	VEOR s3.B16, s3.B16, s3.B16

// func sdotTile4(depth int, a *uint8, lda int, b *int8, ldb int, start *int32, sums *int32, lds int)
TEXT ·sdotTile4(SB), NOSPLIT, $0-64
	MOVD  depth+0(FP), R0
	MOVD  a+8(FP), R1
	MOVD  lda+16(FP), R2
	MOVD  b+24(FP), R3
	MOVD  sums+48(FP), R6
	MOVD  lds+56(FP), R7
	LSL   $2, R7
	ADD   R1, R2, R8
	ADD   R8, R2, R9
	ADD   R9, R2, R10
	VMOVI $0x80, V8.B16
	ZERO(V16, V17, V18, V19)
	ZERO(V20, V21, V22, V23)
	ZERO(V24, V25, V26, V27)
	ZERO(V28, V29, V30, V31)

loop:
	VLD1.P 16(R1), [V4.B16]
	VLD1.P 16(R8), [V5.B16]
	VLD1.P 16(R9), [V6.B16]
	VLD1.P 16(R10), [V7.B16]
	VEOR   V8.B16, V4.B16, V4.B16
	VEOR   V8.B16, V5.B16, V5.B16
	VEOR   V8.B16, V6.B16, V6.B16
	VEOR   V8.B16, V7.B16, V7.B16
	STEP(0)
	STEP(1)
	STEP(2)
	STEP(3)
	SUBS   $16, R0, R0
	BNE    loop

	VST1 [V16.S4, V17.S4, V18.S4, V19.S4], (R6)
	ADD  R7, R6
	VST1 [V20.S4, V21.S4, V22.S4, V23.S4], (R6)
	ADD  R7, R6
	VST1 [V24.S4, V25.S4, V26.S4, V27.S4], (R6)
	ADD  R7, R6
	VST1 [V28.S4, V29.S4, V30.S4, V31.S4], (R6)
	RET
