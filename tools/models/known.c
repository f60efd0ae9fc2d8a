/* SPDX-License-Identifier: MIT */
/* Models that are known by name. Sizes and sums are those that several other programs pin for the same
   files; a file that differs is refused. */
#include <string.h>

#include "models/store.h"

#define WHISPER(id, size, sum)                                                                     \
    {                                                                                              \
        .name = "whisper-" id, .file = "ggml-" id ".bin", .sha256 = sum, .licence = "MIT",         \
        .url = "https://huggingface.co/ggerganov/whisper.cpp/resolve/main/ggml-" id ".bin",        \
        .use = "whisper.cpp's server, behind --stt http:", .bytes = size                           \
    }

static const struct known_model known[] = {
    WHISPER("tiny.en", 77704715,
            "921e4cf8686fdd993dcd081a5da5b6c365bfde1162e72b08d75ac75289920b1f"),
    WHISPER("tiny", 77691713, "be07e048e1e599ad46341c8d2a135645097a538221678b7acdd1b1919c6e1b21"),
    WHISPER("base.en", 147964211,
            "a03779c86df3323075f5e796cb2ce5029f00ec8869eee3fdfb897afe36c6d002"),
    WHISPER("base", 147951465, "60ed5bc3dd14eea856493d334349b405782ddcaf0028d4b5df4088345fba2efe"),
    WHISPER("small.en", 487614201,
            "c6138d6d58ecc8322097e0f987c32f1be8bb0a18532a3f88f734d1bbf9c41e5d"),
    WHISPER("small", 487601967, "1be3a9b2063867b937e64e2ec7483364a79917e157fa98c5d94b5c1fffea987b"),
};

const struct known_model *known_model(size_t index)
{
    return index < sizeof(known) / sizeof(known[0]) ? &known[index] : NULL;
}

const struct known_model *known_find(const char *name)
{
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (strcmp(known[i].name, name) == 0)
            return &known[i];
    return NULL;
}
