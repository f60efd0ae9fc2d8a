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

void vs__biquad_init(struct vs__biquad *s, const struct vs__biquad_numbers *numbers)
{
    memset(s, 0, sizeof(*s));
    for (int k = 0; k < BLOCK; k++) {
        double in[BLOCK] = {0};
        in[k] = 1;
        run_section(numbers, in, s->input_next[k], s->input[k]);
    }
    for (int k = 0; k < 2; k++) {
        const double in[BLOCK] = {0};
        s->state_next[k][k] = 1;
        run_section(numbers, in, s->state_next[k], s->state[k]);
    }
}

void vs__biquads_init(struct vs__biquads *f, const struct vs__biquad *sections, uint32_t count)
{
    *f = (struct vs__biquads){.section = sections, .count = count};
}

void vs__biquads_reset(struct vs__biquads *f)
{
    vs__biquads_init(f, f->section, f->count);
}
