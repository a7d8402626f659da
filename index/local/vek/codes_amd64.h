// What the kernels of codes for amd64 share. Registers:
//
//	R9   at, moving     DI AX BX DX    the rows that are compared
//	R10  rows left      R8 R12 R13 R14 the rows to be prefetched meanwhile
//	R11  out, moving    SI             the query
//	CX   bytes done     R15            bytes of a plane, or of a row

// The beginning of a function.
#define BEGIN \
	MOVQ at+32(FP), R9     \
	MOVQ count+40(FP), R10 \
	MOVQ out+56(FP), R11

// Rows follow: their memory and stride are at hand.
#define ROWS \
	MOVQ plane+16(FP), SI  \
	MOVQ stride+24(FP), R15

// Point REG at the row whose number is at ADDRESS.
#define ROW(ADDRESS, REG) \
	MOVL  ADDRESS, REG \
	IMULQ R15, REG     \
	ADDQ  SI, REG

// Point REG at the row whose number is OFFSET bytes further in at, or at the last that at numbers.
#define NEXT(OFFSET, REG) \
	LEAQ      OFFSET(R9), REG    \
	CMPQ      REG, last+48(FP)   \
	CMOVQHI   last+48(FP), REG   \
	ROW((REG), REG)

// The query follows.
#define QUERY \
	MOVQ q+0(FP), SI \
	MOVQ n+8(FP), R15 \
	SHRQ $1, R15     \
	XORL CX, CX

// Point the registers at four rows, and at the four after them.
#define FOUR \
	ROWS             \
	ROW((R9), DI)    \
	ROW(4(R9), AX)   \
	ROW(8(R9), BX)   \
	ROW(12(R9), DX)  \
	NEXT(16, R8)     \
	NEXT(20, R12)    \
	NEXT(24, R13)    \
	NEXT(28, R14)    \
	QUERY

// Prefetch a line of each of the next rows.
#define PREFETCH \
	PREFETCHT0 (R8)(CX*1)  \
	PREFETCHT0 (R12)(CX*1) \
	PREFETCHT0 (R13)(CX*1) \
	PREFETCHT0 (R14)(CX*1)

// Add the sums of four rows, which Y0 to Y3 add up to, to 16 times what out has.
#define STORE4 \
	VPHADDD      Y1, Y0, Y0   \
	VPHADDD      Y3, Y2, Y2   \
	VPHADDD      Y2, Y0, Y0   \
	VEXTRACTI128 $1, Y0, X1   \
	VPADDD       X1, X0, X0   \
	VMOVDQU      (R11), X1    \
	VPSLLD       $4, X1, X1   \
	VPADDD       X1, X0, X0   \
	VMOVDQU      X0, (R11)    \
	ADDQ         $16, R11     \
	ADDQ         $16, R9

// Add the sums of two rows, which Y0 and Y1 add up to, to 16 times what out has.
#define STORE2 \
	VPHADDD      Y1, Y0, Y0   \
	VPHADDD      Y0, Y0, Y0   \
	VEXTRACTI128 $1, Y0, X1   \
	VPADDD       X1, X0, X0   \
	VMOVQ        (R11), X1    \
	VPSLLD       $4, X1, X1   \
	VPADDD       X1, X0, X0   \
	VMOVQ        X0, (R11)    \
	ADDQ         $8, R11      \
	ADDQ         $8, R9

// Add the sum of one row, which Y0 adds up to, to 16 times what out has.
#define STORE1 \
	VEXTRACTI128 $1, Y0, X1   \
	VPADDD       X1, X0, X0   \
	VPHADDD      X0, X0, X0   \
	VPHADDD      X0, X0, X0   \
	VMOVD        (R11), X1    \
	VPSLLD       $4, X1, X1   \
	VPADDD       X1, X0, X0   \
	VMOVD        X0, (R11)
