#include "textflag.h"
#include "neon_arm64.h"

// The functions of single rows: GELU, softmax, layer normalization. Lengths are
// multiples of 16. Constants come spread over eight numbers, of which four are
// read, from constants.go. The arithmetic is that of rows_amd64.s.

// CONSTANT reads the next constant.
#define CONSTANT(register) \
	VLD1 (R2), [register.S4] \
	ADD  $32, R2

// HORNER makes p·u+c of two polynomials p at u: from V6 and V7 to V13 and V14, or back.
#define HORNER(c) \
	VMOV c.B16, V13.B16 \
	VMOV c.B16, V14.B16 \
	FMLA(13, 6, 4) \
	FMLA(14, 7, 5)

#define HORNERBACK(c) \
	VMOV c.B16, V6.B16 \
	VMOV c.B16, V7.B16 \
	FMLA(6, 13, 4) \
	FMLA(7, 14, 5)

// func neonGELU(x *float32, n int, constants *[20][8]float32)
TEXT ·neonGELU(SB), NOSPLIT, $0-24
	MOVD x+0(FP), R0
	MOVD n+8(FP), R1
	MOVD constants+16(FP), R2
	CONSTANT(V16)
	CONSTANT(V17)
	CONSTANT(V18)
	CONSTANT(V19)
	CONSTANT(V20)
	CONSTANT(V21)
	CONSTANT(V22)
	CONSTANT(V23)
	CONSTANT(V24)
	CONSTANT(V25)
	CONSTANT(V26)
	CONSTANT(V27)
	CONSTANT(V28)
	CONSTANT(V29)
	CONSTANT(V30)
	CONSTANT(V8)  // bound
	CONSTANT(V9)  // -bound
	CONSTANT(V10) // 2/bound²
	CONSTANT(V11) // 1
	CONSTANT(V12) // 1/2

loop:
	VLD1 (R0), [V0.S4, V1.S4]
	FMIN(2, 0, 8)
	FMIN(3, 1, 8)
	FMAX(2, 2, 9)
	FMAX(3, 3, 9)
	FMUL(4, 2, 2)
	FMUL(5, 3, 3)
	FMUL(4, 4, 10)
	FMUL(5, 5, 10)
	FSUB(4, 4, 11)
	FSUB(5, 5, 11)
	VMOV V16.B16, V6.B16
	VMOV V16.B16, V7.B16
	HORNER(V17)
	HORNERBACK(V18)
	HORNER(V19)
	HORNERBACK(V20)
	HORNER(V21)
	HORNERBACK(V22)
	HORNER(V23)
	HORNERBACK(V24)
	HORNER(V25)
	HORNERBACK(V26)
	HORNER(V27)
	HORNERBACK(V28)
	HORNER(V29)
	HORNERBACK(V30)
	FMUL(6, 6, 2)
	FMUL(7, 7, 3)
	FADD(6, 6, 12)
	FADD(7, 7, 12)
	FMUL(6, 6, 0)
	FMUL(7, 7, 1)
	VST1.P [V6.S4, V7.S4], 32(R0)
	SUBS $8, R1, R1
	BNE  loop
	RET

// func neonSoftmax(x *float32, n int, scale float32, constants *[12][8]float32)
TEXT ·neonSoftmax(SB), NOSPLIT, $0-32
	MOVD  x+0(FP), R0
	MOVD  n+8(FP), R1
	FMOVS scale+16(FP), F15
	VDUP  V15.S[0], V15.S4
	MOVD  constants+24(FP), R2
	CONSTANT(V16) // log2(e)
	CONSTANT(V17) // ln(2), high part
	CONSTANT(V18) // ln(2), low part
	CONSTANT(V19) // the lowest exponent
	CONSTANT(V20) // 127, an integer
	CONSTANT(V21) // 1/720
	CONSTANT(V22) // 1/120
	CONSTANT(V23) // 1/24
	CONSTANT(V24) // 1/6
	CONSTANT(V25) // 1/2
	CONSTANT(V26) // 1
	CONSTANT(V27) // 1

	// The highest.
	MOVD R0, R3
	MOVD R1, R4
	VLD1 (R3), [V14.S4]

