/* SPDX-License-Identifier: MIT */
/* The process in which PocketSphinx runs. The only file that includes its headers.

   A segment's first second is gathered before the search begins: its mean cepstrum sets the
   channel normalisation, so that a segment's text does not hang on the segments before it.

   pocketsphinx-host ACOUSTIC-MODEL LANGUAGE-MODEL DICTIONARY */
#include <math.h>
#include <pocketsphinx.h>
#include <sphinxbase/cmn.h>
#include <sphinxbase/err.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/base.h"
#include "host/serve.h"
#include "modules/sandbox.h"

#define GATHER_FRAMES VS_RATE_HZ
/* One look at the hypothesis for so much new audio: finding it costs a walk over the lattice. */
#define PARTIAL_FRAMES (VS_RATE_HZ / 5)
#define CHUNK_FRAMES   (VS_RATE_HZ / 10)
#define MAX_CEPSTRA    64
#define TEXT_BYTES     65536
#define MAX_WORDS      2048 /* more than is said in a segment of ten minutes */
#define HOPS_PER_S     100.0

static struct sphinx {
    cmd_ln_t *config;
    ps_decoder_t *decoder;
    fe_t *front;                        /* for the channel normalisation */
    bool is_open;                       /* between ps_start_utt() and ps_end_utt() */
    bool is_gathering;                  /* the search has not begun */
    size_t gathered, since_look, heard; /* frames */
    int16_t first[GATHER_FRAMES];
    char text[TEXT_BYTES];
    struct vs_word words[MAX_WORDS];
    char spelled[TEXT_BYTES]; /* their texts */
} sphinx;

/* What goes wrong is told by the module as the last thing that the process said. */
__attribute__((format(printf, 3, 4))) static void take_message(void *user, err_lvl_t level,
                                                               const char *format, ...)
{
    va_list arguments;

    (void)user;
    if (level >= ERR_ERROR) {
        va_start(arguments, format);
        vfprintf(stderr, format, arguments);
        va_end(arguments);
    }
}

/* Silence is kept and noise not subtracted: segments are cut to speech already, and what its own
   detector would throw away are soft consonants. Nothing is mapped: a file that is cut
   short is then found here and does not kill the process later. For some damage the library ends the
   process, which the module understands. */
static bool load(struct sphinx *s, char **models)
{
    err_set_logfp(NULL); /* its list of settings goes there past the callback */
    err_set_callback(take_message, NULL);
    s->config =
        cmd_ln_init(NULL, ps_args(), TRUE, "-hmm", models[0], "-lm", models[1], "-dict", models[2],
                    "-remove_noise", "no", "-remove_silence", "no", "-mmap", "no", NULL);
    s->decoder = s->config ? ps_init(s->config) : NULL;
    s->front = s->decoder ? fe_init_auto_r(s->config) : NULL;
    return s->front && fe_get_output_size(s->front) <= MAX_CEPSTRA;
}

/* hearing ----------------------------------------------------------------------------------- */

static bool begin(void *user)
{
    struct sphinx *s = user;

    s->is_gathering = true;
    s->gathered = 0;
    s->since_look = 0;
    s->heard = 0;
    s->text[0] = '\0';
    s->is_open = ps_start_utt(s->decoder) == 0;
    return s->is_open;
}

/* Set the channel normalisation to the mean of what was gathered; frames without energy (c0 < 0)
   do not count, as in the recogniser's own mean of a whole utterance. */
static void normalise(struct sphinx *s)
{
    mfcc_t mean[MAX_CEPSTRA] = {0};
    mfcc_t **cepstra = NULL;
    int32 frames = 0;
    int width = fe_get_output_size(s->front);
    int counted = 0;

    if (fe_start_utt(s->front) < 0 ||
        fe_process_utt(s->front, s->first, s->gathered, &cepstra, &frames) < 0) {
        return;
    }
    for (int32 f = 0; f < frames; f++) {
        if (cepstra[f][0] >= 0) {
            counted++;
            for (int i = 0; i < width; i++) {
                mean[i] += cepstra[f][i];
            }
        }
    }
    fe_free_2d(cepstra);
    if (counted > 0) {
        for (int i = 0; i < width; i++) {
            mean[i] /= (mfcc_t)counted;
        }
        cmn_live_set(ps_get_feat(s->decoder)->cmn_struct, mean);
    }
}

