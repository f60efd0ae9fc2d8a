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
                                          {"manifest", fuzz_manifest},
                                          {"engine", fuzz_engine},
                                          {"http_reply", fuzz_http_reply},
                                          {"form", fuzz_form},
                                          {"figures", fuzz_figures},
                                          {"state", fuzz_state},
                                          {"kept", fuzz_kept},
                                          {"resume", fuzz_resume},
                                          {"journal", fuzz_journal},
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
    static int fd = -1;

    if (fd < 0)
        fd = memfd_create("fuzz", MFD_CLOEXEC);
    FUZZ_CHECK(fd >= 0 && ftruncate(fd, (off_t)f->left) == 0);
    FUZZ_CHECK(pwrite(fd, f->at, f->left, 0) == (ssize_t)f->left);
    FUZZ_CHECK(lseek(fd, 0, SEEK_SET) == 0);
    return fd;
}

static char said[1 << 16];
static FILE *said_to, *shown;

void fuzz_listen(void)
{
    if (!said_to) {
        said_to = fmemopen(said, sizeof(said), "w");
        FUZZ_CHECK(said_to);
    }
    rewind(said_to);
    shown = stderr;
    stderr = said_to;
}

size_t fuzz_heard(const char **ret)
{
    stderr = shown;
    fflush(said_to);
    *ret = said;
    return (size_t)ftell(said_to);
}

void fuzz_memory(const struct fuzz *f)
{
    vs__alloc_fail_after(f ? f->alloc_fail : 0);
}

void fuzz_run(const struct fuzz_entry *entry, const uint8_t *data, size_t size)
{
    static const char *levels[] = {NULL, "c", "sse2", "avx2", "avx512", "neon"};
    static bool looked; /* to ask the processor takes longer than most targets */
    /* A copy, so that a read behind its end is found. */
    uint8_t *copy = malloc(size ? size : 1);
    struct fuzz f = {copy, size, 0, NULL};
    unsigned flags;

    for (size_t i = 0; !looked && i < VS__COUNT(levels); i++)
        if (vs_cpu_parse(levels[i], &flags) < 0)
            levels[i] = NULL; /* this machine has no such level */
    looked = true;
    memcpy(copy, data, size);
    f.alloc_fail = fuzz_u8(&f);
    f.cpu = levels[fuzz_u8(&f) % VS__COUNT(levels)];
    entry->run(&f);
    fuzz_memory(NULL);
    free(copy);
}
