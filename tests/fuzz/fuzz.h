/* SPDX-License-Identifier: MIT */
/* Fuzz targets: each takes bytes and must come back, whatever they are. What it checks beyond that
   stands above it. The first two bytes of an input are set aside: which allocation fails (0 = none),
   and the level of kernels; the rest is the target's. */
#ifndef VS_TESTS_FUZZ_FUZZ_H
#define VS_TESTS_FUZZ_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define FUZZ_CHECK(x)                                                                              \
    ((x) ? (void)0 : (fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #x), abort()))

/** What is left of an input. */
struct fuzz {
    const uint8_t *at;
    size_t left;
    uint8_t alloc_fail;
    const char *cpu; /**< level of kernels, NULL = the best */
};

typedef void fuzz_target(struct fuzz *f);

struct fuzz_entry {
    const char *name;
    fuzz_target *run;
};
extern const struct fuzz_entry fuzz_entries[]; /**< the last has no name */

/** Take one number; 0 where nothing is left. */
uint8_t fuzz_u8(struct fuzz *f);
uint32_t fuzz_u32(struct fuzz *f);
/** A number from `low` to `high`. */
uint32_t fuzz_range(struct fuzz *f, uint32_t low, uint32_t high);
/** The rest as a string that ends where the memory does; free() it. */
char *fuzz_string(struct fuzz *f);
/** A file of the rest in memory, at its begin. @return its descriptor, the same for each input: not to be closed */
int fuzz_file(struct fuzz *f);
/** Keep what goes to standard error from here on, and end that. @return bytes at `ret`, up to 64 KiB of them */
void fuzz_listen(void);
size_t fuzz_heard(const char **ret);
/** Let the allocation that the input names fail, until fuzz_memory(NULL). */
void fuzz_memory(const struct fuzz *f);

fuzz_target fuzz_wav_header, fuzz_pipe_wav, fuzz_pipe_raw, fuzz_wav_both, fuzz_file_reader;
fuzz_target fuzz_ledger, fuzz_jsonl, fuzz_captions, fuzz_weights, fuzz_replay, fuzz_places;
fuzz_target fuzz_wyoming, fuzz_wyoming_wire;
fuzz_target fuzz_stream, fuzz_segmenter, fuzz_ring, fuzz_resampler;
fuzz_target fuzz_command_line, fuzz_typed, fuzz_phrases, fuzz_control;
fuzz_target fuzz_manifest, fuzz_engine, fuzz_http_reply, fuzz_form, fuzz_figures;
fuzz_target fuzz_state, fuzz_kept, fuzz_resume, fuzz_journal;

/** Run one target on one input. */
void fuzz_run(const struct fuzz_entry *entry, const uint8_t *data, size_t size);

#endif
