#include "textflag.h"

// Tiles of a product: c[r] = from[r] + a[r]·b, as kernels.go describes them.
//
// Each keeps all its sums in registers. One step reads one input's weights
// once and one number of every row, which a broadcast spreads over a register.

// Registers of all tiles:
//	CX  steps left, in fours        AX, R11, R12  a of rows 0, 4 and 8
//	BX  b, DX second panel of b     R9, R10       lda and 3·lda in bytes
//	SI  from, R8 ldf in bytes       DI c, R13 ldc in bytes

#define ARGUMENTS \
	MOVQ depth+0(FP), CX \
	MOVQ a+8(FP), AX     \
	MOVQ lda+16(FP), R9  \
	MOVQ b+24(FP), BX    \
	MOVQ ldb+32(FP), DX  \
	MOVQ from+40(FP), SI \
	MOVQ ldf+48(FP), R8  \
	MOVQ c+56(FP), DI    \
	MOVQ ldc+64(FP), R13 \
	SHLQ $2, R9          \
	SHLQ $2, R8          \
	SHLQ $2, R13         \
	SHRQ $2, CX          \
	LEAQ (BX)(DX*4), DX  \
	LEAQ (R9)(R9*2), R10 \
	LEAQ (AX)(R9*4), R11 \
	LEAQ (R11)(R9*4), R12

// ---- AVX2: 6 or 4 rows by one panel ----

#define LOAD2(low, high) \
	VMOVUPS (SI), low    \
	VMOVUPS 32(SI), high \
	ADDQ    R8, SI

#define STORE2(low, high) \
	VMOVUPS low, (DI)    \
	VMOVUPS high, 32(DI) \
	ADDQ    R13, DI

#define ROW2(number, spread, low, high) \
	VBROADCASTSS number, spread   \
	VFMADD231PS  Y0, spread, low  \
	VFMADD231PS  Y1, spread, high

#define STEP2X4(i) \
	VMOVUPS (i*64)(BX), Y0                 \
	VMOVUPS (i*64+32)(BX), Y1              \
	ROW2((i*4)(AX), Y2, Y4, Y5)            \
	ROW2((i*4)(AX)(R9*1), Y3, Y6, Y7)      \
	ROW2((i*4)(AX)(R9*2), Y2, Y8, Y9)      \
	ROW2((i*4)(AX)(R10*1), Y3, Y10, Y11)

#define STEP2X6(i) \
	STEP2X4(i)                             \
	ROW2((i*4)(R11), Y2, Y12, Y13)         \
	ROW2((i*4)(R11)(R9*1), Y3, Y14, Y15)

// func avx2Tile6(depth int, a *float32, lda int, b *float32, ldb int, from *float32, ldf int, c *float32, ldc int)
TEXT ·avx2Tile6(SB), NOSPLIT, $0-72
	ARGUMENTS
	LOAD2(Y4, Y5)
	LOAD2(Y6, Y7)
	LOAD2(Y8, Y9)
	LOAD2(Y10, Y11)
	LOAD2(Y12, Y13)
	LOAD2(Y14, Y15)

loop:
	STEP2X6(0)
	STEP2X6(1)
	STEP2X6(2)
	STEP2X6(3)
	ADDQ $16, AX
	ADDQ $16, R11
	ADDQ $256, BX
	DECQ CX
	JNZ  loop
	STORE2(Y4, Y5)
	STORE2(Y6, Y7)
	STORE2(Y8, Y9)
	STORE2(Y10, Y11)
	STORE2(Y12, Y13)
	STORE2(Y14, Y15)
	VZEROUPPER
	RET

// func avx2Tile4(depth int, a *float32, lda int, b *float32, ldb int, from *float32, ldf int, c *float32, ldc int)
TEXT ·avx2Tile4(SB), NOSPLIT, $0-72
	ARGUMENTS
	LOAD2(Y4, Y5)
	LOAD2(Y6, Y7)
	LOAD2(Y8, Y9)
	LOAD2(Y10, Y11)

loop:
	STEP2X4(0)
	STEP2X4(1)
	STEP2X4(2)
	STEP2X4(3)
	ADDQ $16, AX
	ADDQ $256, BX
	DECQ CX
	JNZ  loop
	STORE2(Y4, Y5)
	STORE2(Y6, Y7)
	STORE2(Y8, Y9)
	STORE2(Y10, Y11)
	VZEROUPPER
	RET

// ---- AVX-512: 12, 8 or 4 rows by a pair of panels ----

#define LOAD5(low, high) \
	VMOVUPS (SI), low    \
	VMOVUPS 64(SI), high \
	ADDQ    R8, SI

#define STORE5(low, high) \
	VMOVUPS low, (DI)    \
	VMOVUPS high, 64(DI) \
	ADDQ    R13, DI

#define ROW5(number, spread, low, high) \
	VBROADCASTSS number, spread    \
	VFMADD231PS  Z24, spread, low  \
	VFMADD231PS  Z25, spread, high

