/* SPDX-License-Identifier: MIT */
/* The `pocketsphinx` text engine: Debian's recogniser with its English model. The only file that
   includes its headers.

   A segment's first second is gathered before the search begins: its mean cepstrum sets the
   channel normalisation, so that a segment's text does not hang on the segments before it. */
#include <errno.h>
#include <math.h>
#include <pocketsphinx.h>
#include <pthread.h>
#include <setjmp.h>
#include <sphinxbase/cmn.h>
#include <sphinxbase/err.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <voicestand/backend.h>

#include "base/base.h"

#define DEFAULT_DIR   "/usr/share/pocketsphinx/model/en-us"
#define GATHER_FRAMES VS_RATE_HZ
/* One look at the hypothesis for so much new audio: finding it costs a walk over the lattice. */
#define PARTIAL_FRAMES (VS_RATE_HZ / 5)
#define CHUNK_FRAMES   (VS_RATE_HZ / 10)
#define MAX_CEPSTRA    64
#define TEXT_BYTES     65536
#define MAX_WORDS      2048 /* more than is said in a segment of ten minutes */
#define HOPS_PER_S     100.0

struct sphinx {
    const struct vs_log *log;
    cmd_ln_t *config;
    ps_decoder_t *decoder;
    fe_t *front;       /* for the channel normalisation */
    bool is_open;      /* between ps_start_utt() and ps_end_utt() */
    bool is_gathering; /* the search has not begun */
    _Atomic bool is_cancelled;
    size_t gathered, since_look, heard; /* frames */
    int16_t first[GATHER_FRAMES];
    char text[TEXT_BYTES];
    struct vs_word words[MAX_WORDS];
    char spelled[TEXT_BYTES]; /* their texts */
};

/* messages ---------------------------------------------------------------------------------- */

/* Its messages have no owner but the thread that it works on. Where it would end the process for a
   damaged model, control goes back to `escape` instead. */
static _Thread_local const struct vs_log *current_log;
static _Thread_local jmp_buf *escape;

__attribute__((format(printf, 3, 4))) static void take_message(void *user, err_lvl_t level,
                                                               const char *format, ...)
{
    char line[400];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    line[strcspn(line, "\n")] = '\0';
    if (line[0]) {
        vs__log(current_log, VS_LOG_DEBUG, "stt", "pocketsphinx: %s", line);
    }
    if (level == ERR_FATAL && escape) {
        longjmp(*escape, 1);
    }
}

static void take_messages(void)
{
    err_set_logfp(NULL); /* its list of settings goes there past the callback */
    err_set_callback(take_message, NULL);
}

/* opening ----------------------------------------------------------------------------------- */

struct model {
    char acoustic[512], language[512], words[512];
};

static bool has_file(const char *folder, const char *name)
{
    char path[600];

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    return access(path, R_OK) == 0;
}

/* A folder as Debian's: LANGUAGE/{LANGUAGE/mdef, LANGUAGE.lm.bin, cmudict-LANGUAGE.dict}. */
static int find_model(const struct sphinx *s, const char *folder, struct model *ret)
{
    char base[256];
    size_t length = strlen(folder);

    while (length > 1 && folder[length - 1] == '/') {
        length--;
    }
    size_t start = length;
    while (start > 0 && folder[start - 1] != '/') {
        start--;
    }
    if (length >= 400 || length - start >= 100) {
        return -ENAMETOOLONG;
    }
    snprintf(base, sizeof(base), "%.*s", (int)(length - start), folder + start);
    snprintf(ret->acoustic, sizeof(ret->acoustic), "%.*s/%s", (int)length, folder, base);
    snprintf(ret->language, sizeof(ret->language), "%.*s/%s.lm.bin", (int)length, folder, base);
    snprintf(ret->words, sizeof(ret->words), "%.*s/cmudict-%s.dict", (int)length, folder, base);
    if (has_file(ret->acoustic, "mdef") && access(ret->language, R_OK) == 0 &&
        access(ret->words, R_OK) == 0) {
        return 0;
    }
    vs__log(s->log, VS_LOG_ERROR, "stt",
            strcmp(folder, DEFAULT_DIR) == 0
                ? "no English model in %s: install pocketsphinx-en-us"
                : "no model in %s: it needs NAME/mdef, NAME.lm.bin and cmudict-NAME.dict, with "
                  "NAME that of the folder",
            folder);
    return -ENOENT;
}

