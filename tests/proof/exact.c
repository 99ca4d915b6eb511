#include "exact.h"

#include <math.h>
#include <stdbool.h>

enum { DOUBLE_DIGIT = EXACT_LEAST / 64 }; /* doubles have no digits below this one: products of two sums fit */

/* Digits but the last to [0, 2^32). */
static void carry(exact *a)
{
    for (int i = 0; i + 1 < EXACT_DIGITS; i++) {
        const int64_t low = a->digit[i] & UINT32_MAX;
        a->digit[i + 1] += (a->digit[i] - low) / ((int64_t)1 << 32);
        a->digit[i] = low;
    }
    a->pending = 0;
}

/* sign * bits * 2^exponent. A digit gains less than 2^33, and a product adds 4 times. */
static void add_bits(exact *sum, int sign, uint64_t bits, int exponent)
{
    if (bits == 0) return; /* its place may lie beyond the digits */
    const int place = exponent + EXACT_LEAST, shift = place % 32;
    int64_t *const digit = sum->digit + place / 32;
    const uint64_t low = (bits & UINT32_MAX) << shift, high = (bits >> 32) << shift;
    digit[0] += sign * (int64_t)(low & UINT32_MAX);
    digit[1] += sign * (int64_t)((low >> 32) + (high & UINT32_MAX));
    digit[2] += sign * (int64_t)(high >> 32);
    if (++sum->pending == 1u << 29) carry(sum);
}

struct parts {
    int sign, exponent;
    uint64_t bits;
};

static struct parts take_apart(double a)
{
    int exponent;
    const double digits = ldexp(frexp(fabs(a), &exponent), 53);
    struct parts p = {a < 0 ? -1 : 1, exponent - 53, (uint64_t)digits};
    for (; p.bits != 0 && p.exponent < -1074; p.exponent++) p.bits /= 2; /* a subnormal: these bits are 0 */
    return p;
}

void exact_add(exact *sum, double a)
{
    const struct parts p = take_apart(a);
    add_bits(sum, p.sign, p.bits, p.exponent);
}

void exact_add_product(exact *sum, double a, double b)
{
    const struct parts p = take_apart(a), q = take_apart(b);
    const int sign = p.sign * q.sign, exponent = p.exponent + q.exponent;
    const uint64_t p0 = p.bits & UINT32_MAX, p1 = p.bits >> 32, q0 = q.bits & UINT32_MAX, q1 = q.bits >> 32;
    add_bits(sum, sign, p0 * q0, exponent);
    add_bits(sum, sign, p0 * q1 + p1 * q0, exponent + 32); /* below 2^54 */
    add_bits(sum, sign, p1 * q1, exponent + 64);
}

exact exact_difference(exact a, exact b)
{
    carry(&a);
    carry(&b);
    for (int i = 0; i < EXACT_DIGITS; i++) a.digit[i] -= b.digit[i];
    carry(&a);
    return a;
}

static bool is_negative(const exact *a) { return a->digit[EXACT_DIGITS - 1] < 0; }

/* The number without its sign, digits in range. */
static exact magnitude(exact a)
{
    carry(&a);
    return is_negative(&a) ? exact_difference((exact){0}, a) : a;
}

exact exact_product(exact a, exact b)
{
    carry(&a);
    carry(&b);
    const bool negative = is_negative(&a) != is_negative(&b);
    const exact p = magnitude(a), q = magnitude(b);
    exact product = {0};
    for (int i = DOUBLE_DIGIT; i < EXACT_DIGITS; i++) {
        for (int j = DOUBLE_DIGIT; j < EXACT_DIGITS && p.digit[i] != 0; j++)
            add_bits(&product, 1, (uint64_t)p.digit[i] * (uint64_t)q.digit[j], 32 * (i + j) - 2 * EXACT_LEAST);
    }
    carry(&product);
    return negative ? exact_difference((exact){0}, product) : product;
}

/* count times a sum that is not negative, of products too. */
static exact times(exact a, uint64_t count)
{
    exact product = {0};
    carry(&a);
    for (int i = 0; i < EXACT_DIGITS; i++) {
        add_bits(&product, 1, (uint64_t)a.digit[i] * (count & UINT32_MAX), 32 * i - EXACT_LEAST);
        add_bits(&product, 1, (uint64_t)a.digit[i] * (count >> 32), 32 * (i + 1) - EXACT_LEAST);
    }
    return product;
}

wide exact_value(exact a)
{
    carry(&a);
    const bool negative = is_negative(&a);
    const exact m = magnitude(a);
    wide value = 0;
    int last = EXACT_DIGITS - 1, first;
    while (last > 0 && m.digit[last] == 0) last--;
    first = last < 5 ? 0 : last - 5; /* six digits: 161 bits at least; the others are below binary128's last */
    for (int i = last; i >= first; i--) value = value * 0x1p32 + m.digit[i];
    for (int i = first; i > EXACT_LEAST / 32; i--) value *= 0x1p32;
    for (int i = first; i < EXACT_LEAST / 32; i++) value /= 0x1p32;
    return negative ? -value : value;
}

static exact exact_of(double a)
{
    exact e = {0};
    exact_add(&e, a);
    return e;
}

/* variance = (M sum(x^2) - sum(x)^2) / M^2: in integers nothing cancels. */
struct statistics exact_statistics(const double *x, size_t count, double eps)
{
    const wide n = (wide)count;
    exact sum = {0}, sum_abs = {0}, squares = {0};
    for (size_t i = 0; i < count; i++) {
        exact_add(&sum, x[i]);
        exact_add(&sum_abs, fabs(x[i]));
        exact_add_product(&squares, x[i], x[i]);
    }
    struct statistics s = {.mean = exact_value(sum) / n, .mean_abs = exact_value(sum_abs) / n};
    s.variance = exact_value(exact_difference(times(squares, count), exact_product(sum, sum))) / (n * n);
    s.invstd = reference_invstd(s.variance, eps);
    return s;
}

/* sum(dy (x - mean)) = sum(dy x) - mean sum(dy), and the same with the sign of each term for the sum of their absolute
 * values. mean is a double: the sign is that of a comparison. */
struct gradients exact_gradients(const double *x, const double *dy, size_t count, double mean, double invstd)
{
    exact sum = {0}, sum_abs = {0}, products = {0}, signed_products = {0}, signed_sum = {0};
    for (size_t i = 0; i < count; i++) {
        const double same_sign = (dy[i] < 0) == (x[i] < mean) ? dy[i] : -dy[i];
        exact_add(&sum, dy[i]);
        exact_add(&sum_abs, fabs(dy[i]));
        exact_add(&signed_sum, same_sign);
        exact_add_product(&products, dy[i], x[i]);
        exact_add_product(&signed_products, same_sign, x[i]);
    }
    const exact m = exact_of(mean);
    return (struct gradients){
        .dbeta = exact_value(sum),
        .dgamma = invstd * exact_value(exact_difference(products, exact_product(m, sum))),
        .sum_abs_dy = exact_value(sum_abs),
        .sum_abs_dy_xhat = invstd * exact_value(exact_difference(signed_products, exact_product(m, signed_sum)))};
}
