/* SPDX-License-Identifier: MIT */
/* An engine for test_hosted: engine_host LOAD HEAR FILE. LOAD says how the model loads, HEAR how it hears; FILE is made
   by the first process that crashes once. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/serve.h"
#include "modules/sandbox.h"

static const char *hear, *file;
static size_t frames;
static char so_far[64];
static struct vs_word said[2] = {{"one", 0.0, 0.25}, {"two", 0.5, 0.75}};

static bool begin(void *user)
{
    frames = 0;
    so_far[0] = '\0';
    return strcmp(hear, "deaf") != 0;
}

static bool feed(void *user, const float *audio, size_t count)
{
    frames += count;
    if (strcmp(hear, "crash") == 0)
        abort();
    if (strcmp(hear, "once") == 0 && open(file, O_WRONLY | O_CREAT | O_EXCL, 0600) >= 0) {
        fprintf(stderr, "first\nlast words\n\n");
        exit(4);
    }
    snprintf(so_far, sizeof(so_far), "%zu s", frames / 16000);
    return strcmp(hear, "fail") != 0;
}

static const char *partial(void *user)
{
    return so_far;
}

static const char *finish(void *user)
{
    static char text[64];

    while (strcmp(hear, "hang") == 0)
        pause();
    if (strcmp(hear, "bytes") == 0)
        return "no \xff text";
    snprintf(text, sizeof(text), "one two %zu", frames);
    return strcmp(hear, "nothing") == 0 ? NULL : text;
}

static size_t words(void *user, const struct vs_word **ret)
{
    *ret = said;
    return strcmp(hear, "text") == 0 ? 2 : 0;
}

static void end(void *user)
{
}

int main(int count, char **arguments)
{
    struct vs__serve_engine engine = {NULL, begin, feed, partial, finish, words, end};
    static const char *const refusals[] = {"missing", "usage", "files", "damaged", "strange"};

    if (count != 4)
        return 2;
    hear = arguments[2];
    file = arguments[3];
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++)
        if (strcmp(arguments[1], refusals[i]) == 0) {
            vs__serve_tell(refusals[i], "because of %s", refusals[i]);
            return 1;
        }
    if (strcmp(arguments[1], "dies") == 0) {
        for (int i = 0; i < 2000; i++)
            fprintf(stderr, "a line of chatter %d\n", i);
        fprintf(stderr, "the last\a line  \n");
        return 3;
    }
    if (strcmp(arguments[1], "plain") == 0) { /* tells neither words nor what it heard so far */
        engine.partial = NULL;
        engine.words = NULL;
    }
    vs__serve_ready("an engine",
                    strcmp(arguments[1], "bare") == 0 ? VS__SANDBOX_PRIVILEGES : VS__SANDBOX_ALL);
    return vs__serve(&engine);
}
