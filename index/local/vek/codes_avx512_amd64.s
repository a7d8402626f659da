#include "textflag.h"
#include "codes_amd64.h"

// Codes with AVX-512 VNNI: VPDPBUSD adds the products of four bytes without a sign, the code,
// and four with one, the query, to each of sixteen sums.

// Add the upper half of SUM to its lower half.
#define HALVE(SUM, LOWER, UPPER) \
	VEXTRACTI64X4 $1, SUM, UPPER   \
	VPADDD        UPPER, LOWER, LOWER

// func dotCodesAVX512(q *int8, n int, codes *byte, stride int, at *uint32, count int, last *uint32, out *int32, biased int32)
TEXT ·dotCodesAVX512(SB), NOSPLIT, $0-68
	BEGIN
	SUBQ $4, R10
	JLT  two

four:
	FOUR
	VPXORD Z0, Z0, Z0
	VPXORD Z1, Z1, Z1
	VPXORD Z2, Z2, Z2
	VPXORD Z3, Z3, Z3

line4:
	PREFETCH
	VMOVDQU64 (SI)(CX*1), Z8
	VMOVDQU64 (DI)(CX*1), Z4
	VMOVDQU64 (AX)(CX*1), Z5
	VMOVDQU64 (BX)(CX*1), Z6
	VMOVDQU64 (DX)(CX*1), Z7
	VPDPBUSD  Z8, Z4, Z0
	VPDPBUSD  Z8, Z5, Z1
	VPDPBUSD  Z8, Z6, Z2
	VPDPBUSD  Z8, Z7, Z3
	ADDQ      $64, CX
	CMPQ      CX, R15
	JLT       line4
	HALVE(Z0, Y0, Y4)
	HALVE(Z1, Y1, Y5)
	HALVE(Z2, Y2, Y6)
	HALVE(Z3, Y3, Y7)
	STORE4
	SUBQ      $4, R10
	JGE       four

two:
	TESTQ  $2, R10
	JZ     one
	ROWS
	ROW((R9), DI)
	ROW(4(R9), AX)
	QUERY
	VPXORD Z0, Z0, Z0
	VPXORD Z1, Z1, Z1

line2:
	VMOVDQU64 (SI)(CX*1), Z8
	VMOVDQU64 (DI)(CX*1), Z4
	VMOVDQU64 (AX)(CX*1), Z5
	VPDPBUSD  Z8, Z4, Z0
	VPDPBUSD  Z8, Z5, Z1
	ADDQ      $64, CX
	CMPQ      CX, R15
	JLT       line2
	HALVE(Z0, Y0, Y4)
	HALVE(Z1, Y1, Y5)
	STORE2

one:
	TESTQ  $1, R10
	JZ     done
	ROWS
	ROW((R9), DI)
	QUERY
	VPXORD Z0, Z0, Z0
	VPXORD Z1, Z1, Z1
	TESTQ  $64, R15
	JZ     pair

	// An odd line first, so that pairs are left.
	VMOVDQU64 (DI), Z4
	VPDPBUSD  (SI), Z4, Z0
	ADDQ      $64, CX
	CMPQ      CX, R15
	JEQ       sum

pair:
	VMOVDQU64 (DI)(CX*1), Z4
	VMOVDQU64 64(DI)(CX*1), Z5
	VPDPBUSD  (SI)(CX*1), Z4, Z0
	VPDPBUSD  64(SI)(CX*1), Z5, Z1
	ADDQ      $128, CX
	CMPQ      CX, R15
	JLT       pair

sum:
	VPADDD Z1, Z0, Z0
	HALVE(Z0, Y0, Y4)
	STORE1

done:
	VZEROUPPER
	RET

// func setCodeAVX512(code *byte, n int, values *int8) (sum int)
TEXT ·setCodeAVX512(SB), NOSPLIT, $0-32
	MOVQ         code+0(FP), SI
	MOVQ         n+8(FP), R15
	MOVQ         values+16(FP), DI
	MOVL         $0x80808080, AX
	VPBROADCASTD AX, Z4
	VPXORD       Z1, Z1, Z1
	VPXORD       Z0, Z0, Z0
	XORL         CX, CX

line:
	VMOVDQU64 (SI)(CX*1), Z2
	VPSADBW   Z1, Z2, Z3
	VPADDQ    Z3, Z0, Z0
	VPXORD    Z4, Z2, Z2
	VMOVDQU64 Z2, (DI)(CX*1)
	ADDQ      $64, CX
	CMPQ      CX, R15
	JLT       line
	VEXTRACTI64X4 $1, Z0, Y1
	VPADDQ    Y1, Y0, Y0
	VEXTRACTI128 $1, Y0, X1
	VPADDQ    X1, X0, X0
	VPSHUFD   $0xee, X0, X1
	VPADDQ    X1, X0, X0
	VMOVQ     X0, sum+24(FP)
	VZEROUPPER
	RET
