#include "textflag.h"

// The assembler knows no sum or difference of float vectors. Multiplying with the
// ones in V31, fused, does the same: it rounds once, after the sum.
#define ONES \
	FMOVS $1.0, F31        \
	VDUP  V31.S[0], V31.S4

// FADDP D.4S, N.4S, M.4S: the sums of neighbouring lanes of N, then of M.
#define FADDP4S(M, N, D) WORD $(0x6E20D400 | (M)<<16 | (N)<<5 | (D))

// The kernels that compare a pair: R0 and R1 are the vectors, R2 the floats left,
// V0 to V3 the partial sums.
#define PAIR \
	MOVD a+0(FP), R0             \
	MOVD b+8(FP), R1             \
	MOVD n+16(FP), R2            \
	VEOR V0.B16, V0.B16, V0.B16  \
	VEOR V1.B16, V1.B16, V1.B16  \
	VEOR V2.B16, V2.B16, V2.B16  \
	VEOR V3.B16, V3.B16, V3.B16

#define LOAD16 \
	VLD1.P 64(R0), [V4.S4, V5.S4, V6.S4, V7.S4]     \
	VLD1.P 64(R1), [V16.S4, V17.S4, V18.S4, V19.S4]

// Fold the sixteen partial sums into V0.
#define FOLD \
	FADDP4S(1, 0, 0) \
	FADDP4S(3, 2, 2) \
	FADDP4S(2, 0, 0) \
	FADDP4S(0, 0, 0) \
	FADDP4S(0, 0, 0)

// The kernels that take four rows at a time. While four rows are compared the next
// four are prefetched. Registers while rows are compared:
//
//	R0         the query       R12 floats left
//	R4 to R7   the rows        R8 to R11 the next rows
//	R13 at     R14 groups left R15 out
//	R16 rows   R17 stride in bytes

// Point REG at the row whose number is at ADDRESS.
#define ROW(ADDRESS, REG) \
	MOVWU ADDRESS, REG        \
	MADD  R17, R16, REG, REG

// The beginning of a function.
#define BEGIN \
	MOVD rows+16(FP), R16    \
	MOVD stride+24(FP), R17  \
	LSL  $2, R17             \
	MOVD at+32(FP), R13      \
	MOVD groups+40(FP), R14  \
	MOVD out+56(FP), R15

// The beginning of a group of four: V0 to V3 and V4 to V7 are two partial sums of each row.
#define GROUP \
	ROW((R13), R4)               \
	ROW(4(R13), R5)              \
	ROW(8(R13), R6)              \
	ROW(12(R13), R7)             \
	ADD  $16, R13                \
	MOVD R13, R19                \
	CMP  $1, R14                 \
	BNE  next                    \
	MOVD more+48(FP), R19        \
	SUB  $1, R19                 \
	ADD  R19<<4, R13, R19        \
next:                            \
	ROW((R19), R8)               \
	ROW(4(R19), R9)              \
	ROW(8(R19), R10)             \
	ROW(12(R19), R11)            \
	MOVD q+0(FP), R0             \
	MOVD n+8(FP), R12            \
	VEOR V0.B16, V0.B16, V0.B16  \
	VEOR V1.B16, V1.B16, V1.B16  \
	VEOR V2.B16, V2.B16, V2.B16  \
	VEOR V3.B16, V3.B16, V3.B16  \
	VEOR V4.B16, V4.B16, V4.B16  \
	VEOR V5.B16, V5.B16, V5.B16  \
	VEOR V6.B16, V6.B16, V6.B16  \
	VEOR V7.B16, V7.B16, V7.B16

// Prefetch the next rows. Eight floats are half a line: every other one is a repetition that costs nothing.
#define PREFETCH \
	PRFM (R8), PLDL1KEEP   \
	PRFM (R9), PLDL1KEEP   \
	PRFM (R10), PLDL1KEEP  \
	PRFM (R11), PLDL1KEEP  \
	ADD  $32, R8           \
	ADD  $32, R9           \
	ADD  $32, R10          \
	ADD  $32, R11

