#include "textflag.h"
#include "codes_amd64.h"

// Codes with AVX2. A vector of 32 bytes is taken as sixteen numbers of two bytes: the lower
// bytes, cut out, and the upper ones, shifted down, are multiplied with the like numbers of the
// query, which were put apart the same way. VPMADDUBSW would do both at once, and saturate.

// Add the products of the 32 bytes at ROW to SUM: Y12 and Y13 are the query, Y15 is a mask of the lower bytes.
#define DOT32(ROW, SUM, T, U) \
	VMOVDQU  ROW, T      \
	VPSRLW   $8, T, U    \
	VPAND    Y15, T, T   \
	VPMADDWD Y12, T, T   \
	VPMADDWD Y13, U, U   \
	VPADDD   U, T, T     \
	VPADDD   T, SUM, SUM

#define QUERY32(OFFSET) \
	VMOVDQU OFFSET(SI)(CX*2), Y12    \
	VMOVDQU OFFSET+32(SI)(CX*2), Y13

#define LOWER(MASK) \
	VPCMPEQD MASK, MASK, MASK \
	VPSRLW   $8, MASK, MASK

// func dotCodesAVX2(q *int16, n int, codes *byte, stride int, at *uint32, count int, last *uint32, out *int32, biased int32)
TEXT ·dotCodesAVX2(SB), NOSPLIT, $0-68
	BEGIN
	LOWER(Y15)
	SUBQ $4, R10
	JLT  two

four:
	FOUR
	VPXOR Y0, Y0, Y0
	VPXOR Y1, Y1, Y1
	VPXOR Y2, Y2, Y2
	VPXOR Y3, Y3, Y3

line4:
	PREFETCH
	QUERY32(0)
	DOT32((DI)(CX*1), Y0, Y4, Y5)
	DOT32((AX)(CX*1), Y1, Y6, Y7)
	DOT32((BX)(CX*1), Y2, Y8, Y9)
	DOT32((DX)(CX*1), Y3, Y10, Y11)
	QUERY32(64)
	DOT32(32(DI)(CX*1), Y0, Y4, Y5)
	DOT32(32(AX)(CX*1), Y1, Y6, Y7)
	DOT32(32(BX)(CX*1), Y2, Y8, Y9)
	DOT32(32(DX)(CX*1), Y3, Y10, Y11)
	ADDQ $64, CX
	CMPQ CX, R15
	JLT  line4
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
	VPXOR Y0, Y0, Y0
	VPXOR Y1, Y1, Y1

line2:
	QUERY32(0)
	DOT32((DI)(CX*1), Y0, Y4, Y5)
	DOT32((AX)(CX*1), Y1, Y6, Y7)
	QUERY32(64)
	DOT32(32(DI)(CX*1), Y0, Y8, Y9)
	DOT32(32(AX)(CX*1), Y1, Y10, Y11)
	ADDQ $64, CX
	CMPQ CX, R15
	JLT  line2
	STORE2

one:
	TESTQ $1, R10
	JZ    done
	ROWS
	ROW((R9), DI)
	QUERY
	VPXOR Y0, Y0, Y0

line1:
	QUERY32(0)
	DOT32((DI)(CX*1), Y0, Y4, Y5)
	QUERY32(64)
	DOT32(32(DI)(CX*1), Y0, Y6, Y7)
	ADDQ $64, CX
	CMPQ CX, R15
	JLT  line1
	STORE1

done:
	VZEROUPPER
	RET

// func setCodeAVX2(code *byte, n int, values *int16) (sum int)
TEXT ·setCodeAVX2(SB), NOSPLIT, $0-32
	MOVQ         code+0(FP), SI
	MOVQ         n+8(FP), R15
	MOVQ         values+16(FP), DI
	LOWER(Y15)
	MOVL         $0x00800080, AX
	VMOVD        AX, X14
	VPBROADCASTD X14, Y14
	VPXOR        Y1, Y1, Y1
	VPXOR        Y0, Y0, Y0
	XORL         CX, CX

half:
	VMOVDQU (SI)(CX*1), Y2
	VPSADBW Y1, Y2, Y3
	VPADDQ  Y3, Y0, Y0
	VPSRLW  $8, Y2, Y3
	VPAND   Y15, Y2, Y2
	VPSUBW  Y14, Y2, Y2
	VPSUBW  Y14, Y3, Y3
	VMOVDQU Y2, (DI)(CX*2)
	VMOVDQU Y3, 32(DI)(CX*2)
	ADDQ    $32, CX
	CMPQ    CX, R15
	JLT     half
	VEXTRACTI128 $1, Y0, X1
	VPADDQ  X1, X0, X0
	VPSHUFD $0xee, X0, X1
	VPADDQ  X1, X0, X0
	VMOVQ   X0, sum+24(FP)
	VZEROUPPER
	RET