static bool search(struct sphinx *s, const int16_t *audio, size_t frames)
{
    for (size_t at = 0; at < frames; at += CHUNK_FRAMES) {
        size_t count = VS__MIN(frames - at, (size_t)CHUNK_FRAMES);
        if (ps_process_raw(s->decoder, audio + at, count, FALSE, FALSE) < 0) {
            return false;
        }
    }
    s->since_look += frames;
    return true;
}

static bool search_gathered(struct sphinx *s)
{
    s->is_gathering = false;
    normalise(s);
    return search(s, s->first, s->gathered);
}

static bool take(struct sphinx *s, const int16_t *audio, size_t frames)
{
    s->heard += frames;
    if (!s->is_gathering) {
        return search(s, audio, frames);
    }
    size_t room = VS__MIN(GATHER_FRAMES - s->gathered, frames);
    memcpy(s->first + s->gathered, audio, room * sizeof(*audio));
    s->gathered += room;
    if (s->gathered < GATHER_FRAMES) {
        return true;
    }
    return search_gathered(s) && (room == frames || search(s, audio + room, frames - room));
}

/* Copy the hypothesis so far. */
static void look(struct sphinx *s)
{
    const char *words = ps_get_hyp(s->decoder, NULL);

    words = words ? words : "";
    if (strlen(words) < sizeof(s->text)) {
        strcpy(s->text, words);
    }
}

static bool feed(void *user, const float *audio, size_t frames)
{
    struct sphinx *s = user;
    int16_t chunk[CHUNK_FRAMES];

    for (size_t i = 0; i < frames; i++) {
        chunk[i] = (int16_t)lrintf(audio[i] * 32768.0f); /* it was 16 bits on its way here */
    }
    if (!take(s, chunk, frames)) {
        return false;
    }
    if (s->since_look >= PARTIAL_FRAMES) {
        s->since_look = 0;
        look(s);
    }
    return true;
}

static const char *partial(void *user)
{
    const struct sphinx *s = user;

    return s->text;
}

static const char *finish(void *user)
{
    struct sphinx *s = user;
    bool is_well = !s->is_gathering || s->gathered == 0 || search_gathered(s);

    s->is_open = false;
    if (ps_end_utt(s->decoder) < 0 || !is_well) {
        return NULL;
    }
    if (s->gathered > 0) {
        look(s);
    }
    return s->text;
}

/* "read(2)" is another way to say "read"; "<sil>", "[NOISE]" and "++UM++" are no words.
   @return its length, 0 = no word */
static size_t spell(const char *word)
{
    size_t length = strcspn(word, "(");

    return strchr("<[+", word[0]) ? 0 : length;
}

static size_t words(void *user, const struct vs_word **ret)
{
    struct sphinx *s = user;
    double end_s = (double)s->heard / VS_RATE_HZ; /* its last window reaches beyond the audio */
    size_t used = 0;
    size_t count = 0;
    int start = -1; /* it counts on from utterance to utterance; the first part begins one */

    for (ps_seg_t *at = ps_seg_iter(s->decoder); at; at = ps_seg_next(at)) {
        const char *word = ps_seg_word(at);
        size_t length = word ? spell(word) : 0;
        int first, last;
        ps_seg_frames(at, &first, &last);
        start = start < 0 ? first : start;
        if (length == 0 || count == MAX_WORDS || used + length + 1 > sizeof(s->spelled)) {
            continue;
        }
        memcpy(s->spelled + used, word, length);
        s->spelled[used + length] = '\0';
        s->words[count++] =
            (struct vs_word){s->spelled + used, VS__MIN((first - start) / HOPS_PER_S, end_s),
                             VS__MIN((last + 1 - start) / HOPS_PER_S, end_s)};
        used += length + 1;
    }
    *ret = s->words;
    return count;
}

static void end(void *user)
{
    struct sphinx *s = user;

    if (s->is_open) {
        ps_end_utt(s->decoder);
        s->is_open = false;
    }
}

int main(int count, char **arguments)
{
    const struct vs__serve_engine engine = {&sphinx, begin, feed, partial, finish, words, end};

    if (count != 4) {
        fprintf(stderr, "pocketsphinx-host is started by voicestand\n");
        return 2;
    }
    unsigned layers = vs__sandbox_engine((const char *const *)(void *)(arguments + 1));
    if (!load(&sphinx, arguments + 1)) {
        vs__serve_tell("damaged", "%s", arguments[1]);
        return 1;
    }
    vs__serve_ready("PocketSphinx", layers);
    return vs__serve(&engine);
}
