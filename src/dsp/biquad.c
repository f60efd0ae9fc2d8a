/* SPDX-License-Identifier: MIT */
/* The responses of a section, found by running it sample by sample. */
#include "dsp/biquad.h"

#include <string.h>

enum { BLOCK = VS__BIQUAD_BLOCK };

static void run_section(const struct vs__biquad_numbers *s, const double *in, double *z,
                        double *out)
{
    for (int i = 0; i < BLOCK; i++) {
        out[i] = s->b0 * in[i] + z[0];
        z[0] = (s->b1 * in[i] + z[1]) - s->a1 * out[i];
        z[1] = s->b2 * in[i] - s->a2 * out[i];
    }
}

void vs__biquads_init(struct vs__biquads *f, const struct vs__biquad_numbers *numbers,
                      uint32_t count)
{
    memset(f, 0, sizeof(*f));
    f->count = count;
    for (uint32_t i = 0; i < count; i++) {
        struct vs__biquad *s = &f->section[i];
        for (int k = 0; k < BLOCK; k++) {
            double in[BLOCK] = {0};
            in[k] = 1;
            run_section(&numbers[i], in, s->input_next[k], s->input[k]);
        }
        for (int k = 0; k < 2; k++) {
            const double in[BLOCK] = {0};
            s->state_next[k][k] = 1;
            run_section(&numbers[i], in, s->state_next[k], s->state[k]);
        }
    }
}

void vs__biquads_reset(struct vs__biquads *f)
{
    for (uint32_t i = 0; i < f->count; i++)
        f->section[i].z[0] = f->section[i].z[1] = 0;
    memset(f->part, 0, sizeof(f->part));
    f->filled = 0;
}