/* Silence is kept and noise not subtracted: segments are cut to speech already, and what its own
   detector would throw away are soft consonants. Nothing is mapped: a file that is cut
   short is then found here and does not kill the process later. */
static int load(struct sphinx *s, const struct model *model)
{
    jmp_buf here;

    escape = &here;
    if (setjmp(here) != 0) {
        escape = NULL;
        s->decoder = NULL; /* half built: what it holds is lost */
        s->front = NULL;
        s->config = NULL;
        return -EBADMSG;
    }
    s->config = cmd_ln_init(NULL, ps_args(), TRUE, "-hmm", model->acoustic, "-lm", model->language,
                            "-dict", model->words, "-remove_noise", "no", "-remove_silence", "no",
                            "-mmap", "no", NULL);
    s->decoder = s->config ? ps_init(s->config) : NULL;
    s->front = s->decoder ? fe_init_auto_r(s->config) : NULL;
    escape = NULL;
    if (!s->front || fe_get_output_size(s->front) > MAX_CEPSTRA) {
        return -EBADMSG;
    }
    return 0;
}

static int open_sphinx(void *state, const struct vs_stt_params *params)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct sphinx *s = state;
    struct model model;
    const char *folder = params->argument && params->argument[0] ? params->argument : DEFAULT_DIR;

    s->log = &params->env->log;
    int status = find_model(s, folder, &model);
    if (status != 0) {
        return status;
    }
    pthread_once(&once, take_messages);
    current_log = s->log;
    status = load(s, &model);
    current_log = NULL;
    if (status != 0) {
        vs__log(s->log, VS_LOG_ERROR, "stt", "the model in %s is damaged: install it again",
                folder);
    }
    return status;
}

/* hearing ----------------------------------------------------------------------------------- */

