/* The images of digits.csv, and what the scores of a network say about them. */
#ifndef EXAMPLES_DATASET_H
#define EXAMPLES_DATASET_H

#include <stddef.h>

enum { PIXELS = 64, CLASSES = 10 }; /* 8 x 8 */

struct dataset {
    size_t rows;
    float *pixels; /* rows x PIXELS, 0 to 1 */
    int *digits;
};

/* Without rows, and with room for some. */
struct dataset dataset_create(size_t capacity);
void dataset_destroy(struct dataset *set);

/* Rows 0, 5, 10, ... are held out. Ends the program where the file is no such data. */
void read_digits(const char *path, struct dataset *training, struct dataset *held_out);

/* Rows of the next batch. One row alone has no variance, so a last row goes with the batch before it. */
size_t batch_rows(size_t batch, size_t left);

/* Fills batch->rows rows with those of the set that `order` names. */
void dataset_gather(struct dataset *batch, const struct dataset *set, const size_t *order);

/* Softmax and cross-entropy: returns the loss of all rows, and writes the gradient of their mean loss by the scores. */
double score_loss(const float *scores, const struct dataset *batch, float *gradient);

/* The digit of one row of scores. */
int likeliest(const float scores[CLASSES]);

#endif
