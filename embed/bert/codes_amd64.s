#include "textflag.h"

// Tiles of sums and the functions of rows of codes, as codes.go describes them.

// Registers of all tiles:
//	CX  steps left, of four inputs  AX, R11, R12  a of rows 0, 4 and 8
//	BX  b, DX second panel of b     R9, R10       lda and 3·lda
//	SI  start                       DI sums, R13 lds in bytes

#define ARGUMENTS \
	MOVQ depth+0(FP), CX  \
	MOVQ a+8(FP), AX      \
	MOVQ lda+16(FP), R9   \
	MOVQ b+24(FP), BX     \
	MOVQ ldb+32(FP), DX   \
	MOVQ start+40(FP), SI \
	MOVQ sums+48(FP), DI  \
	MOVQ lds+56(FP), R13  \
	SHLQ $2, R13          \
	SHRQ $2, CX           \
	ADDQ BX, DX           \
	LEAQ (R9)(R9*2), R10  \
	LEAQ (AX)(R9*4), R11  \
	LEAQ (R11)(R9*4), R12

// ---- AVX-512 VNNI: 12 or 4 rows by a pair of panels ----

#define START5(low, high) \
	VMOVDQU32 (SI), low \
	VMOVDQU32 64(SI), high

#define STORE5(low, high) \
	VMOVDQU32 low, (DI)    \
	VMOVDQU32 high, 64(DI) \
	ADDQ      R13, DI

#define ROW5(codes, spread, low, high) \
	VPBROADCASTD codes, spread     \
	VPDPBUSD     Z24, spread, low  \
	VPDPBUSD     Z25, spread, high

#define STEP5X4 \
	VMOVDQU32 (BX), Z24               \
	VMOVDQU32 (DX), Z25               \
	ROW5((AX), Z26, Z0, Z1)           \
	ROW5((AX)(R9*1), Z27, Z2, Z3)     \
	ROW5((AX)(R9*2), Z28, Z4, Z5)     \
	ROW5((AX)(R10*1), Z29, Z6, Z7)

#define STEP5X12 \
	STEP5X4                           \
	ROW5((R11), Z30, Z8, Z9)          \
	ROW5((R11)(R9*1), Z31, Z10, Z11)  \
	ROW5((R11)(R9*2), Z26, Z12, Z13)  \
	ROW5((R11)(R10*1), Z27, Z14, Z15) \
	ROW5((R12), Z28, Z16, Z17)        \
	ROW5((R12)(R9*1), Z29, Z18, Z19)  \
	ROW5((R12)(R9*2), Z30, Z20, Z21)  \
	ROW5((R12)(R10*1), Z31, Z22, Z23)

// func vnniTile12(depth int, a *uint8, lda int, b *int8, ldb int, start *int32, sums *int32, lds int)
TEXT ·vnniTile12(SB), NOSPLIT, $0-64
	ARGUMENTS
	START5(Z0, Z1)
	START5(Z2, Z3)
	START5(Z4, Z5)
	START5(Z6, Z7)
	START5(Z8, Z9)
	START5(Z10, Z11)
	START5(Z12, Z13)
	START5(Z14, Z15)
	START5(Z16, Z17)
	START5(Z18, Z19)
	START5(Z20, Z21)
	START5(Z22, Z23)

loop:
	STEP5X12
	ADDQ $4, AX
	ADDQ $4, R11
	ADDQ $4, R12
	ADDQ $64, BX
	ADDQ $64, DX
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

// func vnniTile4(depth int, a *uint8, lda int, b *int8, ldb int, start *int32, sums *int32, lds int)
TEXT ·vnniTile4(SB), NOSPLIT, $0-64
	ARGUMENTS
	START5(Z0, Z1)
	START5(Z2, Z3)
	START5(Z4, Z5)
	START5(Z6, Z7)

loop:
	STEP5X4
	ADDQ $4, AX
	ADDQ $64, BX
	ADDQ $64, DX
	DECQ CX
	JNZ  loop
	STORE5(Z0, Z1)
	STORE5(Z2, Z3)
	STORE5(Z4, Z5)
	STORE5(Z6, Z7)
	VZEROUPPER
	RET

// ---- AVX2: 4 rows by half a panel ----
//
// Codes are widened to two bytes, of which VPMADDWD adds two products without
// overflow. Two sums an output are left, which the end adds up. VPMADDUBSW takes
// single bytes, and its sums of two bytes saturate.

#define ROW2(codes, low, high) \
	VPBROADCASTD codes, X10     \
	VPMOVZXBW    X10, Y10       \
	VPMADDWD     Y8, Y10, Y11   \
	VPADDD       Y11, low, low  \
	VPMADDWD     Y9, Y10, Y12   \
	VPADDD       Y12, high, high

// END2 brings the outputs, of which every other pair is in the upper half, in order.
#define END2(low, high) \
	VPHADDD high, low, low  \
	VPERMQ  $0xd8, low, low \
	VPADDD  (SI), low, low  \
	VMOVDQU low, (DI)       \
	ADDQ    R13, DI

// func avx2CodeTile4(depth int, a *uint8, lda int, b *int8, ldb int, start *int32, sums *int32, lds int)
TEXT ·avx2CodeTile4(SB), NOSPLIT, $0-64
	ARGUMENTS
	VPXOR Y0, Y0, Y0
	VPXOR Y1, Y1, Y1
	VPXOR Y2, Y2, Y2
	VPXOR Y3, Y3, Y3
	VPXOR Y4, Y4, Y4
	VPXOR Y5, Y5, Y5
	VPXOR Y6, Y6, Y6
	VPXOR Y7, Y7, Y7