static int begin_sphinx(void *state, uint64_t segment)
{
    struct sphinx *s = state;

    current_log = s->log;
    if (s->is_open) {
        ps_end_utt(s->decoder);
        s->is_open = false;
    }
    s->is_cancelled = false;
    s->is_gathering = true;
    s->gathered = 0;
    s->since_look = 0;
    s->heard = 0;
    s->text[0] = '\0';
    s->is_open = ps_start_utt(s->decoder) == 0;
    return s->is_open ? 0 : -EIO;
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

static int search(struct sphinx *s, const int16_t *audio, size_t frames)
{
    for (size_t at = 0; at < frames && !s->is_cancelled; at += CHUNK_FRAMES) {
        size_t count = VS__MIN(frames - at, (size_t)CHUNK_FRAMES);
        if (ps_process_raw(s->decoder, audio + at, count, FALSE, FALSE) < 0) {
            return -EIO;
        }
    }
    s->since_look += frames;
    return s->is_cancelled ? -ECANCELED : 0;
}

static int search_gathered(struct sphinx *s)
{
    s->is_gathering = false;
    normalise(s);
    return search(s, s->first, s->gathered);
}

static int16_t to_s16(float sample)
{
    float scaled = sample * 32768.0f;

    scaled = scaled > 32767.0f ? 32767.0f : scaled;
    scaled = scaled > -32768.0f ? scaled : -32768.0f; /* also NaN */
    return (int16_t)lrintf(scaled);
}

static int take(struct sphinx *s, const float *audio, size_t frames)
{
    int16_t chunk[CHUNK_FRAMES];

    for (size_t i = 0; i < frames; i++) {
        chunk[i] = to_s16(audio[i]);
    }
    s->heard += frames;
    if (!s->is_gathering) {
        return search(s, chunk, frames);
    }
    size_t room = VS__MIN(GATHER_FRAMES - s->gathered, frames);
    memcpy(s->first + s->gathered, chunk, room * sizeof(*chunk));
    s->gathered += room;
    if (s->gathered < GATHER_FRAMES) {
        return 0;
    }
    int status = search_gathered(s);
    return status == 0 && room < frames ? search(s, chunk + room, frames - room) : status;
}

/* Copy the hypothesis so far. @return true if it is another one. */
static bool look(struct sphinx *s)
{
    const char *words = ps_get_hyp(s->decoder, NULL);

    words = words ? words : "";
    if (strcmp(words, s->text) == 0 || strlen(words) >= sizeof(s->text)) {
        return false;
    }
    strcpy(s->text, words);
    return true;
}

static int feed_sphinx(void *state, const float *audio, size_t frames)
{
    struct sphinx *s = state;
    int status = s->is_open ? 0 : -EINVAL;

    current_log = s->log;
    for (size_t at = 0; status == 0 && at < frames; at += CHUNK_FRAMES) {
        status = s->is_cancelled ? -ECANCELED
                                 : take(s, audio + at, VS__MIN(frames - at, (size_t)CHUNK_FRAMES));
    }
    if (status == 0 && s->since_look >= PARTIAL_FRAMES) {
        s->since_look = 0;
        status = look(s);
    }
    return status;
}

static int partial_sphinx(void *state, const char **ret)
{
    struct sphinx *s = state;

    *ret = s->text;
    return 0;
}

static int finish_sphinx(void *state, const char **ret)
{
    struct sphinx *s = state;
    int status = s->is_open ? 0 : -EINVAL;

    current_log = s->log;
    if (s->is_cancelled) {
        status = -ECANCELED;
    } else if (status == 0 && s->is_gathering && s->gathered > 0) {
        status = search_gathered(s);
    }
    if (s->is_open) {
        s->is_open = false;
        if (ps_end_utt(s->decoder) < 0 && status == 0) {
            status = -EIO;
        }
    }
    if (status == 0 && s->gathered > 0) {
        look(s);
    }
    if (status == 0) {
        *ret = s->text;
    }
    return status;
}

/* "read(2)" is another way to say "read"; "<sil>", "[NOISE]" and "++UM++" are no words.
   @return its length, 0 = no word */
static size_t spell(const char *word)
{
    size_t length = strcspn(word, "(");

    return strchr("<[+", word[0]) ? 0 : length;
}

static int words_sphinx(void *state, const struct vs_word **ret)
{
    struct sphinx *s = state;
    double end_s = (double)s->heard / VS_RATE_HZ; /* its last window reaches beyond the audio */
    size_t used = 0;
    int count = 0,
        begin = -1; /* it counts on from utterance to utterance; the first part begins one */

    current_log = s->log;
    for (ps_seg_t *at = ps_seg_iter(s->decoder); at; at = ps_seg_next(at)) {
        const char *word = ps_seg_word(at);
        size_t length = word ? spell(word) : 0;
        int first, last;
        ps_seg_frames(at, &first, &last);
        begin = begin < 0 ? first : begin;
        if (length == 0 || count == MAX_WORDS || used + length + 1 > sizeof(s->spelled)) {
            continue;
        }
        memcpy(s->spelled + used, word, length);
        s->spelled[used + length] = '\0';
        s->words[count++] =
            (struct vs_word){s->spelled + used, VS__MIN((first - begin) / HOPS_PER_S, end_s),
                             VS__MIN((last + 1 - begin) / HOPS_PER_S, end_s)};
        used += length + 1;
    }
    *ret = s->words;
    return count;
}

static void cancel_sphinx(void *state)
{
    struct sphinx *s = state;

    s->is_cancelled = true;
}

static void close_sphinx(void *state)
{
    struct sphinx *s = state;

    current_log = s->log;
    if (s->is_open) {
        ps_end_utt(s->decoder);
    }
    if (s->front) {
        fe_free(s->front);
    }
    if (s->decoder) {
        ps_free(s->decoder);
    }
    if (s->config) {
        cmd_ln_free_r(s->config);
    }
    current_log = NULL;
}

static const struct vs_stt_ops POCKETSPHINX = {
    .abi = VS_BACKEND_ABI,
    .name = "pocketsphinx",
    .description = "English by PocketSphinx, on the processor, without a download",
    .state_size = sizeof(struct sphinx),
    .open = open_sphinx,
    .begin = begin_sphinx,
    .feed = feed_sphinx,
    .partial = partial_sphinx,
    .finish = finish_sphinx,
    .cancel = cancel_sphinx,
    .close = close_sphinx,
    .words = words_sphinx,
};

extern const struct vs_module vs_module_entry;
VS_API const struct vs_module vs_module_entry = {.abi = VS_BACKEND_ABI, .stt = &POCKETSPHINX};
