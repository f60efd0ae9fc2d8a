/* SPDX-License-Identifier: MIT */
#include "fuzz.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <voicestand/dsp.h>

#include "base/base.h"

const struct fuzz_entry fuzz_entries[] = {{"wav_header", fuzz_wav_header},
                                          {"pipe_wav", fuzz_pipe_wav},
                                          {"pipe_raw", fuzz_pipe_raw},
                                          {"wav_both", fuzz_wav_both},
                                          {"file", fuzz_file_reader},
                                          {"ledger", fuzz_ledger},
                                          {"jsonl", fuzz_jsonl},
                                          {"captions", fuzz_captions},
                                          {"weights", fuzz_weights},
                                          {"replay", fuzz_replay},
                                          {"places", fuzz_places},
                                          {"stream", fuzz_stream},
                                          {"segmenter", fuzz_segmenter},
                                          {"ring", fuzz_ring},
                                          {"resampler", fuzz_resampler},
                                          {"wyoming", fuzz_wyoming},
                                          {"wyoming_wire", fuzz_wyoming_wire},
                                          {"command_line", fuzz_command_line},
                                          {"typed", fuzz_typed},
                                          {"phrases", fuzz_phrases},
                                          {"control", fuzz_control},
                                          {NULL, NULL}};

uint8_t fuzz_u8(struct fuzz *f)
{
    if (f->left == 0)
        return 0;
    f->left--;
    return *f->at++;
}

uint32_t fuzz_u32(struct fuzz *f)
{
    uint32_t x = 0;

    for (int i = 0; i < 4; i++)
        x |= (uint32_t)fuzz_u8(f) << 8 * i;
    return x;
}

uint32_t fuzz_range(struct fuzz *f, uint32_t low, uint32_t high)
{
    uint32_t x = high - low > 255 ? fuzz_u32(f) : fuzz_u8(f);

    return low + x % (high - low + 1);
}

char *fuzz_string(struct fuzz *f)
{
    char *text = malloc(f->left + 1);

    memcpy(text, f->at, f->left);
    text[f->left] = 0;
    return text;
}

int fuzz_file(struct fuzz *f)
{
    int fd = memfd_create("fuzz", MFD_CLOEXEC);

    FUZZ_CHECK(fd >= 0 && write(fd, f->at, f->left) == (ssize_t)f->left);
    FUZZ_CHECK(lseek(fd, 0, SEEK_SET) == 0);
    return fd;
}

void fuzz_memory(const struct fuzz *f)
{
    vs__alloc_fail_after(f ? f->alloc_fail : 0);
}

void fuzz_run(const struct fuzz_entry *entry, const uint8_t *data, size_t size)
{
    static const char *const levels[] = {NULL, "c", "sse2", "avx2", "avx512", "neon"};
    /* A copy, so that a read behind its end is found. */
    uint8_t *copy = malloc(size ? size : 1);
    struct fuzz f = {copy, size, 0, NULL};
    unsigned flags;

    memcpy(copy, data, size);
    f.alloc_fail = fuzz_u8(&f);
    f.cpu = levels[fuzz_u8(&f) % VS__COUNT(levels)];
    if (vs_cpu_parse(f.cpu, &flags) < 0)
        f.cpu = NULL; /* this machine has no such level */
    entry->run(&f);
    fuzz_memory(NULL);
    free(copy);
}
