#include "textflag.h"

// AVX2 with FMA.

// Eight ones and eight zeros: a mask for the first m of eight floats begins 8-m before the zeros.
DATA  mask<>+0(SB)/8, $0xffffffffffffffff
DATA  mask<>+8(SB)/8, $0xffffffffffffffff
DATA  mask<>+16(SB)/8, $0xffffffffffffffff
DATA  mask<>+24(SB)/8, $0xffffffffffffffff
DATA  mask<>+32(SB)/8, $0
DATA  mask<>+40(SB)/8, $0
DATA  mask<>+48(SB)/8, $0
DATA  mask<>+56(SB)/8, $0
GLOBL mask<>(SB), RODATA|NOPTR, $64

// Set Y14 to the mask for the last N mod 8 floats.
#define MASK(N) \
	MOVQ    N, AX            \
	ANDQ    $7, AX           \
	SHLQ    $2, AX           \
	LEAQ    mask<>+32(SB), BX \
	SUBQ    AX, BX           \
	VMOVUPS (BX), Y14

// The end of a function that compares a pair: the sum is what Y0 adds up to.
#define RETURN(WHERE) \
	VEXTRACTF128 $1, Y0, X1 \
	VADDPS  X1, X0, X0      \
	VHADDPS X0, X0, X0      \
	VHADDPS X0, X0, X0      \
	VMOVSS  X0, WHERE       \
	VZEROUPPER              \
	RET

// The kernels that take four rows at a time.
//
// While four rows are compared the next four are prefetched, line by line. That is
// what makes rows fast that are not in the cache; the CPU itself prefetches
// little across the borders of pages. Registers while rows are compared:
//
//	SI           the query         CX  bytes of the rows done
//	DI AX BX DX  the rows          R11 bytes to do in the main loop
//	R8 R12 R15 R13  the next rows  R9  at, moving; R10 groups left

// Point REG at the row whose number is at ADDRESS.
#define ROW(ADDRESS, REG) \
	MOVL  ADDRESS, REG \
	IMULQ R13, REG     \
	ADDQ  R11, REG

// The beginning of a function.
#define BEGIN \
	SHLQ $2, stride+24(FP) \
	MOVQ at+32(FP), R9     \
	MOVQ groups+40(FP), R10

// The beginning of a group of four. BYTES is what the main loop does of a row at once.
#define GROUP(BYTES) \
	MOVQ stride+24(FP), R13 \
	MOVQ rows+16(FP), R11   \
	ROW((R9), DI)           \
	ROW(4(R9), AX)          \
	ROW(8(R9), BX)          \
	ROW(12(R9), DX)         \
	LEAQ 16(R9), CX         \
	CMPQ R10, $1            \
	JNE  next               \
	MOVQ more+48(FP), CX    \
	SHLQ $4, CX             \
	ADDQ R9, CX             \
next:                           \
	ROW((CX), R8)           \
	ROW(4(CX), R12)         \
	ROW(8(CX), R15)         \
	ROW(12(CX), CX)         \
	MOVQ CX, R13            \
	MOVQ q+0(FP), SI        \
	MOVQ n+8(FP), R11       \
	SHLQ $2, R11            \
	ANDQ $-BYTES, R11       \
	XORL CX, CX

// Prefetch a line of each of the next rows.
#define PREFETCH(OFFSET) \
	PREFETCHT0 OFFSET(R8)(CX*1)  \
	PREFETCHT0 OFFSET(R12)(CX*1) \
	PREFETCHT0 OFFSET(R15)(CX*1) \
	PREFETCHT0 OFFSET(R13)(CX*1)

// The end of a group: the sums of the four rows are what Y0 to Y3 add up to.
#define STORE \
	VHADDPS Y1, Y0, Y0       \
	VHADDPS Y3, Y2, Y2       \
	VHADDPS Y2, Y0, Y0       \
	VEXTRACTF128 $1, Y0, X1  \
	VADDPS  X1, X0, X0       \
	MOVQ    out+56(FP), SI   \
	VMOVUPS X0, (SI)         \
	ADDQ    $16, out+56(FP)  \
	ADDQ    $16, R9          \
	DECQ    R10              \
	JNZ     group            \
	VZEROUPPER               \
	RET

