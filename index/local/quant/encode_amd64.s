#include "textflag.h"

// AVX2. Every operation rounds by itself, as in encodeGeneric and measureGeneric:
// no product is fused with a sum.

// The order in which the two packings leave eight groups of four bytes, undone.
DATA  order<>+0(SB)/8, $0x0000000400000000
DATA  order<>+8(SB)/8, $0x0000000500000001
DATA  order<>+16(SB)/8, $0x0000000600000002
DATA  order<>+24(SB)/8, $0x0000000700000003
GLOBL order<>(SB), RODATA|NOPTR, $32

DATA  consts<>+0(SB)/4, $0x42fe0000  // 127.0
DATA  consts<>+4(SB)/4, $0xc2fe0000  // -127.0
DATA  consts<>+8(SB)/4, $0x80808080  // the bias of four bytes
DATA  consts<>+12(SB)/4, $0x7fffffff // all but the sign
GLOBL consts<>(SB), RODATA|NOPTR, $16

// Make numbers of the eight floats at AT(SI): V is left as whole numbers of 32
// bits. The squares of the errors are added to Y12, after those of the eight before.
#define EIGHT(AT, V) \
	VMOVUPS    AT(SI), V   \
	VSUBPS     Y8, V, V    \
	VMULPS     Y9, V, V    \
	VMINPS     Y10, V, Y4  \
	VMAXPS     Y11, Y4, Y4 \
	VCVTPS2DQ  Y4, Y5      \
	VCVTDQ2PS  Y5, Y6      \
	VSUBPS     Y6, V, V    \
	VMULPS     V, V, V     \
	VADDPS     V, Y12, Y12 \
	VMOVDQA    Y5, V

// func encodeAVX2(x *float32, n int, offset, factor float32, code *byte, s *sums)
TEXT ·encodeAVX2(SB), NOSPLIT, $0-40
	MOVQ         x+0(FP), SI
	MOVQ         n+8(FP), CX
	VBROADCASTSS offset+16(FP), Y8
	VBROADCASTSS factor+20(FP), Y9
	MOVQ         code+24(FP), DI
	MOVQ         s+32(FP), DX
	VBROADCASTSS consts<>+0(SB), Y10
	VBROADCASTSS consts<>+4(SB), Y11
	VPBROADCASTD consts<>+8(SB), Y14
	VMOVDQU      order<>(SB), Y15
	VMOVUPS      (DX), Y12
	VMOVD        32(DX), X13 // and zeros above

encode:
	EIGHT(0, Y0)
	EIGHT(32, Y1)
	EIGHT(64, Y2)
	EIGHT(96, Y3)
	VPACKSSDW Y1, Y0, Y0
	VPACKSSDW Y3, Y2, Y2
	VPMADDWD  Y0, Y0, Y4
	VPMADDWD  Y2, Y2, Y5
	VPADDD    Y4, Y13, Y13
	VPADDD    Y5, Y13, Y13
	VPACKSSWB Y2, Y0, Y0
	VPERMD    Y0, Y15, Y0
	VPXOR     Y14, Y0, Y0
	VMOVDQU   Y0, (DI)
	ADDQ      $128, SI
	ADDQ      $32, DI
	SUBQ      $32, CX
	JNZ       encode

	VMOVUPS      Y12, (DX)
	VEXTRACTI128 $1, Y13, X0
	VPADDD       X13, X0, X0
	VPSHUFD      $0x4e, X0, X1
	VPADDD       X1, X0, X0
	VPSHUFD      $0xb1, X0, X1
	VPADDD       X1, X0, X0
	VMOVD        X0, 32(DX)
	VZEROUPPER
	RET

// Measure the eight floats at AT(SI): the sums of lanes 0 to 3 are in Y8, those
// of lanes 4 to 7 in Y9, the largest magnitudes in Y10.
#define MEASURE(AT) \
	VMOVUPS      AT(SI), Y0     \
	VANDPS       Y11, Y0, Y3    \
	VMAXPS       Y3, Y10, Y10   \
	VCVTPS2PD    AT(SI), Y1     \
	VCVTPS2PD    (AT+16)(SI), Y2 \
	VMULPD       Y1, Y1, Y1     \
	VMULPD       Y2, Y2, Y2     \
	VADDPD       Y1, Y8, Y8     \
	VADDPD       Y2, Y9, Y9

// func measureAVX2(x *float32, n int, m *measured)
TEXT ·measureAVX2(SB), NOSPLIT, $0-24
	MOVQ         x+0(FP), SI
	MOVQ         n+8(FP), CX
	MOVQ         m+16(FP), DX
	VMOVUPD      (DX), Y8
	VMOVUPD      32(DX), Y9
	VMOVSS       64(DX), X10 // and zeros above
	VPBROADCASTD consts<>+12(SB), Y11

measure:
	MEASURE(0)
	MEASURE(32)
	MEASURE(64)
	MEASURE(96)
	ADDQ $128, SI
	SUBQ $32, CX
	JNZ  measure

	VMOVUPD      Y8, (DX)
	VMOVUPD      Y9, 32(DX)
	VEXTRACTF128 $1, Y10, X0
	VMAXPS       X10, X0, X0
	VPSHUFD      $0x4e, X0, X1
	VMAXPS       X1, X0, X0
	VPSHUFD      $0xb1, X0, X1
	VMAXPS       X1, X0, X0
	VMOVSS       X0, 64(DX)
	VZEROUPPER
	RET
