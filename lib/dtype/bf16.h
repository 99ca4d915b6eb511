/* bfloat16: the upper half of a float. */
BN_INLINE vf to_float(vs a) { return (vf)(vu_of_vs(a) << 16); }
BN_INLINE vh to_float_half(vsh a) { return (vh)(vuh_of_vsh(a) << 16); }

/* To nearest even, by integers: the instructions for it flush subnormals. A NaN stays one, for the lower half of its
 * bits is 0: it comes from another bfloat16, from an operation, or from narrowed() in elements.h. */
BN_INLINE vu rounded_bits(vf a)
{
    const vu bits = (vu)a;
    return bits + 0x7fff + (bits >> 16 & 1);
}
BN_INLINE vs rounded(vf a) { return vs_of_vu(rounded_bits(a) >> 16); }

/* A vector of memory as two of floats: those in the lower halves of words of 32 bits, and those in the upper halves,
 * where they are floats but for the bits below. To convert them in order, most of the work is moving them. */
#define BN_HALVES 2
BN_INLINE void x_load_halves(const uint16_t *p, vf *halves)
{
    vu words;
    memcpy(&words, p, sizeof words);
    halves[0] = (vf)(words << 16);
    halves[1] = (vf)(words & 0xffff0000);
}
BN_INLINE vf joined(const vf *halves)
{
    return (vf)(rounded_bits(halves[0]) >> 16 | (rounded_bits(halves[1]) & 0xffff0000));
}
BN_INLINE void y_store_halves(uint16_t *p, const vf *halves)
{
    const vf words = joined(halves);
    memcpy(p, &words, sizeof words);
}
BN_INLINE void y_stream_halves(uint16_t *p, const vf *halves) { vf_stream((float *)(void *)p, joined(halves)); }

#include "dtype/sixteen.h"