// Of each row there are two partial sums in the main loop: Y0 to Y3, and Y4 to Y7.
#define ZERO8 \
	VXORPS Y0, Y0, Y0 \
	VXORPS Y1, Y1, Y1 \
	VXORPS Y2, Y2, Y2 \
	VXORPS Y3, Y3, Y3 \
	VXORPS Y4, Y4, Y4 \
	VXORPS Y5, Y5, Y5 \
	VXORPS Y6, Y6, Y6 \
	VXORPS Y7, Y7, Y7

#define SUM8 \
	VADDPS Y4, Y0, Y0 \
	VADDPS Y5, Y1, Y1 \
	VADDPS Y6, Y2, Y2 \
	VADDPS Y7, Y3, Y3

// Add the products of eight floats of the query in Q with those of the rows.
#define DOT8(OFFSET, Q, S0, S1, S2, S3) \
	VMOVUPS     OFFSET(SI)(CX*1), Q     \
	VFMADD231PS OFFSET(DI)(CX*1), Q, S0 \
	VFMADD231PS OFFSET(AX)(CX*1), Q, S1 \
	VFMADD231PS OFFSET(BX)(CX*1), Q, S2 \
	VFMADD231PS OFFSET(DX)(CX*1), Q, S3

// Add the squares of the differences.
#define SQUAREDL28(OFFSET, Q, S0, S1, S2, S3) \
	VMOVUPS     OFFSET(SI)(CX*1), Q      \
	VSUBPS      OFFSET(DI)(CX*1), Q, Y8  \
	VSUBPS      OFFSET(AX)(CX*1), Q, Y9  \
	VSUBPS      OFFSET(BX)(CX*1), Q, Y10 \
	VSUBPS      OFFSET(DX)(CX*1), Q, Y11 \
	VFMADD231PS Y8, Y8, S0               \
	VFMADD231PS Y9, Y9, S1               \
	VFMADD231PS Y10, Y10, S2             \
	VFMADD231PS Y11, Y11, S3

// Load what the mask leaves of the query and the rows.
#define LOADTAIL \
	VMASKMOVPS (SI)(CX*1), Y14, Y12 \
	VMASKMOVPS (DI)(CX*1), Y14, Y8  \
	VMASKMOVPS (AX)(CX*1), Y14, Y9  \
	VMASKMOVPS (BX)(CX*1), Y14, Y10 \
	VMASKMOVPS (DX)(CX*1), Y14, Y11

// func dotAVX2(a, b *float32, n int) float32
TEXT ·dotAVX2(SB), NOSPLIT, $0-28
	MASK(n+16(FP))
	MOVQ   a+0(FP), SI
	MOVQ   b+8(FP), DI
	MOVQ   n+16(FP), CX
	VXORPS Y0, Y0, Y0
	VXORPS Y1, Y1, Y1
	VXORPS Y2, Y2, Y2
	VXORPS Y3, Y3, Y3
	SUBQ   $32, CX
	JLT    few

by32:
	VMOVUPS     (SI), Y4
	VMOVUPS     32(SI), Y5
	VMOVUPS     64(SI), Y6
	VMOVUPS     96(SI), Y7
	VFMADD231PS (DI), Y4, Y0
	VFMADD231PS 32(DI), Y5, Y1
	VFMADD231PS 64(DI), Y6, Y2
	VFMADD231PS 96(DI), Y7, Y3
	ADDQ        $128, SI
	ADDQ        $128, DI
	SUBQ        $32, CX
	JGE         by32

few:
	VADDPS Y1, Y0, Y0
	VADDPS Y3, Y2, Y2
	ADDQ   $24, CX
	JLT    fewer

by8:
	VMOVUPS     (SI), Y4
	VFMADD231PS (DI), Y4, Y0
	ADDQ        $32, SI
	ADDQ        $32, DI
	SUBQ        $8, CX
	JGE         by8

fewer:
	VMASKMOVPS  (SI), Y14, Y4
	VMASKMOVPS  (DI), Y14, Y5
	VFMADD231PS Y5, Y4, Y2
	VADDPS      Y2, Y0, Y0
	RETURN(ret+24(FP))

// func squaredL2AVX2(a, b *float32, n int) float32
TEXT ·squaredL2AVX2(SB), NOSPLIT, $0-28
	MASK(n+16(FP))
	MOVQ   a+0(FP), SI
	MOVQ   b+8(FP), DI
	MOVQ   n+16(FP), CX
	VXORPS Y0, Y0, Y0
	VXORPS Y1, Y1, Y1
	VXORPS Y2, Y2, Y2
	VXORPS Y3, Y3, Y3
	SUBQ   $32, CX
	JLT    few

