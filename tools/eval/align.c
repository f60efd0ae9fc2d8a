/* SPDX-License-Identifier: MIT */
/* The fewest errors between two lists of words: Levenshtein (1965), by the table of Wagner and
   Fischer (1974). */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "eval/words.h"

enum step { STEP_RIGHT, STEP_SUBSTITUTED, STEP_DELETED, STEP_INSERTED };

/* Fill the step that leads to each pair of lengths, row by row. */
static void fill(const struct words *a, const struct words *b, uint32_t *row, uint8_t *steps)
{
    size_t width = b->count + 1;

    for (size_t j = 0; j < width; j++) {
        row[j] = (uint32_t)j;
        steps[j] = STEP_INSERTED;
    }
    for (size_t i = 1; i <= a->count; i++) {
        uint32_t diagonal = row[0];

        row[0] = (uint32_t)i;
        steps[i * width] = STEP_DELETED;
        for (size_t j = 1; j < width; j++) {
            bool same = strcmp(a->word[i - 1], b->word[j - 1]) == 0;
            uint32_t best = diagonal + !same;
            uint8_t step = same ? STEP_RIGHT : STEP_SUBSTITUTED;

            if (row[j] + 1 < best) {
                best = row[j] + 1;
                step = STEP_DELETED;
            }
            if (row[j - 1] + 1 < best) {
                best = row[j - 1] + 1;
                step = STEP_INSERTED;
            }
            diagonal = row[j];
            row[j] = best;
            steps[i * width + j] = step;
        }
    }
}

static struct errors count(const uint8_t *steps, size_t i, size_t j)
{
    struct errors e = {.words = i};
    size_t width = j + 1;

    while (i > 0 || j > 0) {
        uint8_t step = steps[i * width + j];

        e.substituted += step == STEP_SUBSTITUTED;
        e.deleted += step == STEP_DELETED;
        e.inserted += step == STEP_INSERTED;
        i -= step != STEP_INSERTED;
        j -= step != STEP_DELETED;
    }
    return e;
}

int words_align(const struct words *reference, const struct words *heard, struct errors *ret)
{
    size_t width = heard->count + 1;

    if (reference->count + 1 > (size_t)INT32_MAX / width)
        return -E2BIG;
    uint32_t *row = malloc(width * sizeof(*row));
    uint8_t *steps = malloc((reference->count + 1) * width);
    int status = row != NULL && steps != NULL ? 0 : -ENOMEM;

    if (status == 0) {
        fill(reference, heard, row, steps);
        *ret = count(steps, reference->count, heard->count);
    }
    free(row);
    free(steps);
    return status;
}
