/* SPDX-License-Identifier: MIT */
/* The process in which Vosk runs. Its C interface is declared here, and its library looked for at run
   time: it is found in wheels and archives and not among a system's packages.

   vosk-host LIBRARY FOLDER */
#include <dlfcn.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "host/serve.h"
#include "modules/sandbox.h"

#define CHUNK_FRAMES (VS_RATE_HZ / 10)
#define TEXT_BYTES   65536
#define MAX_WORDS    2048

/* The library's own types are opaque. */
static struct {
    void (*vosk_set_log_level)(int level);
    void *(*vosk_model_new)(const char *path);
    void *(*vosk_recognizer_new)(void *model, float rate_hz);
    void (*vosk_recognizer_set_words)(void *recognizer, int on);
    int (*vosk_recognizer_accept_waveform_s)(void *recognizer, const short *pcm, int frames);
    const char *(*vosk_recognizer_result)(void *recognizer);
    const char *(*vosk_recognizer_partial_result)(void *recognizer);
    const char *(*vosk_recognizer_final_result)(void *recognizer);
    void (*vosk_recognizer_reset)(void *recognizer);
} call;

static struct vosk {
    void *recognizer;
    double base_s;         /* its clock runs on from segment to segment */
    size_t frames;         /* of the segment */
    char text[TEXT_BYTES]; /* of what is complete */
    char so_far[2 * TEXT_BYTES];
    struct vs_word words[MAX_WORDS];
    size_t word_count;
    char spelled[TEXT_BYTES]; /* their texts */
    size_t spelled_bytes;
} vosk;

/* loading ----------------------------------------------------------------------------------- */

static bool load_library(const char *path)
{
    void *library = dlopen(path[0] ? path : "libvosk.so", RTLD_NOW | RTLD_LOCAL);

    if (!library) {
        vs__serve_tell("missing", "vosk does not load: %s; library=… says where libvosk.so is",
                       dlerror());
        return false;
    }
#define FIND(name)                                                                                 \
    *(void **)&call.name = dlsym(library, #name);                                                  \
    if (!call.name) {                                                                              \
        vs__serve_tell("missing", "vosk lacks %s: it is too old, or another library", #name);      \
        return false;                                                                              \
    }
    FIND(vosk_set_log_level)
    FIND(vosk_model_new)
    FIND(vosk_recognizer_new)
    FIND(vosk_recognizer_set_words)
    FIND(vosk_recognizer_accept_waveform_s)
    FIND(vosk_recognizer_result)
    FIND(vosk_recognizer_partial_result)
    FIND(vosk_recognizer_final_result)
    FIND(vosk_recognizer_reset)
#undef FIND
    return true;
}

static bool load_model(const char *folder)
{
    call.vosk_set_log_level(-1); /* errors alone */
    void *model = call.vosk_model_new(folder);
    vosk.recognizer = model ? call.vosk_recognizer_new(model, (float)VS_RATE_HZ) : NULL;
    if (!vosk.recognizer) {
        vs__serve_tell("damaged", "%s: vosk cannot use this as a model", folder);
        return false;
    }
    call.vosk_recognizer_set_words(vosk.recognizer, 1);
    return true;
}

/* hearing ----------------------------------------------------------------------------------- */

static void add_word(struct vosk *v, const json_t *word)
{
    const char *text = json_string_value(json_object_get(word, "word"));
    size_t bytes = text ? strlen(text) + 1 : 0;

    if (bytes == 0 || v->word_count == MAX_WORDS || v->spelled_bytes + bytes > sizeof(v->spelled)) {
        return;
    }
    char *own = memcpy(v->spelled + v->spelled_bytes, text, bytes);
    v->spelled_bytes += bytes;
    v->words[v->word_count++] = (struct vs_word){
        own, VS__MAX(json_number_value(json_object_get(word, "start")) - v->base_s, 0.0),
        VS__MAX(json_number_value(json_object_get(word, "end")) - v->base_s, 0.0)};
}

static void append(char *to, size_t room, const char *text)
{
    size_t had = strlen(to);

    snprintf(to + had, room - had, "%s%s", had > 0 && text[0] ? " " : "", text);
}

/* A part of the segment that will not change any more. */
static void take_result(struct vosk *v, const char *json)
{
    json_t *result = json_loads(json, 0, NULL), *word;
    const char *text = json_string_value(json_object_get(result, "text"));
    size_t i;

    append(v->text, sizeof(v->text), text ? text : "");
    json_array_foreach(json_object_get(result, "result"), i, word)
    {
        add_word(v, word);
    }
    json_decref(result);
}

static bool begin(void *user)
{
    struct vosk *v = user;

    v->frames = v->word_count = v->spelled_bytes = 0;
    v->text[0] = v->so_far[0] = '\0';
    return true;
}

static bool feed(void *user, const float *audio, size_t frames)
{
    struct vosk *v = user;
    short pcm[CHUNK_FRAMES];

    for (size_t i = 0; i < frames; i++) {
        pcm[i] = (short)lrintf(audio[i] * 32768.0f); /* it was 16 bits on its way here */
    }
    int end = call.vosk_recognizer_accept_waveform_s(v->recognizer, pcm, (int)frames);
    v->frames += frames;
    if (end < 0) {
        return false;
    }
    if (end > 0) {
        take_result(v, call.vosk_recognizer_result(v->recognizer));
    }
    return true;
}

static const char *partial(void *user)
{
    struct vosk *v = user;
    json_t *result = json_loads(call.vosk_recognizer_partial_result(v->recognizer), 0, NULL);
    const char *text = json_string_value(json_object_get(result, "partial"));

    snprintf(v->so_far, sizeof(v->so_far), "%s", v->text);
    append(v->so_far, sizeof(v->so_far), text ? text : "");
    json_decref(result);
    return v->so_far;
}

static const char *finish(void *user)
{
    struct vosk *v = user;

    if (v->frames > 0) {
        take_result(v, call.vosk_recognizer_final_result(v->recognizer));
    }
    return v->text;
}

static size_t words(void *user, const struct vs_word **ret)
{
    const struct vosk *v = user;

    *ret = v->words;
    return v->word_count;
}

/* Also of a segment that nobody wants any more. */
static void end(void *user)
{
    struct vosk *v = user;

    call.vosk_recognizer_reset(v->recognizer);
    v->base_s += (double)v->frames / VS_RATE_HZ;
}

int main(int count, char **arguments)
{
    const struct vs__serve_engine engine = {&vosk, begin, feed, partial, finish, words, end};

    if (count != 3) {
        fprintf(stderr, "vosk-host is started by voicestand\n");
        return 2;
    }
    if (!load_library(arguments[1])) {
        return 1;
    }
    /* A model is read by Kaldi, to which the name of a file may as well be a command. */
    unsigned layers = vs__sandbox_engine((const char *const *)(void *)(arguments + 2));
    if (!load_model(arguments[2])) {
        return 1;
    }
    vs__serve_ready("Vosk", layers);
    return vs__serve(&engine);
}
