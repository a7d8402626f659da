#include "textflag.h"

// The functions of single rows: GELU, softmax, layer normalization. Lengths are
// multiples of 16. Constants come spread over eight numbers, from constants.go.

// func avx2GELU(x *float32, n int, constants *[20][8]float32)
//
// x·Φ(x), with Φ(x) = 1/2 + x·P(2x²/bound² - 1) within ±bound and constant outside.
TEXT ·avx2GELU(SB), NOSPLIT, $0-24
	MOVQ    x+0(FP), AX
	MOVQ    n+8(FP), CX
	MOVQ    constants+16(FP), BX
	VMOVUPS 480(BX), Y8  // bound
	VMOVUPS 512(BX), Y9  // -bound
	VMOVUPS 544(BX), Y10 // 2/bound²
	VMOVUPS 576(BX), Y11 // 1
	VMOVUPS (BX), Y12    // P's highest coefficient
	SHRQ    $4, CX

#define HORNER(at) \
	VMOVUPS     at(BX), Y13  \
	VFMADD213PS Y13, Y4, Y6  \
	VFMADD213PS Y13, Y5, Y7

loop:
	VMOVUPS     (AX), Y0
	VMOVUPS     32(AX), Y1
	VMINPS      Y8, Y0, Y2
	VMINPS      Y8, Y1, Y3
	VMAXPS      Y9, Y2, Y2
	VMAXPS      Y9, Y3, Y3
	VMULPS      Y2, Y2, Y4
	VMULPS      Y3, Y3, Y5
	VFMSUB213PS Y11, Y10, Y4
	VFMSUB213PS Y11, Y10, Y5
	VMOVAPS     Y12, Y6
	VMOVAPS     Y12, Y7
	HORNER(32)
	HORNER(64)
	HORNER(96)
	HORNER(128)
	HORNER(160)
	HORNER(192)
	HORNER(224)
	HORNER(256)
	HORNER(288)
	HORNER(320)
	HORNER(352)
	HORNER(384)
	HORNER(416)
	HORNER(448)
	VMULPS      Y2, Y6, Y6
	VMULPS      Y3, Y7, Y7
	VMULPS      Y0, Y6, Y6
	VMULPS      Y1, Y7, Y7
	VMOVUPS     608(BX), Y13 // 1/2
	VFMADD231PS Y13, Y0, Y6
	VFMADD231PS Y13, Y1, Y7
	VMOVUPS     Y6, (AX)
	VMOVUPS     Y7, 32(AX)
	ADDQ        $64, AX
	DECQ        CX
	JNZ         loop
	VZEROUPPER
	RET

// func avx2Softmax(x *float32, n int, scale float32, constants *[12][8]float32)
TEXT ·avx2Softmax(SB), NOSPLIT, $0-32
	MOVQ         x+0(FP), AX
	MOVQ         n+8(FP), CX
	VBROADCASTSS scale+16(FP), Y15
	MOVQ         constants+24(FP), BX
	SHRQ         $3, CX

	// The highest.
	MOVQ    AX, SI
	MOVQ    CX, DX
	VMOVUPS (SI), Y14

highest:
	VMAXPS       (SI), Y14, Y14
	ADDQ         $32, SI
	DECQ         DX
	JNZ          highest
	VEXTRACTF128 $1, Y14, X0
	VMAXPS       X0, X14, X14
	VPERMILPS    $0x4e, X14, X0
	VMAXPS       X0, X14, X14
	VPERMILPS    $0xb1, X14, X0
	VMAXPS       X0, X14, X14
	VBROADCASTSS X14, Y14

	// exp(scale·(x - highest)) and its sum: 2^n·e^r, r within ±ln2/2.
	VMOVUPS (BX), Y8     // log2(e)
	VMOVUPS 32(BX), Y9   // ln(2), high part
	VMOVUPS 64(BX), Y10  // ln(2), low part
	VMOVUPS 96(BX), Y11  // the lowest exponent
	VMOVUPS 128(BX), Y12 // 127, an integer
	VXORPS  Y13, Y13, Y13
	MOVQ    AX, SI
	MOVQ    CX, DX