highest:
	VLD1.P 16(R3), [V0.S4]
	FMAX(14, 14, 0)
	SUBS $4, R4, R4
	BNE  highest
	FMAXV(14, 14)
	VDUP V14.S[0], V14.S4

	// exp(scale·(x - highest)) and its sum.
	MOVD R0, R3
	MOVD R1, R4
	VEOR V13.B16, V13.B16, V13.B16

exp:
	VLD1 (R3), [V0.S4]
	FSUB(0, 0, 14)
	FMUL(0, 0, 15)
	FMAX(0, 0, 19)
	FMUL(1, 0, 16)
	FRINTN(1, 1)
	FMLS(0, 1, 17)
	FMLS(0, 1, 18)
	VMOV V22.B16, V2.B16
	FMLA(2, 21, 0)
	VMOV V23.B16, V3.B16
	FMLA(3, 2, 0)
	VMOV V24.B16, V2.B16
	FMLA(2, 3, 0)
	VMOV V25.B16, V3.B16
	FMLA(3, 2, 0)
	VMOV V26.B16, V2.B16
	FMLA(2, 3, 0)
	VMOV V27.B16, V3.B16
	FMLA(3, 2, 0)
	FCVTNS(1, 1)
	VADD V20.S4, V1.S4, V1.S4
	SHL(1, 1, 23)
	FMUL(3, 3, 1)
	VST1.P [V3.S4], 16(R3)
	FADD(13, 13, 3)
	SUBS $4, R4, R4
	BNE  exp

	// Divide by the sum.
	FADDP(13, 13, 13)
	FADDP(13, 13, 13)
	FDIV(13, 27, 13)

divide:
	VLD1 (R0), [V0.S4]
	FMUL(0, 0, 13)
	VST1.P [V0.S4], 16(R0)
	SUBS $4, R1, R1
	BNE  divide
	RET

// func neonNormalize(x, bias, gain, shift *float32, n int, epsilon float32)
TEXT ·neonNormalize(SB), NOSPLIT, $0-44
	MOVD x+0(FP), R0
	MOVD bias+8(FP), R1
	MOVD gain+16(FP), R2
	MOVD shift+24(FP), R3
	MOVD n+32(FP), R4
	SCVTFS R4, F7
	VDUP V7.S[0], V7.S4 // n

	// Add the bias; the mean.
	MOVD R0, R5
	MOVD R4, R6
	VEOR V4.B16, V4.B16, V4.B16
	VEOR V5.B16, V5.B16, V5.B16

add:
	VLD1 (R5), [V0.S4, V1.S4]
	VLD1.P 32(R1), [V2.S4, V3.S4]
	FADD(0, 0, 2)
	FADD(1, 1, 3)
	FADD(4, 4, 0)
	FADD(5, 5, 1)
	VST1.P [V0.S4, V1.S4], 32(R5)
	SUBS $8, R6, R6
	BNE  add
	FADD(4, 4, 5)
	FADDP(4, 4, 4)
	FADDP(4, 4, 4)
	FDIV(6, 4, 7)

	// The variance.
	MOVD R0, R5
	MOVD R4, R6
	VEOR V4.B16, V4.B16, V4.B16
	VEOR V5.B16, V5.B16, V5.B16

square:
	VLD1.P 32(R5), [V0.S4, V1.S4]
	FSUB(0, 0, 6)
	FSUB(1, 1, 6)
	FMLA(4, 0, 0)
	FMLA(5, 1, 1)
	SUBS $8, R6, R6
	BNE  square
	FADD(4, 4, 5)
	FADDP(4, 4, 4)
	FADDP(4, 4, 4)
	FDIV(4, 4, 7)
	FMOVS epsilon+40(FP), F5
	FADDS F5, F4, F4
	FSQRTS F4, F4
	FMOVS $1.0, F5
	FDIVS F4, F5, F4
	VDUP V4.S[0], V4.S4

	// Scale and shift.
scale:
	VLD1 (R0), [V0.S4, V1.S4]
	FSUB(0, 0, 6)
	FSUB(1, 1, 6)
	FMUL(0, 0, 4)
	FMUL(1, 1, 4)
	VLD1.P 32(R2), [V2.S4, V3.S4]
	VLD1.P 32(R3), [V16.S4, V17.S4]
	FMLA(16, 0, 2)
	FMLA(17, 1, 3)
	VST1.P [V16.S4, V17.S4], 32(R0)
	SUBS $8, R4, R4
	BNE  scale
	RET
