#include "textflag.h"
#include "codes_amd64.h"

// Codes with AVX-512 VNNI: VPDPBUSD adds the products of four bytes without a sign, halves of bytes of the
// code, and four with one, the query, to each of sixteen sums.

// Add the upper half of SUM to its lower half.
#define HALVE(SUM, LOWER, UPPER) \
	VEXTRACTI64X4 $1, SUM, UPPER   \
	VPADDD        UPPER, LOWER, LOWER

// The query for 64 bytes of a plane, Z12 for their lower halves and Z13 for the upper ones.
#define QUERY64 \
	VMOVDQU64  (SI)(CX*2), Z10       \
	VMOVDQU64  64(SI)(CX*2), Z11     \
	VSHUFI64X2 $0x44, Z11, Z10, Z12  \
	VSHUFI64X2 $0xee, Z11, Z10, Z13

// The same for 32 bytes.
#define QUERY32 \
	VMOVDQU (SI)(CX*2), Y12    \
	VMOVDQU 32(SI)(CX*2), Y13

// Add the products of the 64 bytes at ROW to SUM; Z15 is a mask of lower halves.
#define DOT64(ROW, SUM, T, U) \
	VMOVDQU64 ROW, T        \
	VPSRLW    $4, T, U      \
	VPANDD    Z15, T, T     \
	VPANDD    Z15, U, U     \
	VPDPBUSD  Z12, T, SUM   \
	VPDPBUSD  Z13, U, SUM

// The same for 32 bytes.
#define DOT32(ROW, SUM, T, U) \
	VMOVDQU  ROW, T        \
	VPSRLW   $4, T, U      \
	VPAND    Y15, T, T     \
	VPAND    Y15, U, U     \
	VPDPBUSD Y12, T, SUM   \
	VPDPBUSD Y13, U, SUM

// func planeAVX512(q *int8, n int, plane *byte, stride int, at *uint32, count int, last *uint32, out *int32)
TEXT ·planeAVX512(SB), NOSPLIT, $0-64
	BEGIN
	MOVL         $0x0f0f0f0f, AX
	VPBROADCASTD AX, Z15
	SUBQ $4, R10
	JLT  two

four:
	FOUR
	VPXORD Z0, Z0, Z0
	VPXORD Z1, Z1, Z1
	VPXORD Z2, Z2, Z2
	VPXORD Z3, Z3, Z3
	SUBQ   $64, R15
	JLT    odd4

line4:
	PREFETCH
	QUERY64
	DOT64((DI)(CX*1), Z0, Z4, Z5)
	DOT64((AX)(CX*1), Z1, Z6, Z7)
	DOT64((BX)(CX*1), Z2, Z8, Z9)
	DOT64((DX)(CX*1), Z3, Z4, Z5)
	ADDQ $64, CX
	CMPQ CX, R15
	JLE  line4

odd4:
	HALVE(Z0, Y0, Y4)
	HALVE(Z1, Y1, Y5)
	HALVE(Z2, Y2, Y6)
	HALVE(Z3, Y3, Y7)
	TESTQ $32, R15
	JZ    sum4
	PREFETCH
	QUERY32
	DOT32((DI)(CX*1), Y0, Y4, Y5)
	DOT32((AX)(CX*1), Y1, Y6, Y7)
	DOT32((BX)(CX*1), Y2, Y8, Y9)
	DOT32((DX)(CX*1), Y3, Y4, Y5)

sum4:
	STORE4
	SUBQ $4, R10
	JGE  four

two:
	TESTQ $2, R10
	JZ    one
	ROWS
	ROW((R9), DI)
	ROW(4(R9), AX)
	QUERY
	VPXORD Z0, Z0, Z0
	VPXORD Z1, Z1, Z1
	SUBQ   $64, R15
	JLT    odd2

line2:
	QUERY64
	DOT64((DI)(CX*1), Z0, Z4, Z5)
	DOT64((AX)(CX*1), Z1, Z6, Z7)
	ADDQ $64, CX
	CMPQ CX, R15
	JLE  line2

odd2:
	HALVE(Z0, Y0, Y4)
	HALVE(Z1, Y1, Y5)
	TESTQ $32, R15
	JZ    sum2
	QUERY32
	DOT32((DI)(CX*1), Y0, Y4, Y5)
	DOT32((AX)(CX*1), Y1, Y6, Y7)

sum2:
	STORE2

one:
	TESTQ $1, R10
	JZ    done
	ROWS
	ROW((R9), DI)
	QUERY
	VPXORD Z0, Z0, Z0
	SUBQ   $64, R15
	JLT    odd1

line1:
	QUERY64
	DOT64((DI)(CX*1), Z0, Z4, Z5)
	ADDQ $64, CX
	CMPQ CX, R15
	JLE  line1

odd1:
	HALVE(Z0, Y0, Y4)
	TESTQ $32, R15
	JZ    sum1
	QUERY32
	DOT32((DI)(CX*1), Y0, Y4, Y5)

sum1:
	STORE1

done:
	VZEROUPPER
	RET
