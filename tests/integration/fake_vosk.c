/* SPDX-License-Identifier: MIT */
/* A library in Vosk's place that hears a word in each second. The loudest sample makes it crash. What a model has in a file
   `attack` is done while it loads, as by one that took the library over; what gets through is told by "no model". */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define SECOND 16000
#define EXPORT __attribute__((visibility("default")))

EXPORT void vosk_set_log_level(int level);
EXPORT void *vosk_model_new(const char *path);
EXPORT void *vosk_recognizer_new(void *model, float rate_hz);
EXPORT void vosk_recognizer_set_words(void *recognizer, int on);
EXPORT void vosk_recognizer_reset(void *recognizer);
EXPORT int vosk_recognizer_accept_waveform_s(void *recognizer, const short *pcm, int frames);
EXPORT const char *vosk_recognizer_result(void *recognizer);
EXPORT const char *vosk_recognizer_partial_result(void *recognizer);
EXPORT const char *vosk_recognizer_final_result(void *recognizer);

static long heard, before; /* frames of the segment, and of those before */
static char text[4000];

static int attack(const char *what)
{
    if (strcmp(what, "open") == 0)
        return fopen("/etc/passwd", "r") != NULL;
    if (strcmp(what, "write") == 0)
        return fopen("/tmp/voicestand-planted", "w") != NULL;
    if (strcmp(what, "run") == 0)
        return popen("true", "r") != NULL;
    if (strcmp(what, "connect") == 0)
        return socket(AF_INET, SOCK_STREAM, 0) >= 0;
    return 0;
}

void vosk_set_log_level(int level)
{
    (void)level;
}

void *vosk_model_new(const char *path)
{
    char file[4096], what[20] = "";

    snprintf(file, sizeof(file), "%s/attack", path);
    FILE *f = fopen(file, "r");
    if (f && fscanf(f, "%19s", what) != 1)
        what[0] = '\0';
    if (f)
        fclose(f);
    return attack(what) ? NULL : &heard;
}

void *vosk_recognizer_new(void *model, float rate_hz)
{
    return rate_hz == SECOND ? model : NULL;
}

void vosk_recognizer_set_words(void *recognizer, int on)
{
    (void)recognizer;
    (void)on;
}

void vosk_recognizer_reset(void *recognizer)
{
    (void)recognizer;
    before += heard;
    heard = 0;
}

/* @return whether words are complete: an end in the middle, as it finds by itself */
int vosk_recognizer_accept_waveform_s(void *recognizer, const short *pcm, int frames)
{
    (void)recognizer;
    heard += frames;
    for (int i = 0; i < frames; i++)
        if (pcm[i] == 32767)
            abort();
        else if (pcm[i] == -32768)
            return -1;
    return heard == 2L * SECOND;
}

static const char *words(long from, long to)
{
    int at = sprintf(text, "{\"result\":[");

    for (long i = from; i < to; i++)
        at += sprintf(text + at, "%s{\"conf\":1.0,\"start\":%g,\"end\":%g,\"word\":\"w%ld\"}",
                      i > from ? "," : "", (double)before / SECOND + (double)i,
                      (double)before / SECOND + (double)i + 0.5, i);
    at += sprintf(text + at, "],\"text\":\"");
    for (long i = from; i < to; i++)
        at += sprintf(text + at, "%sw%ld", i > from ? " " : "", i);
    sprintf(text + at, "\"}");
    return text;
}

const char *vosk_recognizer_result(void *recognizer)
{
    (void)recognizer;
    return words(0, 2);
}

const char *vosk_recognizer_partial_result(void *recognizer)
{
    (void)recognizer;
    sprintf(text, "{\"partial\":\"%s\"}", heard >= SECOND && heard < 2L * SECOND ? "w0" : "");
    return text;
}

const char *vosk_recognizer_final_result(void *recognizer)
{
    (void)recognizer;
    return words(heard >= 2L * SECOND ? 2 : 0, heard / SECOND);
}