exp:
	VMOVUPS      (SI), Y0
	VSUBPS       Y14, Y0, Y0
	VMULPS       Y15, Y0, Y0
	VMAXPS       Y11, Y0, Y0
	VMULPS       Y8, Y0, Y1
	VROUNDPS     $0, Y1, Y1
	VFNMADD231PS Y9, Y1, Y0
	VFNMADD231PS Y10, Y1, Y0
	VMOVUPS      160(BX), Y2
	VFMADD213PS  192(BX), Y0, Y2
	VFMADD213PS  224(BX), Y0, Y2
	VFMADD213PS  256(BX), Y0, Y2
	VFMADD213PS  288(BX), Y0, Y2
	VFMADD213PS  320(BX), Y0, Y2
	VFMADD213PS  352(BX), Y0, Y2
	VCVTPS2DQ    Y1, Y1
	VPADDD       Y12, Y1, Y1
	VPSLLD       $23, Y1, Y1
	VMULPS       Y1, Y2, Y2
	VMOVUPS      Y2, (SI)
	VADDPS       Y2, Y13, Y13
	ADDQ         $32, SI
	DECQ         DX
	JNZ          exp

	// Divide by the sum.
	VEXTRACTF128 $1, Y13, X0
	VADDPS       X0, X13, X13
	VHADDPS      X13, X13, X13
	VHADDPS      X13, X13, X13
	VBROADCASTSS X13, Y13
	VMOVUPS      352(BX), Y0 // 1
	VDIVPS       Y13, Y0, Y0

divide:
	VMULPS  (AX), Y0, Y1
	VMOVUPS Y1, (AX)
	ADDQ    $32, AX
	DECQ    CX
	JNZ     divide
	VZEROUPPER
	RET

// SUM adds up the eight numbers of y, whose lower half is x; x2 is scratch.
#define SUM(y, x, x2) \
	VEXTRACTF128 $1, y, x2 \
	VADDPS       x2, x, x  \
	VHADDPS      x, x, x   \
	VHADDPS      x, x, x

// func avx2Normalize(x, bias, gain, shift *float32, n int, epsilon float32)
TEXT ·avx2Normalize(SB), NOSPLIT, $0-44
	MOVQ       x+0(FP), AX
	MOVQ       bias+8(FP), BX
	MOVQ       gain+16(FP), R8
	MOVQ       shift+24(FP), R9
	MOVQ       n+32(FP), CX
	VXORPS     X7, X7, X7
	VCVTSI2SSQ CX, X7, X7 // n
	SHLQ       $2, CX     // n in bytes

	// Add the bias; the mean.
	VXORPS Y4, Y4, Y4
	VXORPS Y5, Y5, Y5
	XORQ   DX, DX

add:
	VMOVUPS      (AX)(DX*1), Y0
	VMOVUPS      32(AX)(DX*1), Y1
	VADDPS       (BX)(DX*1), Y0, Y0
	VADDPS       32(BX)(DX*1), Y1, Y1
	VMOVUPS      Y0, (AX)(DX*1)
	VMOVUPS      Y1, 32(AX)(DX*1)
	VADDPS       Y0, Y4, Y4
	VADDPS       Y1, Y5, Y5
	ADDQ         $64, DX
	CMPQ         DX, CX
	JLT          add
	VADDPS       Y5, Y4, Y4
	SUM(Y4, X4, X5)
	VDIVSS       X7, X4, X4
	VBROADCASTSS X4, Y6

	// The variance.
	VXORPS Y4, Y4, Y4
	VXORPS Y5, Y5, Y5
	XORQ   DX, DX

square:
	VMOVUPS     (AX)(DX*1), Y0
	VMOVUPS     32(AX)(DX*1), Y1
	VSUBPS      Y6, Y0, Y0
	VSUBPS      Y6, Y1, Y1
	VFMADD231PS Y0, Y0, Y4
	VFMADD231PS Y1, Y1, Y5
	ADDQ        $64, DX
	CMPQ        DX, CX
	JLT         square
	VADDPS      Y5, Y4, Y4
	SUM(Y4, X4, X5)
	VDIVSS      X7, X4, X4
	VADDSS      epsilon+40(FP), X4, X4
	VSQRTSS     X4, X4, X4
	VBROADCASTSS X4, Y4
	MOVL        $0x3f800000, DX // 1.0
	VMOVD       DX, X5
	VBROADCASTSS X5, Y5
	VDIVPS      Y4, Y5, Y7

	// Scale and shift.
	XORQ DX, DX

scale:
	VMOVUPS     (AX)(DX*1), Y0
	VMOVUPS     32(AX)(DX*1), Y1
	VSUBPS      Y6, Y0, Y0
	VSUBPS      Y6, Y1, Y1
	VMULPS      Y7, Y0, Y0
	VMULPS      Y7, Y1, Y1
	VMOVUPS     (R8)(DX*1), Y2
	VMOVUPS     32(R8)(DX*1), Y3
	VFMADD213PS (R9)(DX*1), Y2, Y0
	VFMADD213PS 32(R9)(DX*1), Y3, Y1
	VMOVUPS     Y0, (AX)(DX*1)
	VMOVUPS     Y1, 32(AX)(DX*1)
	ADDQ        $64, DX
	CMPQ        DX, CX
	JLT         scale
	VZEROUPPER
	RET
