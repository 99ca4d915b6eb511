/* bfloat16: the upper half of a float. */
BN_INLINE vf to_float(vs a) { return (vf)(vu_of_vs(a) << 16); }
BN_INLINE vh to_float_half(vsh a) { return (vh)(vuh_of_vsh(a) << 16); }

/* To nearest even, by integers: the instructions for it flush subnormals. A NaN stays one, for the lower half of its
 * bits is 0: it comes from another bfloat16, from an operation, or from narrowed() in factors.h. */
BN_INLINE vu rounded_bits(vf a)
{
    const vu bits = (vu)a;
    return bits + 0x7fff + (bits >> 16 & 1);
}
BN_INLINE vs rounded(vf a) { return vs_of_vu(rounded_bits(a) >> 16); }

/* A vector of memory as two of floats: of its words of 32 bits the lower halves, and the upper ones, which are floats
 * but for the bits below. To convert all in order, most of the work would be moving them. Which half has the even
 * values is the machine's byte order. Read once, inference of 64 x 256 is 1.02 to 1.08 times as fast (Xeon of family 6,
 * model 106). */
#define BN_HALVES 2
enum { LOWER = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__, UPPER = 1 - LOWER };
typedef vw as_read;
BN_INLINE as_read x_read(const uint16_t *p)
{
    vw words = vw_load(p);
    bn_in_register(words);
    return words;
}
BN_INLINE as_read x_read_part(const uint16_t *p, size_t n) { return vw_load_part(p, n); }
BN_INLINE void x_halves(as_read words, vf *halves)
{
    halves[LOWER] = (vf)((vu)words << 16);
    halves[UPPER] = (vf)((vu)words & 0xffff0000);
}
BN_INLINE vw joined(const vf *halves)
{
#ifdef BN_OWN_WORDS /* up, where more than half of the last place is cut off, or just half of an odd one */
    const vu low = (vu)halves[LOWER], high = (vu)halves[UPPER];
    const vw kept = vw_of_halves(low >> 16, high), cut = vw_of_halves(low, high << 16);
    return kept + (vw_less(cut, ~kept & 1) >> 15);
#else
    return (vw)(rounded_bits(halves[LOWER]) >> 16 | (rounded_bits(halves[UPPER]) & 0xffff0000));
#endif
}
BN_INLINE void y_store_halves(uint16_t *p, const vf *halves) { vw_store(p, joined(halves)); }
BN_INLINE void y_store_halves_part(uint16_t *p, const vf *halves, size_t n) { vw_store_part(p, joined(halves), n); }
BN_INLINE void y_stream_halves(uint16_t *p, const vf *halves) { vf_stream((float *)(void *)p, (vf)joined(halves)); }

#ifdef BN_OWN_UPPER
#define BN_OWN_FLOATS
BN_INLINE void put_floats(float *to, const uint16_t *p) { bn_put_upper_halves(to, p); }
BN_INLINE size_t place_of_floats(size_t i) { return bn_place_of_upper_halves(i); }
#endif

#include "dtype/sixteen.h"
