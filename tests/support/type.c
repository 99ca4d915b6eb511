#include "type.h"

#include <math.h>

const bnorm_dtype all_types[TYPES] = {BNORM_F32, BNORM_F64, BNORM_BF16, BNORM_F16};

size_t type_size(bnorm_dtype type) { return type == BNORM_F64 ? 8 : type == BNORM_F32 ? 4 : 2; }

const char *type_name(bnorm_dtype type)
{
    static const char *const names[] = {"f32", "f64", "bf16", "f16"};
    return names[type];
}

/* ---- 16 bits: a sign, an exponent, `digits` binary digits of which the first is not stored --------------------------
 */

struct sixteen {
    int digits, least_exponent; /* of normal numbers, 1.f * 2^e */
    unsigned infinity;          /* its bits; those above are NaN */
};

static struct sixteen format_of(bnorm_dtype type)
{
    return type == BNORM_BF16 ? (struct sixteen){8, -126, 0x7f80} : (struct sixteen){11, -14, 0x7c00};
}

static double decode(struct sixteen f, unsigned bits)
{
    const unsigned magnitude = bits & 0x7fff, hidden = 1u << (f.digits - 1);
    const int exponent = (int)(magnitude / hidden);
    const unsigned digits = magnitude % hidden + (exponent ? hidden : 0);
    double value = ldexp(digits, f.least_exponent - f.digits + 1 + (exponent ? exponent - 1 : 0));
    if (magnitude >= f.infinity) value = magnitude == f.infinity ? HUGE_VAL : NAN;
    return bits & 0x8000 ? -value : value;
}

/* The digits, rounded to an integer, are added to the exponent's field: a carry goes where it belongs, from the
 * subnormal numbers to the normal ones and from the largest to infinity. */
static unsigned encode(struct sixteen f, double value)
{
    const unsigned sign = signbit(value) ? 0x8000 : 0;
    if (isnan(value)) return sign | f.infinity | f.infinity >> 1;
    int exponent;
    frexp(value, &exponent);
    if (isinf(value) || exponent - 1 > -f.least_exponent + 1) return sign | f.infinity;
    const int e = value == 0 || exponent - 1 < f.least_exponent ? f.least_exponent : exponent - 1;
    const double digits = ldexp(fabs(value), f.digits - 1 - e), down = floor(digits), rest = digits - down;
    const unsigned integer = (unsigned)down, up = rest > 0.5 || (rest == 0.5 && integer % 2 == 1);
    return sign | (((unsigned)(e - f.least_exponent) << (f.digits - 1)) + integer + up);
}

double type_get(bnorm_dtype type, const void *elements, size_t index)
{
    if (type == BNORM_F64) return ((const double *)elements)[index];
    if (type == BNORM_F32) return ((const float *)elements)[index];
    return decode(format_of(type), ((const uint16_t *)elements)[index]);
}

void type_put(bnorm_dtype type, void *elements, size_t index, double value)
{
    if (type == BNORM_F64)
        ((double *)elements)[index] = value;
    else if (type == BNORM_F32)
        ((float *)elements)[index] = (float)value;
    else
        ((uint16_t *)elements)[index] = (uint16_t)encode(format_of(type), value);
}

bool type_is_nan(bnorm_dtype type, const void *elements, size_t index)
{
    if (type == BNORM_F64 || type == BNORM_F32) return isnan(type_get(type, elements, index));
    return (((const uint16_t *)elements)[index] & 0x7fff) > format_of(type).infinity;
}

double type_round(bnorm_dtype type, double value)
{
    uint64_t element = 0;
    type_put(type, &element, 0, value);
    return type_get(type, &element, 0);
}