by32:
	VMOVUPS     (SI), Y4
	VMOVUPS     32(SI), Y5
	VMOVUPS     64(SI), Y6
	VMOVUPS     96(SI), Y7
	VSUBPS      (DI), Y4, Y4
	VSUBPS      32(DI), Y5, Y5
	VSUBPS      64(DI), Y6, Y6
	VSUBPS      96(DI), Y7, Y7
	VFMADD231PS Y4, Y4, Y0
	VFMADD231PS Y5, Y5, Y1
	VFMADD231PS Y6, Y6, Y2
	VFMADD231PS Y7, Y7, Y3
	ADDQ        $128, SI
	ADDQ        $128, DI
	SUBQ        $32, CX
	JGE         by32

few:
	VADDPS Y1, Y0, Y0
	VADDPS Y3, Y2, Y2
	ADDQ   $24, CX
	JLT    fewer

by8:
	VMOVUPS     (SI), Y4
	VSUBPS      (DI), Y4, Y4
	VFMADD231PS Y4, Y4, Y0
	ADDQ        $32, SI
	ADDQ        $32, DI
	SUBQ        $8, CX
	JGE         by8

fewer:
	VMASKMOVPS  (SI), Y14, Y4
	VMASKMOVPS  (DI), Y14, Y5
	VSUBPS      Y5, Y4, Y4
	VFMADD231PS Y4, Y4, Y2
	VADDPS      Y2, Y0, Y0
	RETURN(ret+24(FP))

// func dotFoursAVX2(q *float32, n int, rows *float32, stride int, at *uint32, groups, more int, out *float32)
TEXT ·dotFoursAVX2(SB), NOSPLIT, $0-64
	MASK(n+8(FP))
	BEGIN

group:
	GROUP(64)
	ZERO8
	TESTQ R11, R11
	JZ    few

by16:
	PREFETCH(0)
	DOT8(0, Y12, Y0, Y1, Y2, Y3)
	DOT8(32, Y13, Y4, Y5, Y6, Y7)
	ADDQ $64, CX
	CMPQ CX, R11
	JLT  by16

few:
	PREFETCH(0)
	SUM8
	TESTQ $8, n+8(FP)
	JZ    fewer
	DOT8(0, Y12, Y0, Y1, Y2, Y3)
	ADDQ  $32, CX

fewer:
	TESTQ       $7, n+8(FP)
	JZ          sum
	LOADTAIL
	VFMADD231PS Y8, Y12, Y0
	VFMADD231PS Y9, Y12, Y1
	VFMADD231PS Y10, Y12, Y2
	VFMADD231PS Y11, Y12, Y3

sum:
	STORE

// func squaredL2FoursAVX2(q *float32, n int, rows *float32, stride int, at *uint32, groups, more int, out *float32)
TEXT ·squaredL2FoursAVX2(SB), NOSPLIT, $0-64
	MASK(n+8(FP))
	BEGIN

group:
	GROUP(64)
	ZERO8
	TESTQ R11, R11
	JZ    few

by16:
	PREFETCH(0)
	SQUAREDL28(0, Y12, Y0, Y1, Y2, Y3)
	SQUAREDL28(32, Y13, Y4, Y5, Y6, Y7)
	ADDQ $64, CX
	CMPQ CX, R11
	JLT  by16

few:
	PREFETCH(0)
	SUM8
	TESTQ $8, n+8(FP)
	JZ    fewer
	SQUAREDL28(0, Y12, Y0, Y1, Y2, Y3)
	ADDQ  $32, CX

fewer:
	TESTQ       $7, n+8(FP)
	JZ          sum
	LOADTAIL
	VSUBPS      Y8, Y12, Y8
	VSUBPS      Y9, Y12, Y9
	VSUBPS      Y10, Y12, Y10
	VSUBPS      Y11, Y12, Y11
	VFMADD231PS Y8, Y8, Y0
	VFMADD231PS Y9, Y9, Y1
	VFMADD231PS Y10, Y10, Y2
	VFMADD231PS Y11, Y11, Y3

sum:
	STORE
