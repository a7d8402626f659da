// Vector instructions that the assembler has no names for, by their encodings
// (Arm Architecture Reference Manual, C7.2). Operands are register numbers:
// destination first, as in Arm's own notation; each works on four numbers.

#define FADD(d, n, m)     WORD $(0x4e20d400 | (m)<<16 | (n)<<5 | (d))
#define FSUB(d, n, m)     WORD $(0x4ea0d400 | (m)<<16 | (n)<<5 | (d))
#define FMUL(d, n, m)     WORD $(0x6e20dc00 | (m)<<16 | (n)<<5 | (d))
#define FDIV(d, n, m)     WORD $(0x6e20fc00 | (m)<<16 | (n)<<5 | (d))
#define FMAX(d, n, m)     WORD $(0x4e20f400 | (m)<<16 | (n)<<5 | (d))
#define FMIN(d, n, m)     WORD $(0x4ea0f400 | (m)<<16 | (n)<<5 | (d))
#define FMLA(d, n, m)     WORD $(0x4e20cc00 | (m)<<16 | (n)<<5 | (d))           // d += n·m
#define FMLS(d, n, m)     WORD $(0x4ea0cc00 | (m)<<16 | (n)<<5 | (d))           // d -= n·m
#define FADDP(d, n, m)    WORD $(0x6e20d400 | (m)<<16 | (n)<<5 | (d))           // sums of neighbours
#define FMAXV(d, n)       WORD $(0x6e30f800 | (n)<<5 | (d))                     // the highest of four
#define FRINTN(d, n)      WORD $(0x4e218800 | (n)<<5 | (d))                     // to the nearest whole number
#define FCVTNS(d, n)      WORD $(0x4e21a800 | (n)<<5 | (d))                     // to the nearest integer
#define SHL(d, n, bits)   WORD $(0x4f005400 | (32+(bits))<<16 | (n)<<5 | (d))

// FMLAE adds n times element i of m to d.
#define FMLAE(d, n, m, i) WORD $(0x4f801000 | ((i)&1)<<21 | ((i)>>1)<<11 | (m)<<16 | (n)<<5 | (d))