// Load eight floats of the query to V16 and V17, and of the rows to V18 … V25.
#define LOAD8 \
	VLD1.P 32(R0), [V16.S4, V17.S4] \
	VLD1.P 32(R4), [V18.S4, V19.S4] \
	VLD1.P 32(R5), [V20.S4, V21.S4] \
	VLD1.P 32(R6), [V22.S4, V23.S4] \
	VLD1.P 32(R7), [V24.S4, V25.S4]

// Load one float of the query to F16, and of the rows to F18, F20, F22, F24.
#define LOAD1 \
	FMOVS.P 4(R0), F16 \
	FMOVS.P 4(R4), F18 \
	FMOVS.P 4(R5), F20 \
	FMOVS.P 4(R6), F22 \
	FMOVS.P 4(R7), F24

// Begin the sums of what is left of each row: the first lanes of V26 to V29, the others are 0.
#define ZERO4 \
	VEOR V26.B16, V26.B16, V26.B16 \
	VEOR V27.B16, V27.B16, V27.B16 \
	VEOR V28.B16, V28.B16, V28.B16 \
	VEOR V29.B16, V29.B16, V29.B16

// Add them to the partial sums.
#define ADD4 \
	VFMLA V31.S4, V26.S4, V0.S4 \
	VFMLA V31.S4, V27.S4, V1.S4 \
	VFMLA V31.S4, V28.S4, V2.S4 \
	VFMLA V31.S4, V29.S4, V3.S4

// Fold the partial sums of each row into one lane of V0.
#define FOLD4 \
	FADDP4S(4, 0, 0) \
	FADDP4S(5, 1, 1) \
	FADDP4S(6, 2, 2) \
	FADDP4S(7, 3, 3) \
	FADDP4S(1, 0, 0) \
	FADDP4S(3, 2, 2) \
	FADDP4S(2, 0, 0)

// func dotNEON(a, b *float32, n int) float32
TEXT ·dotNEON(SB), NOSPLIT, $0-28
	PAIR
	SUBS $16, R2
	BLT  few

by16:
	LOAD16
	VFMLA V4.S4, V16.S4, V0.S4
	VFMLA V5.S4, V17.S4, V1.S4
	VFMLA V6.S4, V18.S4, V2.S4
	VFMLA V7.S4, V19.S4, V3.S4
	SUBS  $16, R2
	BGE   by16

few:
	ADDS $12, R2
	BLT  fewer

by4:
	VLD1.P 16(R0), [V4.S4]
	VLD1.P 16(R1), [V5.S4]
	VFMLA  V4.S4, V5.S4, V0.S4
	SUBS   $4, R2
	BGE    by4

fewer:
	FOLD
	ADDS $4, R2
	BEQ  sum

by1:
	FMOVS.P 4(R0), F4
	FMOVS.P 4(R1), F5
	FMADDS  F4, F0, F5, F0
	SUBS    $1, R2
	BNE     by1

sum:
	FMOVS F0, ret+24(FP)
	RET

// func squaredL2NEON(a, b *float32, n int) float32
TEXT ·squaredL2NEON(SB), NOSPLIT, $0-28
	ONES
	PAIR
	SUBS  $16, R2
	BLT   few

by16:
	LOAD16
	VFMLS V31.S4, V16.S4, V4.S4
	VFMLS V31.S4, V17.S4, V5.S4
	VFMLS V31.S4, V18.S4, V6.S4
	VFMLS V31.S4, V19.S4, V7.S4
	VFMLA V4.S4, V4.S4, V0.S4
	VFMLA V5.S4, V5.S4, V1.S4
	VFMLA V6.S4, V6.S4, V2.S4
	VFMLA V7.S4, V7.S4, V3.S4
	SUBS  $16, R2
	BGE   by16

few:
	ADDS $12, R2
	BLT  fewer

