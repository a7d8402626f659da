#include "textflag.h"

// All functions here compare one query with many rows:
//
//	func(q *float32, n int, rows *float32, stride int, at *uint32, count int, out *float32)
//
// While a row is computed, the row AHEAD of it is fetched into the cache: that
// is what makes them fast on rows that are in memory, not in the cache.
// Registers, in all of them:
//
//	SI  the query, moving      R8  rows               R12 length of a row in floats
//	DI  the row, moving        R9  at, moving; or 0   R13 stride in bytes
//	DX  the row to prefetch    R10 rows left          R14 is Go's: not touched
//	CX  floats left            R11 out, moving        R15 the next row, if at is nil
//	BX  rows to look ahead     AX  scratch

// ARGUMENTS loads the arguments. BX becomes the number of rows that are about 3 KiB.
#define ARGUMENTS \
	MOVQ  n+8(FP), R12 \
	MOVQ  rows+16(FP), R8 \
	MOVQ  stride+24(FP), R13 \
	SHLQ  $2, R13 \
	MOVQ  at+32(FP), R9 \
	MOVQ  count+40(FP), R10 \
	MOVQ  out+48(FP), R11 \
	MOVQ  R8, R15 \
	MOVQ  $1, BX \
	CMPQ  R12, $512 \
	JGE   row \
	MOVQ  $4, BX \
	CMPQ  R12, $128 \
	JGE   row \
	MOVQ  $16, BX

// ROW points DI at the next row and DX at the one to prefetch.
#define ROW \
	TESTQ R9, R9 \
	JNZ   numbered \
	MOVQ  R15, DI \
	MOVQ  BX, DX \
	IMULQ R13, DX \
	ADDQ  DI, DX \
	ADDQ  R13, R15 \
	JMP   begin \
numbered: \
	MOVL  (R9), DI \
	IMULQ R13, DI \
	ADDQ  R8, DI \
	LEAQ  -1(R10), DX \
	CMPQ  DX, BX \
	CMOVQGT BX, DX \
	MOVL  (R9)(DX*4), DX \
	IMULQ R13, DX \
	ADDQ  R8, DX \
	ADDQ  $4, R9 \
begin: \
	MOVQ  q+0(FP), SI \
	MOVQ  R12, CX

// PREFETCH fetches 128 bytes of the row to come.
#define PREFETCH \
	PREFETCHT0 (DX) \
	PREFETCHT0 64(DX) \
	ADDQ  $128, DX

// SUM8 adds up Y0 and the tail in X8 and stores the result of the row.
#define SUM8 \
	VEXTRACTF128 $1, Y0, X1 \
	VADDPS  X1, X0, X0 \
	VHADDPS X0, X0, X0 \
	VHADDPS X0, X0, X0 \
	VADDSS  X8, X0, X0 \
	VMOVSS  X0, (R11) \
	ADDQ    $4, R11 \
	DECQ    R10 \
	JNZ     row \
	VZEROUPPER \
	RET

#define ZERO4 \
	VXORPS Y0, Y0, Y0 \
	VXORPS Y1, Y1, Y1 \
	VXORPS Y2, Y2, Y2 \
	VXORPS Y3, Y3, Y3 \
	VXORPS X8, X8, X8

#define SUM32 \
	VADDPS Y1, Y0, Y0 \
	VADDPS Y3, Y2, Y2 \
	VADDPS Y2, Y0, Y0

// func dotRowsAVX2(q *float32, n int, rows *float32, stride int, at *uint32, count int, out *float32)
TEXT ·dotRowsAVX2(SB), NOSPLIT, $0-56
	ARGUMENTS

row:
	ROW
	ZERO4
	SUBQ $32, CX
	JLT  few

by32:
	PREFETCH
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
	PREFETCH
	SUM32
	ADDQ $24, CX
	JLT  fewer

by8:
	VMOVUPS     (SI), Y4
	VFMADD231PS (DI), Y4, Y0
	ADDQ        $32, SI
	ADDQ        $32, DI
	SUBQ        $8, CX
	JGE         by8

fewer:
	ADDQ $8, CX
	JZ   sum

by1:
	VMOVSS      (SI), X4
	VFMADD231SS (DI), X4, X8
	ADDQ        $4, SI
	ADDQ        $4, DI
	DECQ        CX
	JNZ         by1

sum:
	SUM8

// func squaredL2RowsAVX2(q *float32, n int, rows *float32, stride int, at *uint32, count int, out *float32)
TEXT ·squaredL2RowsAVX2(SB), NOSPLIT, $0-56
	ARGUMENTS

row:
	ROW
	ZERO4
	SUBQ $32, CX
	JLT  few

by32:
	PREFETCH
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
	PREFETCH
	SUM32
	ADDQ $24, CX
	JLT  fewer

