#include "textflag.h"

// Codes with NEON. Halves of bytes are numbers from 0 to 15, with a sign or without. Their
// products with the query are added by SDOT where the CPU has it, else by SMULL and SADALP. The assembler knows none of the three.

// SDOT D.4S, N.16B, M.16B: to each lane the products of four bytes are added.
#define SDOT(M, N, D) WORD $(0x4E809400 | (M)<<16 | (N)<<5 | (D))

// SMULL D.8H, N.8B, M.8B and SMULL2 D.8H, N.16B, M.16B: the products of the lower and of the upper bytes.
#define SMULL(M, N, D) WORD $(0x0E20C000 | (M)<<16 | (N)<<5 | (D))
#define SMULL2(M, N, D) WORD $(0x4E20C000 | (M)<<16 | (N)<<5 | (D))

// SADALP D.4S, N.8H: to each lane two neighbours are added.
#define SADALP(N, D) WORD $(0x4E606800 | (N)<<5 | (D))

// Registers:
//
//	R0         the query, moving     R8 to R11 the rows to be prefetched meanwhile, moving
//	R4 to R7   the rows, moving      R12       bytes left of a row
//	R13  at    R14  rows left        R15  out  R16  plane  R17  stride  R20  last
//	V0 to V3   the sums              V31       the lower half of each byte

// The beginning of a function.
#define BEGIN \
	MOVD  plane+16(FP), R16  \
	MOVD  stride+24(FP), R17 \
	MOVD  at+32(FP), R13     \
	MOVD  count+40(FP), R14  \
	MOVD  last+48(FP), R20   \
	MOVD  out+56(FP), R15    \
	VMOVI $0x0f, V31.B16

// Point REG at the row whose number is at ADDRESS.
#define ROW(ADDRESS, REG) \
	MOVWU ADDRESS, REG       \
	MADD  R17, R16, REG, REG

// Point REG at the row whose number is OFFSET bytes further in at, or at the last that at numbers.
#define NEXT(OFFSET, REG) \
	ADD  $OFFSET, R13, R19     \
	CMP  R20, R19              \
	CSEL HI, R20, R19, R19     \
	ROW((R19), REG)

// The query and the sums of one to four rows begin.
#define QUERY \
	MOVD q+0(FP), R0             \
	MOVD n+8(FP), R12            \
	VEOR V0.B16, V0.B16, V0.B16  \
	VEOR V1.B16, V1.B16, V1.B16  \
	VEOR V2.B16, V2.B16, V2.B16  \
	VEOR V3.B16, V3.B16, V3.B16

// Point the registers at four rows, and at the four after them.
#define FOUR \
	ROW((R13), R4)    \
	ROW(4(R13), R5)   \
	ROW(8(R13), R6)   \
	ROW(12(R13), R7)  \
	NEXT(16, R8)      \
	NEXT(20, R9)      \
	NEXT(24, R10)     \
	NEXT(28, R11)     \
	ADD $16, R13      \
	QUERY

// Prefetch a line of each of the next rows.
#define PREFETCH \
	PRFM (R8), PLDL1KEEP   \
	PRFM (R9), PLDL1KEEP   \
	PRFM (R10), PLDL1KEEP  \
	PRFM (R11), PLDL1KEEP  \
	ADD  $32, R8           \
	ADD  $32, R9           \
	ADD  $32, R10          \
	ADD  $32, R11

// Load a line of the query to V16 … V19.
#define LOADQUERY \
	VLD1.P 64(R0), [V16.B16, V17.B16, V18.B16, V19.B16]

// Load 32 bytes of a plane: their lower halves to V20 and V21, their upper halves to V22 and V23.
#define LOADROW(REG) \
	VLD1.P 32(REG), [V20.B16, V21.B16]   \
	VUSHR  $4, V20.B16, V22.B16          \
	VUSHR  $4, V21.B16, V23.B16          \
	VAND   V31.B16, V20.B16, V20.B16     \
	VAND   V31.B16, V21.B16, V21.B16

