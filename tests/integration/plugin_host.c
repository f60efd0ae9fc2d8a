/* SPDX-License-Identifier: MIT */
/* A host of LADSPA and LV2 plugins for tests. Float samples, interleaved, come on standard input and
   leave on standard output; then a line on standard error: the latency that the plugin reported last,
   the voice activity of the last block, and how often run() asked for memory.
   plugin_host ladspa|lv2 FILE NAME RATE CHANNELS BLOCKS apart|shared CONTROLS [FRAME CONTROLS]
   BLOCKS: lengths of blocks that repeat, "1,64,480". shared: outputs are the memory of the inputs, the
   other channel's where there are two. CONTROLS: values in the order of the ports; from FRAME on, the
   second ones. */
#include <dlfcn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ladspa.h>
#include <lv2/core/lv2.h>

enum { BLOCK_MAX = 8192, CHANNELS_MAX = 2, INPUTS = 5, OUTPUTS = 2, LENGTHS_MAX = 16 };

/* what run() asks of the C library ------------------------------------------------------------- */

extern void *__libc_malloc(size_t bytes);
extern void *__libc_calloc(size_t count, size_t bytes);
extern void *__libc_realloc(void *memory, size_t bytes);
extern void __libc_free(void *memory);

static bool in_run;
static unsigned long asked;

__attribute__((visibility("default"))) void *malloc(size_t bytes)
{
    asked += in_run;
    return __libc_malloc(bytes);
}

__attribute__((visibility("default"))) void *calloc(size_t count, size_t bytes)
{
    asked += in_run;
    return __libc_calloc(count, bytes);
}

__attribute__((visibility("default"))) void *realloc(void *memory, size_t bytes)
{
    asked += in_run;
    return __libc_realloc(memory, bytes);
}

__attribute__((visibility("default"))) void free(void *memory)
{
    asked += in_run;
    __libc_free(memory);
}

/* the plugin ---------------------------------------------------------------------------------- */

static const LADSPA_Descriptor *ladspa;
static const LV2_Descriptor *lv2;
static void *handle;

static void die(const char *words, const char *name)
{
    fprintf(stderr, "plugin_host: %s: %s\n", name, words);
    exit(1);
}

static void *find_entry(const char *path, const char *name)
{
    void *file = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    void *entry = file ? dlsym(file, name) : NULL;

    if (!entry)
        die(dlerror(), path);
    return entry;
}

static void open_ladspa(const char *path, const char *label, unsigned long rate_hz)
{
    LADSPA_Descriptor_Function entry;
    void *found = find_entry(path, "ladspa_descriptor");

    memcpy(&entry, &found, sizeof(entry));
    for (unsigned long i = 0; (ladspa = entry(i)) && strcmp(ladspa->Label, label) != 0;)
        i++;
    if (!ladspa)
        die("no such plugin", label);
    handle = ladspa->instantiate(ladspa, rate_hz);
}

static void open_lv2(const char *path, const char *uri, double rate_hz)
{
    const LV2_Feature *features[] = {NULL};
    LV2_Descriptor_Function entry;
    void *found = find_entry(path, "lv2_descriptor");

    memcpy(&entry, &found, sizeof(entry));
    for (uint32_t i = 0; (lv2 = entry(i)) && strcmp(lv2->URI, uri) != 0;)
        i++;
    if (!lv2)
        die("no such plugin", uri);
    handle = lv2->instantiate(lv2, rate_hz, "", features);
}

static void connect(unsigned port, float *data)
{
    if (ladspa)
        ladspa->connect_port(handle, port, data);
    else
        lv2->connect_port(handle, port, data);
}

static void run(uint32_t frames)
{
    in_run = true;
    if (ladspa)
        ladspa->run(handle, frames);
    else
        lv2->run(handle, frames);
    in_run = false;
}

/* the run ------------------------------------------------------------------------------------- */

static float memory[2 * CHANNELS_MAX][BLOCK_MAX];
static float controls[INPUTS + OUTPUTS];

static void read_controls(const char *text)
{
    for (int i = 0; i < INPUTS; i++) {
        char *end;
        controls[i] = strtof(text, &end);
        text = end + (*end == ',');
    }
}

static unsigned read_lengths(const char *text, size_t lengths[LENGTHS_MAX])
{
    unsigned count = 0;

    while (*text && count < LENGTHS_MAX) {
        char *end;
        lengths[count++] = strtoul(text, &end, 10);
        text = end + (*end == ',');
    }
    return count;
}

static void connect_all(unsigned channels, bool shared, float *out[CHANNELS_MAX])
{
    for (unsigned c = 0; c < channels; c++) {
        out[c] = shared ? memory[channels - 1 - c] : memory[CHANNELS_MAX + c];
        connect(c, memory[c]);
        connect(channels + c, out[c]);
    }
    for (unsigned i = 0; i < INPUTS + OUTPUTS; i++)
        connect(2 * channels + i, &controls[i]);
}

static void run_all(unsigned channels, const char *blocks, float *const *out, size_t change,
                    const char *changed)
{
    static float frames[BLOCK_MAX * CHANNELS_MAX];
    size_t lengths[LENGTHS_MAX], done = 0;
    unsigned count = read_lengths(blocks, lengths);

    for (unsigned i = 0;; i++) {
        size_t want = lengths[i % count];
        size_t n = fread(frames, channels * sizeof(float), want, stdin);
        for (size_t at = 0; at < n * channels; at++)
            memory[at % channels][at / channels] = frames[at];
        if (changed && done >= change)
            read_controls(changed);
        run((uint32_t)n);
        for (size_t at = 0; at < n * channels; at++)
            frames[at] = out[at % channels][at / channels];
        fwrite(frames, channels * sizeof(float), n, stdout);
        done += n;
        if (n < want)
            return;
    }
}

int main(int count, char **words)
{
    if (count != 9 && count != 11)
        die("wrong number of arguments", "usage");
    unsigned channels = (unsigned)atoi(words[5]);
    float *out[CHANNELS_MAX];
    if (strcmp(words[1], "ladspa") == 0)
        open_ladspa(words[2], words[3], strtoul(words[4], NULL, 10));
    else
        open_lv2(words[2], words[3], strtod(words[4], NULL));
    if (!handle)
        die("refuses this rate", words[3]);
    connect_all(channels, strcmp(words[7], "shared") == 0, out);
    read_controls(words[8]);
    if (ladspa)
        ladspa->activate(handle);
    else
        lv2->activate(handle);
    run_all(channels, words[6], out, count == 11 ? strtoul(words[9], NULL, 10) : 0,
            count == 11 ? words[10] : NULL);
    fprintf(stderr, "%.0f %.6f %lu\n", (double)controls[INPUTS + 1], (double)controls[INPUTS],
            asked);
    if (ladspa)
        ladspa->cleanup(handle);
    else
        lv2->cleanup(handle);
    return ferror(stdout) || fflush(stdout) ? 1 : 0;
}
