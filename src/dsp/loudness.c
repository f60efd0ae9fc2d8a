/* SPDX-License-Identifier: MIT */
/* Integrated loudness of ITU-R BS.1770, all channels alike: blocks of 400 ms that overlap by three quarters, an absolute
   gate and one relative to what passes it. Blocks are kept as a histogram, so that memory does not
   grow; its cells are narrower than what the measure is read to. */
#include <errno.h>
#include <math.h>

#include "base/base.h"
#include "dsp/level.h"

#define CHANNELS_MAX 32
#define QUARTERS     4 /* of a block */
#define GATE_LUFS    (-70.0)
#define RELATIVE_LU  (-10.0)
#define CELLS_PER_LU 20
#define CELLS        (90 * CELLS_PER_LU) /* from the gate to +20 LUFS */

struct vs_loudness {
    struct vs__weighting *weighting; /* one for each channel */
    uint32_t channels;
    uint32_t quarter_frames, in_quarter;
    double quarter[QUARTERS]; /* sums of squares; the last is being filled */
    uint64_t quarters;
    double sum[CELLS]; /* of the mean squares of a cell's blocks */
    uint64_t count[CELLS];
};

int vs_loudness_create(uint32_t rate_hz, uint32_t channels, vs_loudness **ret)
{
    if (!ret || rate_hz < 8000 || rate_hz > 192000 || channels < 1 || channels > CHANNELS_MAX)
        return -EINVAL;
    vs_loudness *l = vs__alloc(sizeof(*l));
    if (!l)
        return -ENOMEM;
    l->weighting = vs__alloc(channels * sizeof(*l->weighting));
    if (!l->weighting) {
        vs__free(l);
        return -ENOMEM;
    }
    for (uint32_t c = 0; c < channels; c++)
        vs__weighting_init(&l->weighting[c], rate_hz);
    l->channels = channels;
    l->quarter_frames = (rate_hz + 5) / 10;
    *ret = l;
    return 0;
}

static void end_quarter(vs_loudness *l)
{
    double sum = 0;

    l->in_quarter = 0;
    l->quarters++;
    for (size_t i = 0; i < QUARTERS; i++)
        sum += l->quarter[i];
    for (size_t i = 0; i + 1 < QUARTERS; i++)
        l->quarter[i] = l->quarter[i + 1];
    l->quarter[QUARTERS - 1] = 0;
    if (l->quarters < QUARTERS)
        return;
    double mean = sum / ((double)l->quarter_frames * QUARTERS), lufs = vs__loudness_of(mean);
    if (lufs < GATE_LUFS)
        return;
    size_t cell = (size_t)((lufs - GATE_LUFS) * CELLS_PER_LU);
    cell = VS__MIN(cell, (size_t)CELLS - 1);
    l->sum[cell] += mean;
    l->count[cell]++;
}

void vs_loudness_push(vs_loudness *l, const float *pcm, size_t frames)
{
    while (frames > 0) {
        size_t n = VS__MIN(frames, (size_t)(l->quarter_frames - l->in_quarter));
        for (uint32_t c = 0; c < l->channels; c++)
            l->quarter[QUARTERS - 1] +=
                vs__weighting_energy(&l->weighting[c], pcm + c, n, l->channels);
        l->in_quarter += (uint32_t)n;
        pcm += n * l->channels;
        frames -= n;
        if (l->in_quarter == l->quarter_frames)
            end_quarter(l);
    }
}

/* Mean of the blocks in cells from `first` on; 0 where there are none. */
static double mean_from(const vs_loudness *l, size_t first)
{
    double sum = 0;
    uint64_t count = 0;

    for (size_t i = first; i < CELLS; i++) {
        sum += l->sum[i];
        count += l->count[i];
    }
    return count ? sum / (double)count : 0;
}

double vs_loudness_integrated(const vs_loudness *l)
{
    double all = mean_from(l, 0);

    if (all <= 0)
        return GATE_LUFS;
    double gate = vs__loudness_of(all) + RELATIVE_LU - GATE_LUFS;
    size_t first = gate > 0 ? (size_t)(gate * CELLS_PER_LU + 0.5) : 0;
    return vs__loudness_of(mean_from(l, VS__MIN(first, (size_t)CELLS - 1)));
}

void vs_loudness_destroy(vs_loudness *l)
{
    if (!l)
        return;
    vs__free(l->weighting);
    vs__free(l);
}