// Add the products of a line to the sums A to D, which may be one sum.
#define DOTLINE(A, B, C, D) \
	SDOT(16, 20, A) \
	SDOT(17, 21, B) \
	SDOT(18, 22, C) \
	SDOT(19, 23, D)

// The same in two steps, through V24 … V30.
#define MULLINE(A, B, C, D) \
	SMULL(16, 20, 24)  \
	SMULL2(16, 20, 25) \
	SMULL(17, 21, 26)  \
	SMULL2(17, 21, 27) \
	SADALP(24, A)      \
	SADALP(25, B)      \
	SADALP(26, C)      \
	SADALP(27, D)      \
	SMULL(18, 22, 24)  \
	SMULL2(18, 22, 25) \
	SMULL(19, 23, 26)  \
	SMULL2(19, 23, 27) \
	SADALP(24, A)      \
	SADALP(25, B)      \
	SADALP(26, C)      \
	SADALP(27, D)

// Add the sums of four rows to 16 times what out has.
#define STORE4 \
	VADDP  V1.S4, V0.S4, V0.S4   \
	VADDP  V3.S4, V2.S4, V2.S4   \
	VADDP  V2.S4, V0.S4, V0.S4   \
	VLD1   (R15), [V1.S4]        \
	VSHL   $4, V1.S4, V1.S4      \
	VADD   V1.S4, V0.S4, V0.S4   \
	VST1.P [V0.S4], 16(R15)

// Add the sum of one row, of which V0 to V3 are parts, to 16 times what out has.
#define STORE1 \
	VADD  V1.S4, V0.S4, V0.S4 \
	VADD  V3.S4, V2.S4, V2.S4 \
	VADD  V2.S4, V0.S4, V0.S4 \
	VADDV V0.S4, V0           \
	FMOVS F0, R3              \
	MOVW  (R15), R2           \
	ADDW  R2<<4, R3, R3       \
	MOVW.P R3, 4(R15)

// func planeSDOT(q *int8, n int, plane *byte, stride int, at *uint32, count int, last *uint32, out *int32)
TEXT ·planeSDOT(SB), NOSPLIT, $0-64
	BEGIN
	SUBS $4, R14
	BLT  few

four:
	FOUR

line4:
	PREFETCH
	LOADQUERY
	LOADROW(R4)
	DOTLINE(0, 0, 0, 0)
	LOADROW(R5)
	DOTLINE(1, 1, 1, 1)
	LOADROW(R6)
	DOTLINE(2, 2, 2, 2)
	LOADROW(R7)
	DOTLINE(3, 3, 3, 3)
	SUBS $64, R12
	BNE  line4
	STORE4
	SUBS $4, R14
	BGE  four

few:
	ADDS $4, R14
	BEQ  done

one:
	ROW((R13), R4)
	ADD $4, R13
	QUERY

line1:
	LOADQUERY
	LOADROW(R4)
	DOTLINE(0, 1, 2, 3)
	SUBS $64, R12
	BNE  line1
	STORE1
	SUBS $1, R14
	BNE  one

done:
	RET

// func planeNEON(q *int8, n int, plane *byte, stride int, at *uint32, count int, last *uint32, out *int32)
TEXT ·planeNEON(SB), NOSPLIT, $0-64
	BEGIN
	SUBS $4, R14
	BLT  few

four:
	FOUR

line4:
	PREFETCH
	LOADQUERY
	LOADROW(R4)
	MULLINE(0, 0, 0, 0)
	LOADROW(R5)
	MULLINE(1, 1, 1, 1)
	LOADROW(R6)
	MULLINE(2, 2, 2, 2)
	LOADROW(R7)
	MULLINE(3, 3, 3, 3)
	SUBS $64, R12
	BNE  line4
	STORE4
	SUBS $4, R14
	BGE  four

few:
	ADDS $4, R14
	BEQ  done

one:
	ROW((R13), R4)
	ADD $4, R13
	QUERY

line1:
	LOADQUERY
	LOADROW(R4)
	MULLINE(0, 1, 2, 3)
	SUBS $64, R12
	BNE  line1
	STORE1
	SUBS $1, R14
	BNE  one

done:
	RET
