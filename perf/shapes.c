#include "shapes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *shape_text(const shape *s, char text[64])
{
    if (s->image)
        snprintf(text, 64, "%zux%zux%zux%zu", s->n, s->h, s->w, s->c);
    else
        snprintf(text, 64, "%zux%zu", s->n, s->c);
    return text;
}

static void append(shape_list *list, shape s)
{
    list->items = realloc(list->items, (list->count + 1) * sizeof s);
    if (!list->items) abort();
    list->items[list->count++] = s;
}

static bool parse(const char *text, shape *s)
{
    size_t d[4];
    int used = 0;
    if (sscanf(text, "%zux%zux%zux%zu%n", &d[0], &d[1], &d[2], &d[3], &used) == 4 && !text[used])
        *s = (shape){true, false, d[0], d[1], d[2], d[3]};
    else if (sscanf(text, "%zux%zu%n", &d[0], &d[1], &used) == 2 && !text[used])
        *s = (shape){false, false, d[0], 1, 1, d[1]};
    else
        return false;
    return shape_elements(s) > s->c; /* a feature of one value has no variance */
}

/* From small work, where a call's overhead counts, to arrays beyond any cache; powers of two and not; narrow and wide.
 * ResNet-50 at batch 50: the sizes of the activations that its batch norms see. Midsize: x of 1 to 2 MB, narrow to
 * wide, which just pays for a second thread. Networks: of one image to 128, layers of MobileNetV2 (M. Sandler et al.,
 * 2018), EfficientNet-B3 (M. Tan, Q. Le, 2019), Inception v3 (C. Szegedy et al., 2016), VGG-16 (K. Simonyan, A.
 * Zisserman, 2015) and ResNet-20 for images of 32 x 32 (K. He et al., 2016). */
static bool add_suite(shape_list *list, const char *name)
{
    if (!strcmp(name, "matrices"))
        return shapes_add(list, "200x3,32x128,256x1024,4096x512,1000x1000,1024x4096,8192x4096,65536x64,1048576x16,"
                                "100x30000");
    if (!strcmp(name, "resnet50"))
        return shapes_add(list, "50x112x112x64,50x56x56x256,50x56x56x64,50x28x28x512,50x28x28x128,50x14x14x1024,"
                                "50x14x14x256,50x7x7x2048,50x7x7x512");
    if (!strcmp(name, "midsize"))
        return shapes_add(list, "65536x4,16384x20,4096x64,4096x100,1000x400,512x1000,256x1024,100x3000,32x16384");
    if (!strcmp(name, "networks"))
        return shapes_add(list, "1x112x112x32,1x56x56x144,1x28x28x192,1x14x14x576,1x7x7x1280,32x56x56x24,32x28x28x192,"
                                "32x14x14x96,32x7x7x320,8x75x75x192,8x38x38x288,8x19x19x816,8x10x10x1536,32x35x35x96,"
                                "32x17x17x192,32x8x8x384,8x224x224x64,8x56x56x256,8x14x14x512,128x32x32x16,"
                                "128x16x16x32,128x8x8x64");
    if (!strcmp(name, "prototype")) return shapes_add(list, "256x1024,4096x512,1024x4096,8192x4096,65536x64,262144x64");
    return false;
}

bool shapes_add(shape_list *list, const char *text)
{
    char *copy = strdup(text), *rest = NULL;
    if (!copy) abort();
    bool good = true;
    for (char *word = strtok_r(copy, ",", &rest); word && good; word = strtok_r(NULL, ",", &rest)) {
        shape s;
        if (parse(word, &s))
            append(list, s);
        else
            good = add_suite(list, word);
    }
    free(copy);
    return good;
}

void shapes_finish(shape_list *list)
{
    free(list->items);
    *list = (shape_list){0};
}
