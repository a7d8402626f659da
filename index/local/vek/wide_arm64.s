#include "textflag.h"

// Wide sums with NEON: V0 to V7 are the sixteen running sums. The assembler knows
// none of these instructions.

// FCVTL D.2D, N.2S and FCVTL2 D.2D, N.4S: the lower and the upper two floats become float64.
#define FCVTL(N, D) WORD $(0x0E617800 | (N)<<5 | (D))
#define FCVTL2(N, D) WORD $(0x4E617800 | (N)<<5 | (D))

// The same operations as the names say, of two float64 each: D is set to N and M.
#define FADD2D(M, N, D) WORD $(0x4E60D400 | (M)<<16 | (N)<<5 | (D))
#define FSUB2D(M, N, D) WORD $(0x4EE0D400 | (M)<<16 | (N)<<5 | (D))
#define FMUL2D(M, N, D) WORD $(0x6E60DC00 | (M)<<16 | (N)<<5 | (D))
#define FADDP2D(M, N, D) WORD $(0x6E60D400 | (M)<<16 | (N)<<5 | (D))

// The beginning of a function: R0 and R1 are the vectors, R2 the blocks of
// sixteen floats left, R3 what is left after them, padded with zeros, or nil. To
// add zeros changes no sum: sums begin with 0, and so are never -0.
#define BEGIN \
	MOVD a+0(FP), R0            \
	MOVD b+8(FP), R1            \
	MOVD blocks+16(FP), R2      \
	MOVD tail+24(FP), R3        \
	VEOR V0.B16, V0.B16, V0.B16 \
	VEOR V1.B16, V1.B16, V1.B16 \
	VEOR V2.B16, V2.B16, V2.B16 \
	VEOR V3.B16, V3.B16, V3.B16 \
	VEOR V4.B16, V4.B16, V4.B16 \
	VEOR V5.B16, V5.B16, V5.B16 \
	VEOR V6.B16, V6.B16, V6.B16 \
	VEOR V7.B16, V7.B16, V7.B16

// Go on with the tail as the vectors.
#define TAIL \
	MOVD R3, R0      \
	ADD  $64, R3, R1 \
	MOVD $1, R2      \
	MOVD $0, R3

// Load sixteen floats of each vector: V16 to V19 and V20 to V23.
#define LOAD16 \
	VLD1.P 64(R0), [V16.S4, V17.S4, V18.S4, V19.S4] \
	VLD1.P 64(R1), [V20.S4, V21.S4, V22.S4, V23.S4]

// Four floats of each vector, in A and B, become float64: V24 and V25, V26 and V27.
#define WIDEN(A, B) \
	FCVTL(A, 24)  \
	FCVTL2(A, 25) \
	FCVTL(B, 26)  \
	FCVTL2(B, 27)

// Add up the eight pairs of sums to the lower lane of the first, in the order that is defined.
#define TOTAL(S0, S1, S2, S3, S4, S5, S6, S7) \
	FADD2D(S4, S0, S0)  \
	FADD2D(S5, S1, S1)  \
	FADD2D(S6, S2, S2)  \
	FADD2D(S7, S3, S3)  \
	FADD2D(S2, S0, S0)  \
	FADD2D(S3, S1, S1)  \
	FADD2D(S1, S0, S0)  \
	FADDP2D(S0, S0, S0)

#define DOT4(A, B, S, T) \
	WIDEN(A, B)                    \
	VFMLA V24.D2, V26.D2, S.D2     \
	VFMLA V25.D2, V27.D2, T.D2

#define DOTS4(A, B, S, T, U, V) \
	DOT4(A, B, S, T)               \
	VFMLA V26.D2, V26.D2, U.D2     \
	VFMLA V27.D2, V27.D2, V.D2

// Add the squares of the differences: rounded, then added.
#define SQUARE4(A, B, S, T) \
	WIDEN(A, B)         \
	FSUB2D(26, 24, 24)  \
	FSUB2D(27, 25, 25)  \
	FMUL2D(24, 24, 24)  \
	FMUL2D(25, 25, 25)  \
	FADD2D(24, S, S)    \
	FADD2D(25, T, T)

// func wideDotNEON(a, b *float32, blocks int, tail *wideTail) float64
TEXT ·wideDotNEON(SB), NOSPLIT, $0-40
	BEGIN
	CBZ R2, few

by16:
	LOAD16
	DOT4(16, 20, V0, V1)
	DOT4(17, 21, V2, V3)
	DOT4(18, 22, V4, V5)
	DOT4(19, 23, V6, V7)
	SUBS $1, R2
	BNE  by16

few:
	CBZ R3, sum
	TAIL
	B   by16

sum:
	TOTAL(0, 1, 2, 3, 4, 5, 6, 7)
	FMOVD F0, ret+32(FP)
	RET

// func wideDotsNEON(a, b *float32, blocks int, tail *wideTail) (ab, bb float64)
TEXT ·wideDotsNEON(SB), NOSPLIT, $0-48
	BEGIN
	VEOR V8.B16, V8.B16, V8.B16
	VEOR V9.B16, V9.B16, V9.B16
	VEOR V10.B16, V10.B16, V10.B16
	VEOR V11.B16, V11.B16, V11.B16
	VEOR V12.B16, V12.B16, V12.B16
	VEOR V13.B16, V13.B16, V13.B16
	VEOR V14.B16, V14.B16, V14.B16
	VEOR V15.B16, V15.B16, V15.B16
	CBZ  R2, few

by16:
	LOAD16
	DOTS4(16, 20, V0, V1, V8, V9)
	DOTS4(17, 21, V2, V3, V10, V11)
	DOTS4(18, 22, V4, V5, V12, V13)
	DOTS4(19, 23, V6, V7, V14, V15)
	SUBS $1, R2
	BNE  by16

few:
	CBZ R3, sum
	TAIL
	B   by16

sum:
	TOTAL(0, 1, 2, 3, 4, 5, 6, 7)
	TOTAL(8, 9, 10, 11, 12, 13, 14, 15)
	FMOVD F0, ab+32(FP)
	FMOVD F8, bb+40(FP)
	RET

// func wideSquaredL2NEON(a, b *float32, blocks int, tail *wideTail) float64
TEXT ·wideSquaredL2NEON(SB), NOSPLIT, $0-40
	BEGIN
	CBZ R2, few

by16:
	LOAD16
	SQUARE4(16, 20, 0, 1)
	SQUARE4(17, 21, 2, 3)
	SQUARE4(18, 22, 4, 5)
	SQUARE4(19, 23, 6, 7)
	SUBS $1, R2
	BNE  by16

few:
	CBZ R3, sum
	TAIL
	B   by16

sum:
	TOTAL(0, 1, 2, 3, 4, 5, 6, 7)
	FMOVD F0, ret+32(FP)
	RET
