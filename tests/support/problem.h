/* All arrays of one description, filled with inputs, and the three calls on them under watch. */
#ifndef TESTS_PROBLEM_H
#define TESTS_PROBLEM_H

#include "array.h"

enum array_name {
    X,
    DY,
    GAMMA,
    BETA,
    Y,
    DX,
    DGAMMA,
    DBETA,
    RUNNING_MEAN,
    RUNNING_VAR,
    MEAN,
    INVSTD,
    WORKSPACE,
    ARRAYS
};

enum operation { TRAINING, INFERENCE, BACKWARD, OPERATIONS };

enum pattern { RANDOM, CONSTANT, OUTLIER_FIRST, OUTLIER_LAST, SORTED, ALTERNATING, CANCELLING, PATTERNS };
extern const char *const pattern_names[PATTERNS];

/* x = scale * (ratio of the column + pattern), where the pattern has a standard deviation of about 1. A ratio that half
 * cannot hold is 3e4 there; the values are the same in both layouts. */
struct input {
    enum pattern pattern;
    double scale;    /* 0 means 1 */
    double dy_scale; /* 0 means 1 */
    int ratio;       /* index into ratios of column 0; column c has index ratio + c, modulo RATIOS */
    bool one_ratio;  /* all columns have that of column 0 */
    bool special;    /* then a seventh of a column's values is one special value of its own: see problem.c */
};

/* |mean| / std, as the accuracy table has them; before x is rounded to 16 bits. */
enum { RATIOS = 5 };
extern const double ratios[RATIOS];

struct problem {
    bnorm_desc desc;
    bnorm_buffers buffers; /* tests may set pointers to NULL or elsewhere */
    struct array arrays[ARRAYS];
    size_t count;          /* M, values of a feature */
    enum array_name y, dx; /* the array that is written: X and DY in place */
};

/* Of gamma, beta, running statistics, dgamma, dbeta. */
bnorm_dtype parameter_type(bnorm_dtype type);

/* Elements that a stride steps over: C channels last, C * S channels first. */
size_t dense_stride(const bnorm_desc *desc);

/* Arrays of the strides of `desc`, each `shift` elements off a 64-byte boundary, without a workspace. */
struct problem problem_make(const bnorm_desc *desc, size_t shift);
void problem_free(struct problem *problem);

void problem_fill(struct problem *problem, const struct input *input);

/* mean and invstd of x, in plain double: what backward computes is the formula on whatever bits it finds there. */
void problem_fill_saved_statistics(struct problem *problem);

void problem_y_in_place(struct problem *problem);  /* y == x */
void problem_dx_in_place(struct problem *problem); /* dx == dy */
void problem_give_workspace(struct problem *problem, size_t bytes, size_t shift);

void problem_save(struct problem *problem);
void problem_restore(struct problem *problem);               /* every array to what was saved */
void problem_check_unchanged(const struct problem *problem); /* every byte of every array */

bnorm_status call(enum operation operation, const bnorm_desc *desc, const bnorm_buffers *buffers);
const char *operation_name(enum operation operation);

/* Saves, calls, and checks that an error has written nothing, and success only elements of the call's outputs. */
bnorm_status problem_run(struct problem *problem, enum operation operation);

void describe_problem(const struct problem *problem, const struct input *input);

#endif
