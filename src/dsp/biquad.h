/* SPDX-License-Identifier: MIT */
/* Sections of the second order in series, eight samples at a time.

   A section is linear, so its next eight outputs are a sum of ten fixed responses: one for each of
   the two numbers it remembers and one for each of the eight inputs. The two numbers after these
   eight are such a sum as well. Only that last one is a chain from block to block, so sections run
   several times as fast as sample by sample. Blocks lie on a grid that begins at the first sample
   after a reset. One that is cut by the end of a call is computed again from its start when more
   comes, with zeros for what is not there yet, which add nothing: so any split gives the same bits.
   Inputs must be finite. */
#ifndef VS_SRC_DSP_BIQUAD_H
#define VS_SRC_DSP_BIQUAD_H

#include <stddef.h>
#include <stdint.h>

#define VS__BIQUAD_BLOCK    8
#define VS__BIQUAD_SECTIONS 2 /* most in series */

/** out = b0 in + z1; z1 = b1 in - a1 out + z2; z2 = b2 in - a2 out. */
struct vs__biquad_numbers {
    double b0, b1, b2, a1, a2;
};

/** What never changes of a section, so that many filters may share it. */
struct vs__biquad {
    _Alignas(64) double input[VS__BIQUAD_BLOCK][VS__BIQUAD_BLOCK]; /**< outputs by input k */
    double state[2][VS__BIQUAD_BLOCK];                             /**< outputs by z1, z2 */
    double input_next[VS__BIQUAD_BLOCK][2]; /**< z1, z2 after the block by input k */
    double state_next[2][2];                /**< and by z1, z2 before it */
};

struct vs__biquads {
    const struct vs__biquad *section; /**< the owner's; `count` of them */
    double z[VS__BIQUAD_SECTIONS][2]; /**< of each at the start of the block */
    double part[VS__BIQUAD_BLOCK];    /**< inputs of a block that is not full, then zeros */
    uint32_t count;
    uint32_t filled; /**< of `part` */
};

void vs__biquad_init(struct vs__biquad *s, const struct vs__biquad_numbers *numbers);
/** @param sections stay the caller's. @param count 1..VS__BIQUAD_SECTIONS */
void vs__biquads_init(struct vs__biquads *f, const struct vs__biquad *sections, uint32_t count);
/** As after init. */
void vs__biquads_reset(struct vs__biquads *f);

#endif