by8:
	VMOVUPS     (SI), Y4
	VSUBPS      (DI), Y4, Y4
	VFMADD231PS Y4, Y4, Y0
	ADDQ        $32, SI
	ADDQ        $32, DI
	SUBQ        $8, CX
	JGE         by8

fewer:
	ADDQ $8, CX
	JZ   sum

by1:
	VMOVSS      (SI), X4
	VSUBSS      (DI), X4, X4
	VFMADD231SS X4, X4, X8
	ADDQ        $4, SI
	ADDQ        $4, DI
	DECQ        CX
	JNZ         by1

sum:
	SUM8

#define ZERO4Z \
	VPXORD Z0, Z0, Z0 \
	VPXORD Z1, Z1, Z1 \
	VPXORD Z2, Z2, Z2 \
	VPXORD Z3, Z3, Z3 \
	VXORPS X8, X8, X8

#define SUM64 \
	VADDPS Z1, Z0, Z0 \
	VADDPS Z3, Z2, Z2 \
	VADDPS Z2, Z0, Z0

#define SUM16 \
	VEXTRACTF64X4 $1, Z0, Y1 \
	VADDPS Y1, Y0, Y0 \
	SUM8

// TAILMASK sets K1 to one bit for each of the last n mod 16 floats.
#define TAILMASK \
	MOVQ  R12, CX \
	ANDQ  $15, CX \
	MOVQ  $1, AX \
	SHLQ  CX, AX \
	DECQ  AX \
	KMOVW AX, K1

// func dotRowsAVX512(q *float32, n int, rows *float32, stride int, at *uint32, count int, out *float32)
TEXT ·dotRowsAVX512(SB), NOSPLIT, $0-56
	MOVQ n+8(FP), R12
	TAILMASK
	ARGUMENTS

row:
	ROW
	ZERO4Z
	SUBQ $64, CX
	JLT  few

by64:
	PREFETCH
	PREFETCH
	VMOVUPS     (SI), Z4
	VMOVUPS     64(SI), Z5
	VMOVUPS     128(SI), Z6
	VMOVUPS     192(SI), Z7
	VFMADD231PS (DI), Z4, Z0
	VFMADD231PS 64(DI), Z5, Z1
	VFMADD231PS 128(DI), Z6, Z2
	VFMADD231PS 192(DI), Z7, Z3
	ADDQ        $256, SI
	ADDQ        $256, DI
	SUBQ        $64, CX
	JGE         by64

few:
	PREFETCH
	SUM64
	ADDQ $48, CX
	JLT  fewer

by16:
	VMOVUPS     (SI), Z4
	VFMADD231PS (DI), Z4, Z0
	ADDQ        $64, SI
	ADDQ        $64, DI
	SUBQ        $16, CX
	JGE         by16

fewer:
	VMOVUPS.Z   (SI), K1, Z4
	VMOVUPS.Z   (DI), K1, Z5
	VFMADD231PS Z5, Z4, Z0
	SUM16

// func squaredL2RowsAVX512(q *float32, n int, rows *float32, stride int, at *uint32, count int, out *float32)
TEXT ·squaredL2RowsAVX512(SB), NOSPLIT, $0-56
	MOVQ n+8(FP), R12
	TAILMASK
	ARGUMENTS

row:
	ROW
	ZERO4Z
	SUBQ $64, CX
	JLT  few

by64:
	PREFETCH
	PREFETCH
	VMOVUPS     (SI), Z4
	VMOVUPS     64(SI), Z5
	VMOVUPS     128(SI), Z6
	VMOVUPS     192(SI), Z7
	VSUBPS      (DI), Z4, Z4
	VSUBPS      64(DI), Z5, Z5
	VSUBPS      128(DI), Z6, Z6
	VSUBPS      192(DI), Z7, Z7
	VFMADD231PS Z4, Z4, Z0
	VFMADD231PS Z5, Z5, Z1
	VFMADD231PS Z6, Z6, Z2
	VFMADD231PS Z7, Z7, Z3
	ADDQ        $256, SI
	ADDQ        $256, DI
	SUBQ        $64, CX
	JGE         by64

few:
	PREFETCH
	SUM64
	ADDQ $48, CX
	JLT  fewer

by16:
	VMOVUPS     (SI), Z4
	VSUBPS      (DI), Z4, Z4
	VFMADD231PS Z4, Z4, Z0
	ADDQ        $64, SI
	ADDQ        $64, DI
	SUBQ        $16, CX
	JGE         by16

fewer:
	VMOVUPS.Z   (SI), K1, Z4
	VMOVUPS.Z   (DI), K1, Z5
	VSUBPS      Z5, Z4, Z4
	VFMADD231PS Z4, Z4, Z0
	SUM16
