/* A slice of the channels of a larger array, as in DenseNet, read where it lies, and in bfloat16: y and dx have the
 * bits that they have of a copy of the slice, channels last and first. The strides say how far one pixel (channels
 * last) or one image (channels first) is from the next. y, dy and dx are dense here; a dx_stride of 0 would be x's. */
#include <bnorm/bnorm.h>

#include <stdio.h>
#include <stdlib.h>

#include "random.h"

enum { BATCH = 8, PIXELS = 5 * 5, ALL = 24, FROM = 6, CHANNELS = 12 };

static uint16_t array[BATCH * PIXELS * ALL], slice[BATCH * PIXELS * CHANNELS], dy[BATCH * PIXELS * CHANNELS];
static uint16_t y[2][BATCH * PIXELS * CHANNELS], dx[2][BATCH * PIXELS * CHANNELS];

static void require(bnorm_status status)
{
    if (status == BNORM_OK) return;
    fprintf(stderr, "bnorm: %s\n", bnorm_status_string(status));
    exit(EXIT_FAILURE);
}

/* A bfloat16 is the upper half of a float. Rounded to nearest even; a NaN stays one. */
static uint16_t bfloat16_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    if (value != value) return (uint16_t)(bits >> 16 | 0x40);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

static float float_of(uint16_t bfloat16)
{
    const uint32_t bits = (uint32_t)bfloat16 << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static void fill(uint16_t *to, size_t count, uint64_t *random)
{
    for (size_t i = 0; i < count; i++) to[i] = bfloat16_of((float)(random_unit(random) - 0.25));
}

static void forward_and_backward(const bnorm_desc *desc, const uint16_t *x, uint16_t *to_y, uint16_t *to_dx)
{
    double mean[CHANNELS], invstd[CHANNELS];
    const bnorm_buffers buffers = {.x = x, .y = to_y, .mean = mean, .invstd = invstd, .dy = dy, .dx = to_dx};

    require(bnorm_forward_training(desc, &buffers));
    require(bnorm_backward(desc, &buffers));
}

static bool same(bnorm_layout layout)
{
    const size_t channel = layout == BNORM_CHANNELS_LAST ? 1 : PIXELS; /* values from one to the next */
    const size_t rows = BATCH * PIXELS / channel, row = CHANNELS * channel, all = ALL * channel;
    const uint16_t *const first = array + FROM * channel;
    const bnorm_desc copied = bnorm_image(BNORM_BF16, layout, BATCH, CHANNELS, PIXELS);
    bnorm_desc in_place = copied;

    in_place.x_stride = all;
    in_place.dx_stride = row;
    forward_and_backward(&in_place, first, y[0], dx[0]);

    for (size_t i = 0; i < rows; i++) memcpy(slice + i * row, first + i * all, row * sizeof *slice);
    forward_and_backward(&copied, slice, y[1], dx[1]);
    return memcmp(y[0], y[1], sizeof y[0]) == 0 && memcmp(dx[0], dx[1], sizeof dx[0]) == 0;
}

int main(void)
{
    uint64_t random = 1;

    fill(array, sizeof array / sizeof *array, &random);
    fill(dy, sizeof dy / sizeof *dy, &random);
    const bool last = same(BNORM_CHANNELS_LAST), first = same(BNORM_CHANNELS_FIRST);
    printf("%d of %d channels in bfloat16, y begins with %g: last %s, first %s\n", CHANNELS, ALL,
           (double)float_of(y[0][0]), last ? "as of a copy" : "OTHER BITS", first ? "as of a copy" : "OTHER BITS");
    return last && first ? EXIT_SUCCESS : EXIT_FAILURE;
}
