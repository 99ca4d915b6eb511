/* One call, made from the fuzzer's bytes: a description, its arrays somewhere in one arena, over each other or not,
 * what is in them, and what is wrong with the arguments. */
#ifndef TESTS_FUZZ_SCENE_H
#define TESTS_FUZZ_SCENE_H

#include "../support/problem.h"
#include "bytes.h"

enum way { PLAIN, LAYER, PARTS, WAYS }; /* of making the call */

struct scene {
    enum operation operation;
    enum way way;
    struct problem problem; /* the arrays are views of the arena */
    bnorm_desc asked;       /* the description that the call gets: the problem's, or one with faults */
    bool large;             /* for several threads: too many values for the reference */
    bool moved;             /* an array was laid over another, or beside its rows */
    bool faulty;            /* asked is not the problem's, or an array that is wanted is NULL */
    bool allocations_fail;
    size_t used; /* bytes of the arena */
    struct bytes rest;
};

struct scene scene_make(const uint8_t *data, size_t size);

/* The same call on the same values, in another arena: dense, nothing shared, one thread, memory of its own. */
struct problem scene_twin(const struct scene *scene);

/* Of what lies in the arena; arrays are compared with it afterwards. */
void scene_save(const struct scene *scene);

enum { MARGIN = 64, ARENA = 16 << 20 }; /* bytes before, between and after the arrays; for all of them */
unsigned char *scene_arena(void);
unsigned char *scene_saved(void);

/* The array of a call by name. */
const void *pointer_of(const bnorm_buffers *buffers, enum array_name name);

/* By the table of bnorm.h, in the order of array_name. */
bool call_writes(enum operation operation, enum array_name name);
bool call_uses(enum operation operation, enum array_name name);

void scene_print(const struct scene *scene);

#endif
