/* Template: what a rounding loses, and how it is added back. Wants a vector and a dtype header, and integers.h. */

/* Its sign bit is set where v is not in 2^-power..2^power; the other bits mean nothing. Bits of positive doubles are in
 * their order, and those of all others above, so that one of the differences is negative. Two comparisons would take as
 * long as an inverse root. */
BN_INLINE uint64_t sign_if_outside(double v, int power)
{
    return (bits_of(v) - ((uint64_t)(1023 - power) << 52)) | (((uint64_t)(1023 + power) << 52) - bits_of(v));
}

/* The upper 26 bits of a number: the product of two such, or of one and a lower part, is exact. */
BN_INLINE double upper(double a)
{
    const uint64_t bits = bits_of(a) & ~(uint64_t)0x7ffffff;
    memcpy(&a, &bits, sizeof a);
    return a;
}

/* c - a * b, where that is small beside c. T. Dekker, "A floating-point technique for extending the available
 * precision", 1971. */
BN_INLINE double rest_of(double c, double a, double b)
{
    const double a1 = upper(a), a2 = a - a1, b1 = upper(b), b2 = b - b1;
    return ((c - a1 * b1) - a1 * b2 - a2 * b1) - a2 * b2;
}

/* What a + b, which rounds to sum, loses. D. Knuth, "The Art of Computer Programming", volume 2, 4.2.2, theorem B. */
BN_INLINE double lost_by(double a, double b, double sum)
{
    const double added = sum - a;
    return (a - (sum - added)) + (b - added);
}

BN_INLINE vd vd_lost_by(vd a, vd b, vd sum)
{
    const vd added = sum - a;
    return (a - (sum - added)) + (b - added);
}

/* Adds x to s, and to lost what that addition loses; where abs(x) is above abs(s) all but half an ulp of x. Fewer
 * operations than lost_by, for what is done once a value. Dekker, as above. */
BN_INLINE void add_keeping(vd *s, vd *lost, vd x)
{
    const vd sum = *s + x;
    *lost += x - (sum - *s);
    *s = sum;
}

/* sum / n, for an n that many sums have. In double that is to be one rounding (tests/proof/README.md); of the
 * two of 1 / n and the product nothing is left to see in float, and a division takes as long as all else here. */
BN_INLINE double divided(double sum, double n) { return sizeof(real) == sizeof(double) ? sum / n : sum * (1 / n); }

/* sum + lost, or a sum that has overflowed. */
BN_INLINE double with_lost(double sum, double lost) { return isfinite(sum) ? sum + lost : sum; }

/* (sum + lost) / n, rounded once, but for a sum that cancels to its last places; exact where it is a number. */
BN_INLINE double quotient(double sum, double lost, double n, double reciprocal)
{
    const double about = with_lost(sum, lost) * reciprocal;
    return with_lost(about, (rest_of(sum, about, n) + lost) * reciprocal);
}
