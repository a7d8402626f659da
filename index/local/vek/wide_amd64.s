#include "textflag.h"

// Wide sums with AVX2 and FMA: Y0 to Y3 are the sixteen running sums.

// Sixteen ones and sixteen zeros: a mask for the first m of sixteen floats begins 16-m before the zeros.
DATA  widemask<>+0(SB)/8, $0xffffffffffffffff
DATA  widemask<>+8(SB)/8, $0xffffffffffffffff
DATA  widemask<>+16(SB)/8, $0xffffffffffffffff
DATA  widemask<>+24(SB)/8, $0xffffffffffffffff
DATA  widemask<>+32(SB)/8, $0xffffffffffffffff
DATA  widemask<>+40(SB)/8, $0xffffffffffffffff
DATA  widemask<>+48(SB)/8, $0xffffffffffffffff
DATA  widemask<>+56(SB)/8, $0xffffffffffffffff
DATA  widemask<>+64(SB)/8, $0
DATA  widemask<>+72(SB)/8, $0
DATA  widemask<>+80(SB)/8, $0
DATA  widemask<>+88(SB)/8, $0
DATA  widemask<>+96(SB)/8, $0
DATA  widemask<>+104(SB)/8, $0
DATA  widemask<>+112(SB)/8, $0
DATA  widemask<>+120(SB)/8, $0
GLOBL widemask<>(SB), RODATA|NOPTR, $128

// The beginning of a function: SI and DI are the vectors, CX the floats left beyond sixteen.
#define BEGIN \
	MOVQ a+0(FP), SI    \
	MOVQ b+8(FP), DI    \
	MOVQ n+16(FP), CX   \
	VXORPD Y0, Y0, Y0   \
	VXORPD Y1, Y1, Y1   \
	VXORPD Y2, Y2, Y2   \
	VXORPD Y3, Y3, Y3   \
	SUBQ $16, CX

#define ADVANCE \
	ADDQ $64, SI  \
	ADDQ $64, DI  \
	SUBQ $16, CX

// Four floats of each vector at OFFSET become float64.
#define LOAD(OFFSET, A, B) \
	VCVTPS2PD OFFSET(SI), A \
	VCVTPS2PD OFFSET(DI), B

// The last floats become float64, and zeros up to sixteen: Y8, Y10, Y12, Y14 of
// the one vector, Y9, Y11, Y13, Y15 of the other. To add zeros changes no sum:
// sums begin with 0, and so are never -0.
#define LOADTAIL \
	SHLQ         $2, CX               \
	LEAQ         widemask<>+64(SB), AX \
	SUBQ         CX, AX               \
	VMOVUPS      (AX), Y12            \
	VMOVUPS      32(AX), Y13          \
	VMASKMOVPS   (SI), Y12, Y8        \
	VMASKMOVPS   (DI), Y12, Y9        \
	VMASKMOVPS   32(SI), Y13, Y14     \
	VMASKMOVPS   32(DI), Y13, Y15     \
	VEXTRACTF128 $1, Y8, X10          \
	VEXTRACTF128 $1, Y9, X11          \
	VCVTPS2PD    X8, Y8               \
	VCVTPS2PD    X9, Y9               \
	VCVTPS2PD    X10, Y10             \
	VCVTPS2PD    X11, Y11             \
	VCVTPS2PD    X14, Y12             \
	VCVTPS2PD    X15, Y13             \
	VEXTRACTF128 $1, Y14, X14         \
	VEXTRACTF128 $1, Y15, X15         \
	VCVTPS2PD    X14, Y14             \
	VCVTPS2PD    X15, Y15

// Add up the sums S0 to S3, to L0, which is the lower half of S0.
#define TOTAL(S0, S1, S2, S3, L0, T) \
	VADDPD       S2, S0, S0 \
	VADDPD       S3, S1, S1 \
	VADDPD       S1, S0, S0 \
	VEXTRACTF128 $1, S0, T  \
	VADDPD       T, L0, L0  \
	VHADDPD      L0, L0, L0

// func wideDotAVX2(a, b *float32, n int) float64
TEXT ·wideDotAVX2(SB), NOSPLIT, $0-32
	BEGIN
	JLT tail

