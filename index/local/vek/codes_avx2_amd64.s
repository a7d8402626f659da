#include "textflag.h"
#include "codes_amd64.h"

// Codes with AVX2. VPMADDUBSW multiplies bytes without a sign, here halves of bytes from 0 to 15, with
// bytes that have one, and adds two neighbours. That would saturate for whole bytes, but not for halves: a sum of
// four such products is at most 4*15*128.

// Add the products of the 32 bytes at ROW to SUM: Y12 and Y13 are the query, Y15 is a mask of lower halves, Y14 is ones.
#define DOT32(ROW, SUM, T, U) \
	VMOVDQU    ROW, T      \
	VPSRLW     $4, T, U    \
	VPAND      Y15, T, T   \
	VPAND      Y15, U, U   \
	VPMADDUBSW Y12, T, T   \
	VPMADDUBSW Y13, U, U   \
	VPADDW     U, T, T     \
	VPMADDWD   Y14, T, T   \
	VPADDD     T, SUM, SUM

#define QUERY32 \
	VMOVDQU (SI)(CX*2), Y12    \
	VMOVDQU 32(SI)(CX*2), Y13

#define MASKS \
	MOVL         $0x0f0f0f0f, AX \
	VMOVD        AX, X15         \
	VPBROADCASTD X15, Y15        \
	VPCMPEQW     Y14, Y14, Y14   \
	VPSRLW       $15, Y14, Y14

// func planeAVX2(q *int8, n int, plane *byte, stride int, at *uint32, count int, last *uint32, out *int32)
TEXT ·planeAVX2(SB), NOSPLIT, $0-64
	BEGIN
	MASKS
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
	QUERY32
	DOT32((DI)(CX*1), Y0, Y4, Y5)
	DOT32((AX)(CX*1), Y1, Y6, Y7)
	DOT32((BX)(CX*1), Y2, Y8, Y9)
	DOT32((DX)(CX*1), Y3, Y10, Y11)
	ADDQ $32, CX
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
	QUERY32
	DOT32((DI)(CX*1), Y0, Y4, Y5)
	DOT32((AX)(CX*1), Y1, Y6, Y7)
	ADDQ $32, CX
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
	QUERY32
	DOT32((DI)(CX*1), Y0, Y4, Y5)
	ADDQ $32, CX
	CMPQ CX, R15
	JLT  line1
	STORE1

done:
	VZEROUPPER
	RET

// func setRowAVX2(row *byte, n int, values *int8) (sum int)
TEXT ·setRowAVX2(SB), NOSPLIT, $0-32
	MOVQ         row+0(FP), SI
	MOVQ         n+8(FP), R15
	MOVQ         values+16(FP), DI
	SHRQ         $1, R15
	LEAQ         (SI)(R15*1), DX
	MASKS
	MOVL         $0x80808080, AX
	VMOVD        AX, X13
	VPBROADCASTD X13, Y13
	VPXOR        Y1, Y1, Y1
	VPXOR        Y0, Y0, Y0
	XORL         CX, CX

half:
	VMOVDQU (SI)(CX*1), Y2
	VMOVDQU (DX)(CX*1), Y3
	VPAND   Y15, Y2, Y4
	VPSLLW  $4, Y4, Y4
	VPAND   Y15, Y3, Y5
	VPOR    Y5, Y4, Y4
	VPANDN  Y2, Y15, Y5
	VPSRLW  $4, Y3, Y6
	VPAND   Y15, Y6, Y6
	VPOR    Y6, Y5, Y5
	VPSADBW Y1, Y4, Y7
	VPADDQ  Y7, Y0, Y0
	VPSADBW Y1, Y5, Y7
	VPADDQ  Y7, Y0, Y0
	VPXOR   Y13, Y4, Y4
	VPXOR   Y13, Y5, Y5
	VMOVDQU Y4, (DI)(CX*2)
	VMOVDQU Y5, 32(DI)(CX*2)
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
