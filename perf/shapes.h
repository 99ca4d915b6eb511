/* Shapes by name, and the suites. */
#ifndef SHAPES_H
#define SHAPES_H

#include <stdbool.h>
#include <stddef.h>

typedef struct shape {
    bool image;          /* N x H x W x C; otherwise a matrix, whose rows are n, and h = w = 1 */
    bool channels_first; /* of an image: how it lies in memory, N x C x H x W; it is named N x H x W x C all the same */
    size_t n, h, w, c;
} shape;

typedef struct shape_list {
    shape *items;
    size_t count;
} shape_list;

static inline size_t shape_rows(const shape *s) { return s->n * s->h * s->w; }
static inline size_t shape_elements(const shape *s) { return shape_rows(s) * s->c; }

/* "4096x512" or "50x28x28x512"; returns text. */
const char *shape_text(const shape *s, char text[64]);

/* Adds a comma-separated list of shapes and suites ("matrices", "resnet50" ...). False where a word is neither. */
bool shapes_add(shape_list *list, const char *text);
void shapes_finish(shape_list *list);

#endif