#define STEP5X4(i) \
	VMOVUPS (i*64)(BX), Z24                \
	VMOVUPS (i*64)(DX), Z25                \
	ROW5((i*4)(AX), Z26, Z0, Z1)           \
	ROW5((i*4)(AX)(R9*1), Z27, Z2, Z3)     \
	ROW5((i*4)(AX)(R9*2), Z28, Z4, Z5)     \
	ROW5((i*4)(AX)(R10*1), Z29, Z6, Z7)

#define STEP5X8(i) \
	STEP5X4(i)                             \
	ROW5((i*4)(R11), Z30, Z8, Z9)          \
	ROW5((i*4)(R11)(R9*1), Z31, Z10, Z11)  \
	ROW5((i*4)(R11)(R9*2), Z26, Z12, Z13)  \
	ROW5((i*4)(R11)(R10*1), Z27, Z14, Z15)

#define STEP5X12(i) \
	STEP5X8(i)                             \
	ROW5((i*4)(R12), Z28, Z16, Z17)        \
	ROW5((i*4)(R12)(R9*1), Z29, Z18, Z19)  \
	ROW5((i*4)(R12)(R9*2), Z30, Z20, Z21)  \
	ROW5((i*4)(R12)(R10*1), Z31, Z22, Z23)

// func avx512Tile12(depth int, a *float32, lda int, b *float32, ldb int, from *float32, ldf int, c *float32, ldc int)
TEXT ·avx512Tile12(SB), NOSPLIT, $0-72
	ARGUMENTS
	LOAD5(Z0, Z1)
	LOAD5(Z2, Z3)
	LOAD5(Z4, Z5)
	LOAD5(Z6, Z7)
	LOAD5(Z8, Z9)
	LOAD5(Z10, Z11)
	LOAD5(Z12, Z13)
	LOAD5(Z14, Z15)
	LOAD5(Z16, Z17)
	LOAD5(Z18, Z19)
	LOAD5(Z20, Z21)
	LOAD5(Z22, Z23)

loop:
	STEP5X12(0)
	STEP5X12(1)
	STEP5X12(2)
	STEP5X12(3)
	ADDQ $16, AX
	ADDQ $16, R11
	ADDQ $16, R12
	ADDQ $256, BX
	ADDQ $256, DX
	DECQ CX
	JNZ  loop
	STORE5(Z0, Z1)
	STORE5(Z2, Z3)
	STORE5(Z4, Z5)
	STORE5(Z6, Z7)
	STORE5(Z8, Z9)
	STORE5(Z10, Z11)
	STORE5(Z12, Z13)
	STORE5(Z14, Z15)
	STORE5(Z16, Z17)
	STORE5(Z18, Z19)
	STORE5(Z20, Z21)
	STORE5(Z22, Z23)
	VZEROUPPER
	RET

// func avx512Tile8(depth int, a *float32, lda int, b *float32, ldb int, from *float32, ldf int, c *float32, ldc int)
TEXT ·avx512Tile8(SB), NOSPLIT, $0-72
	ARGUMENTS
	LOAD5(Z0, Z1)
	LOAD5(Z2, Z3)
	LOAD5(Z4, Z5)
	LOAD5(Z6, Z7)
	LOAD5(Z8, Z9)
	LOAD5(Z10, Z11)
	LOAD5(Z12, Z13)
	LOAD5(Z14, Z15)

loop:
	STEP5X8(0)
	STEP5X8(1)
	STEP5X8(2)
	STEP5X8(3)
	ADDQ $16, AX
	ADDQ $16, R11
	ADDQ $256, BX
	ADDQ $256, DX
	DECQ CX
	JNZ  loop
	STORE5(Z0, Z1)
	STORE5(Z2, Z3)
	STORE5(Z4, Z5)
	STORE5(Z6, Z7)
	STORE5(Z8, Z9)
	STORE5(Z10, Z11)
	STORE5(Z12, Z13)
	STORE5(Z14, Z15)
	VZEROUPPER
	RET

// func avx512Tile4(depth int, a *float32, lda int, b *float32, ldb int, from *float32, ldf int, c *float32, ldc int)
TEXT ·avx512Tile4(SB), NOSPLIT, $0-72
	ARGUMENTS
	LOAD5(Z0, Z1)
	LOAD5(Z2, Z3)
	LOAD5(Z4, Z5)
	LOAD5(Z6, Z7)

loop:
	STEP5X4(0)
	STEP5X4(1)
	STEP5X4(2)
	STEP5X4(3)
	ADDQ $16, AX
	ADDQ $256, BX
	ADDQ $256, DX
	DECQ CX
	JNZ  loop
	STORE5(Z0, Z1)
	STORE5(Z2, Z3)
	STORE5(Z4, Z5)
	STORE5(Z6, Z7)
	VZEROUPPER
	RET
