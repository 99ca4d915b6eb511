#include "array.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { GUARD = 256 };

const bnorm_layout all_layouts[LAYOUTS] = {BNORM_CHANNELS_LAST, BNORM_CHANNELS_FIRST};

const char *layout_name(bnorm_layout layout) { return layout == BNORM_CHANNELS_FIRST ? "first" : "last"; }

static void *checked(void *memory)
{
    if (!memory) abort();
    return memory;
}

static struct array make(bnorm_dtype type, size_t size, size_t rows, size_t columns, size_t run, size_t stride,
                         size_t shift)
{
    struct array a = {.type = type, .size = size, .rows = rows, .columns = columns, .run = run, .stride = stride};
    const size_t span = rows ? ((rows / run - 1) * stride + columns * run) * size : 0;
    a.bytes = (GUARD + shift * size + span + GUARD + 63) / 64 * 64;
    a.block = checked(aligned_alloc(64, a.bytes));
    a.saved = checked(malloc(a.bytes));
    a.elements = a.block + GUARD + shift * size;
    memset(a.block, 0xff, a.bytes);
    array_save(&a);
    return a;
}

struct array array_make(bnorm_dtype type, size_t rows, size_t columns, size_t run, size_t stride, size_t shift)
{
    return make(type, type_size(type), rows, columns, run, stride, shift);
}

struct array array_make_bytes(size_t bytes, size_t shift) { return make(BNORM_F32, 1, 1, bytes, 1, bytes, shift); }

void array_free(struct array *array)
{
    free(array->block);
    free(array->saved);
    memset(array, 0, sizeof *array);
}

size_t array_index(const struct array *array, size_t row, size_t column)
{
    if (array->run == 1) return row * array->stride + column;
    return row / array->run * array->stride + column * array->run + row % array->run;
}

double array_get(const struct array *array, size_t row, size_t column)
{
    return type_get(array->type, array->elements, array_index(array, row, column));
}

double array_get_saved(const struct array *array, size_t row, size_t column)
{
    return type_get(array->type, array->saved + (array->elements - array->block), array_index(array, row, column));
}

void array_put(struct array *array, size_t row, size_t column, double value)
{
    type_put(array->type, array->elements, array_index(array, row, column), value);
}

void array_save(struct array *array) { memcpy(array->saved, array->block, array->bytes); }

void array_restore(struct array *array) { memcpy(array->block, array->saved, array->bytes); }

bool array_unchanged(const struct array *array) { return memcmp(array->block, array->saved, array->bytes) == 0; }

bool array_unchanged_outside(const struct array *array)
{
    size_t from = 0;
    for (size_t group = 0; group < array->rows / array->run; group++) {
        const size_t start = (size_t)(array->elements - array->block) + group * array->stride * array->size;
        if (memcmp(array->block + from, array->saved + from, start - from) != 0) return false;
        from = start + array->columns * array->run * array->size;
    }
    return memcmp(array->block + from, array->saved + from, array->bytes - from) == 0;
}

static uint64_t element_bits(const struct array *array, size_t row, size_t column)
{
    const size_t index = array_index(array, row, column);
    uint64_t bits = 0;
    memcpy(&bits, array->elements + index * array->size, array->size);
    const bool nan = type_is_nan(array->type, array->elements, index);
    return nan ? UINT64_C(0x7ff8000000000000) : bits;
}

uint64_t array_digest(const struct array *array)
{
    uint64_t digest = UINT64_C(0xcbf29ce484222325);
    for (size_t row = 0; row < array->rows; row++)
        for (size_t column = 0; column < array->columns; column++) {
            digest = (digest ^ element_bits(array, row, column)) * UINT64_C(0x9e3779b97f4a7c15);
            digest ^= digest >> 29;
        }
    return digest;
}