by4:
	VLD1.P 16(R0), [V4.S4]
	VLD1.P 16(R1), [V5.S4]
	VFMLS  V31.S4, V5.S4, V4.S4
	VFMLA  V4.S4, V4.S4, V0.S4
	SUBS   $4, R2
	BGE    by4

fewer:
	FOLD
	ADDS $4, R2
	BEQ  sum

by1:
	FMOVS.P 4(R0), F4
	FMOVS.P 4(R1), F5
	FSUBS   F5, F4, F4
	FMADDS  F4, F0, F4, F0
	SUBS    $1, R2
	BNE     by1

sum:
	FMOVS F0, ret+24(FP)
	RET

// func dotFoursNEON(q *float32, n int, rows *float32, stride int, at *uint32, groups, more int, out *float32)
TEXT ·dotFoursNEON(SB), NOSPLIT, $0-64
	ONES
	BEGIN

group:
	GROUP
	SUBS $8, R12
	BLT  few

by8:
	PREFETCH
	LOAD8
	VFMLA V16.S4, V18.S4, V0.S4
	VFMLA V16.S4, V20.S4, V1.S4
	VFMLA V16.S4, V22.S4, V2.S4
	VFMLA V16.S4, V24.S4, V3.S4
	VFMLA V17.S4, V19.S4, V4.S4
	VFMLA V17.S4, V21.S4, V5.S4
	VFMLA V17.S4, V23.S4, V6.S4
	VFMLA V17.S4, V25.S4, V7.S4
	SUBS  $8, R12
	BGE   by8

few:
	PREFETCH
	ADDS $8, R12
	BEQ  sum
	ZERO4

by1:
	LOAD1
	FMADDS F16, F26, F18, F26
	FMADDS F16, F27, F20, F27
	FMADDS F16, F28, F22, F28
	FMADDS F16, F29, F24, F29
	SUBS   $1, R12
	BNE    by1
	ADD4

sum:
	FOLD4
	VST1.P [V0.S4], 16(R15)
	SUBS   $1, R14
	BNE    group
	RET

// func squaredL2FoursNEON(q *float32, n int, rows *float32, stride int, at *uint32, groups, more int, out *float32)
TEXT ·squaredL2FoursNEON(SB), NOSPLIT, $0-64
	ONES
	BEGIN

group:
	GROUP
	SUBS $8, R12
	BLT  few

by8:
	PREFETCH
	LOAD8
	VFMLS V31.S4, V16.S4, V18.S4
	VFMLS V31.S4, V17.S4, V19.S4
	VFMLS V31.S4, V16.S4, V20.S4
	VFMLS V31.S4, V17.S4, V21.S4
	VFMLS V31.S4, V16.S4, V22.S4
	VFMLS V31.S4, V17.S4, V23.S4
	VFMLS V31.S4, V16.S4, V24.S4
	VFMLS V31.S4, V17.S4, V25.S4
	VFMLA V18.S4, V18.S4, V0.S4
	VFMLA V20.S4, V20.S4, V1.S4
	VFMLA V22.S4, V22.S4, V2.S4
	VFMLA V24.S4, V24.S4, V3.S4
	VFMLA V19.S4, V19.S4, V4.S4
	VFMLA V21.S4, V21.S4, V5.S4
	VFMLA V23.S4, V23.S4, V6.S4
	VFMLA V25.S4, V25.S4, V7.S4
	SUBS  $8, R12
	BGE   by8

few:
	PREFETCH
	ADDS $8, R12
	BEQ  sum
	ZERO4

by1:
	LOAD1
	FSUBS  F16, F18, F18
	FSUBS  F16, F20, F20
	FSUBS  F16, F22, F22
	FSUBS  F16, F24, F24
	FMADDS F18, F26, F18, F26
	FMADDS F20, F27, F20, F27
	FMADDS F22, F28, F22, F28
	FMADDS F24, F29, F24, F29
	SUBS   $1, R12
	BNE    by1
	ADD4

sum:
	FOLD4
	VST1.P [V0.S4], 16(R15)
	SUBS   $1, R14
	BNE    group
	RET