loop:
	VPMOVSXBW (BX), Y8
	VPMOVSXBW 16(BX), Y9
	ROW2((AX), Y0, Y1)
	ROW2((AX)(R9*1), Y2, Y3)
	ROW2((AX)(R9*2), Y4, Y5)
	ROW2((AX)(R10*1), Y6, Y7)
	ADDQ      $4, AX
	ADDQ      $64, BX
	DECQ      CX
	JNZ       loop
	END2(Y0, Y1)
	END2(Y2, Y3)
	END2(Y4, Y5)
	END2(Y6, Y7)
	VZEROUPPER
	RET

// ---- AVX2: rows ----

// order undoes what packing does to groups of four bytes.
DATA order<>+0(SB)/8, $0x0000000400000000
DATA order<>+8(SB)/8, $0x0000000500000001
DATA order<>+16(SB)/8, $0x0000000600000002
DATA order<>+24(SB)/8, $0x0000000700000003
GLOBL order<>(SB), RODATA|NOPTR, $32

// func avx2Code(x *float32, n int, codes *uint8) (scale float32)
TEXT ·avx2Code(SB), NOSPLIT, $0-28
	MOVQ     x+0(FP), AX
	MOVQ     n+8(FP), CX
	MOVQ     codes+16(FP), DI
	SHRQ     $5, CX
	VPCMPEQD Y15, Y15, Y15
	VPSRLD   $1, Y15, Y14 // all bits but the sign
	VPSLLW   $15, Y15, Y15
	VPACKSSWB Y15, Y15, Y15 // the highest bit of each byte

	// The largest. As integers, numbers without a sign have the same order, and what is none is beyond all.
	VPXOR Y0, Y0, Y0
	VPXOR Y1, Y1, Y1
	MOVQ  AX, SI
	MOVQ  CX, DX

largest:
	VPAND        (SI), Y14, Y2
	VPAND        32(SI), Y14, Y3
	VPAND        64(SI), Y14, Y4
	VPAND        96(SI), Y14, Y5
	VPMAXUD      Y2, Y0, Y0
	VPMAXUD      Y3, Y1, Y1
	VPMAXUD      Y4, Y0, Y0
	VPMAXUD      Y5, Y1, Y1
	ADDQ         $128, SI
	DECQ         DX
	JNZ          largest
	VPMAXUD      Y1, Y0, Y0
	VEXTRACTI128 $1, Y0, X1
	VPMAXUD      X1, X0, X0
	VPSHUFD      $0x4e, X0, X1
	VPMAXUD      X1, X0, X0
	VPSHUFD      $0xb1, X0, X1
	VPMAXUD      X1, X0, X0

	MOVL         $0x42fe0000, R8 // codeMost
	VMOVD        R8, X2
	VDIVSS       X2, X0, X3
	VMOVSS       X3, scale+24(FP)
	MOVL         $0x0da24260, R8 // least
	VMOVD        R8, X3
	VMAXSS       X3, X0, X0
	VDIVSS       X0, X2, X2
	VBROADCASTSS X2, Y2
	VMOVDQU      order<>(SB), Y13

code:
	VMULPS    (AX), Y2, Y3
	VMULPS    32(AX), Y2, Y4
	VMULPS    64(AX), Y2, Y5
	VMULPS    96(AX), Y2, Y6
	VCVTPS2DQ Y3, Y3
	VCVTPS2DQ Y4, Y4
	VCVTPS2DQ Y5, Y5
	VCVTPS2DQ Y6, Y6
	VPACKSSDW Y4, Y3, Y3
	VPACKSSDW Y6, Y5, Y5
	VPACKSSWB Y5, Y3, Y3
	VPERMD    Y3, Y13, Y3
	VPXOR     Y15, Y3, Y3 // adds codeBias
	VMOVDQU   Y3, (DI)
	ADDQ      $128, AX
	ADDQ      $32, DI
	DECQ      CX
	JNZ       code
	VZEROUPPER
	RET

// func avx2Settle(sums *int32, n int, scale float32, gains, from, out *float32)
TEXT ·avx2Settle(SB), NOSPLIT, $0-48
	MOVQ         sums+0(FP), AX
	MOVQ         n+8(FP), CX
	VBROADCASTSS scale+16(FP), Y2
	MOVQ         gains+24(FP), BX
	MOVQ         from+32(FP), SI
	MOVQ         out+40(FP), DI
	SHLQ         $2, CX
	XORQ         DX, DX

loop:
	VCVTDQ2PS   (AX)(DX*1), Y0
	VCVTDQ2PS   32(AX)(DX*1), Y1
	VMULPS      Y2, Y0, Y0
	VMULPS      Y2, Y1, Y1
	VMOVUPS     (BX)(DX*1), Y3
	VMOVUPS     32(BX)(DX*1), Y4
	VFMADD213PS (SI)(DX*1), Y3, Y0
	VFMADD213PS 32(SI)(DX*1), Y4, Y1
	VMOVUPS     Y0, (DI)(DX*1)
	VMOVUPS     Y1, 32(DI)(DX*1)
	ADDQ        $64, DX
	CMPQ        DX, CX
	JLT         loop
	VZEROUPPER
	RET