by16:
	LOAD(0, Y8, Y9)
	LOAD(16, Y10, Y11)
	LOAD(32, Y12, Y13)
	LOAD(48, Y14, Y15)
	VFMADD231PD Y8, Y9, Y0
	VFMADD231PD Y10, Y11, Y1
	VFMADD231PD Y12, Y13, Y2
	VFMADD231PD Y14, Y15, Y3
	ADVANCE
	JGE by16

tail:
	ADDQ $16, CX
	JZ   sum
	LOADTAIL
	VFMADD231PD Y8, Y9, Y0
	VFMADD231PD Y10, Y11, Y1
	VFMADD231PD Y12, Y13, Y2
	VFMADD231PD Y14, Y15, Y3

sum:
	TOTAL(Y0, Y1, Y2, Y3, X0, X8)
	VMOVSD X0, ret+24(FP)
	VZEROUPPER
	RET

// func wideDotsAVX2(a, b *float32, n int) (ab, bb float64)
TEXT ·wideDotsAVX2(SB), NOSPLIT, $0-40
	BEGIN
	VXORPD Y4, Y4, Y4
	VXORPD Y5, Y5, Y5
	VXORPD Y6, Y6, Y6
	VXORPD Y7, Y7, Y7
	TESTQ  CX, CX
	JLT    tail

by16:
	LOAD(0, Y8, Y9)
	LOAD(16, Y10, Y11)
	LOAD(32, Y12, Y13)
	LOAD(48, Y14, Y15)
	VFMADD231PD Y8, Y9, Y0
	VFMADD231PD Y10, Y11, Y1
	VFMADD231PD Y12, Y13, Y2
	VFMADD231PD Y14, Y15, Y3
	VFMADD231PD Y9, Y9, Y4
	VFMADD231PD Y11, Y11, Y5
	VFMADD231PD Y13, Y13, Y6
	VFMADD231PD Y15, Y15, Y7
	ADVANCE
	JGE by16

tail:
	ADDQ $16, CX
	JZ   sum
	LOADTAIL
	VFMADD231PD Y8, Y9, Y0
	VFMADD231PD Y10, Y11, Y1
	VFMADD231PD Y12, Y13, Y2
	VFMADD231PD Y14, Y15, Y3
	VFMADD231PD Y9, Y9, Y4
	VFMADD231PD Y11, Y11, Y5
	VFMADD231PD Y13, Y13, Y6
	VFMADD231PD Y15, Y15, Y7

sum:
	TOTAL(Y0, Y1, Y2, Y3, X0, X8)
	VMOVSD X0, ab+24(FP)
	TOTAL(Y4, Y5, Y6, Y7, X4, X8)
	VMOVSD X4, bb+32(FP)
	VZEROUPPER
	RET

// Add the squares of the differences of A and B to SUM: rounded, then added.
#define SQUARE(A, B, SUM) \
	VSUBPD B, A, A    \
	VMULPD A, A, A    \
	VADDPD A, SUM, SUM

// func wideSquaredL2AVX2(a, b *float32, n int) float64
TEXT ·wideSquaredL2AVX2(SB), NOSPLIT, $0-32
	BEGIN
	JLT tail

by16:
	LOAD(0, Y8, Y9)
	LOAD(16, Y10, Y11)
	LOAD(32, Y12, Y13)
	LOAD(48, Y14, Y15)
	SQUARE(Y8, Y9, Y0)
	SQUARE(Y10, Y11, Y1)
	SQUARE(Y12, Y13, Y2)
	SQUARE(Y14, Y15, Y3)
	ADVANCE
	JGE by16

tail:
	ADDQ $16, CX
	JZ   sum
	LOADTAIL
	SQUARE(Y8, Y9, Y0)
	SQUARE(Y10, Y11, Y1)
	SQUARE(Y12, Y13, Y2)
	SQUARE(Y14, Y15, Y3)

sum:
	TOTAL(Y0, Y1, Y2, Y3, X0, X8)
	VMOVSD X0, ret+24(FP)
	VZEROUPPER
	RET
