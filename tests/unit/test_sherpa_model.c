/* SPDX-License-Identifier: MIT */
/* What a folder tells of the sherpa-onnx model in it: by the names of its files, else by its own. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/base.h"
#include "host/sherpa_model.h"

static char top[40];
static struct vs__sherpa_model model;
static char why[400];

/* Each name of `files` ("a b c") in top/`folder`: made, or removed with the folder. */
static void lay(const char *folder, const char *files, bool make, char *ret, size_t bytes)
{
    char names[300], path[500], *rest = names, *name;

    snprintf(ret, bytes, "%s/%s", top, folder);
    if (make)
        assert_int_equal(mkdir(ret, 0700), 0);
    snprintf(names, sizeof(names), "%s", files);
    while ((name = strsep(&rest, " ")) != NULL) {
        snprintf(path, sizeof(path), "%s/%s", ret, name);
        int fd = !*name ? -1 : make ? open(path, O_WRONLY | O_CREAT, 0600) : unlink(path);
        assert_true(fd >= 0 || !*name);
        if (make && fd >= 0)
            close(fd);
    }
    if (!make)
        assert_int_equal(rmdir(ret), 0);
}

static int find(const char *folder, const char *files, const char *kind)
{
    char path[300];

    why[0] = '\0';
    lay(folder, files, true, path, sizeof(path));
    int status = vs__sherpa_find(path, kind, &model, why, sizeof(why));
    lay(folder, files, false, path, sizeof(path));
    return status;
}

static void test_kinds(void **state)
{
    static const struct {
        const char *folder, *files, *kind, *is;
    } good[] = {
        {"a", "encode.onnx merged.txt decoder_model_merged.onnx tokens.txt", NULL, "moonshine"},
        {"a",
         "preprocess.onnx encode.int8.onnx uncached_decode.onnx cached_decode.ort x-tokens.txt",
         NULL, "moonshine"},
        {"a", "encoder.onnx decoder.onnx joiner.onnx tokens.txt", NULL, "transducer"},
        {"a-streaming", "encoder.onnx decoder.onnx joiner.onnx tokens.txt", NULL,
         "streaming-transducer"},
        {"a", "tiny-encoder.onnx tiny-decoder.onnx tiny-tokens.txt", NULL, "whisper"},
        {"a-paraformer", "encoder.onnx decoder.onnx tokens.txt", NULL, "streaming-paraformer"},
        {"a-sense-voice", "model.onnx tokens.txt", NULL, "sense-voice"},
        {"a-paraformer", "model.onnx tokens.txt", NULL, "paraformer"},
        {"a-streaming-ctc", "model.onnx tokens.txt", NULL, "streaming-ctc"},
        {"a-nemo", "model.onnx tokens.txt", NULL, "nemo-ctc"},
        {"a-streaming-nemo", "model.onnx tokens.txt", NULL, "nemo-ctc"},
        {"a-zipformer", "ctc-1.onnx tokens.txt", NULL, "zipformer-ctc"},
        {"a", "model.onnx tokens.txt", "zipformer-ctc", "zipformer-ctc"},
        {"a-nemo", "encoder.onnx decoder.onnx tokens.txt", "whisper", "whisper"},
    };

    for (size_t i = 0; i < VS__COUNT(good); i++) {
        if (find(good[i].folder, good[i].files, good[i].kind) != 0)
            fail_msg("%s: %s: %s", good[i].folder, good[i].files, why);
        assert_string_equal(vs__sherpa_kind_name(model.kind), good[i].is);
        assert_int_equal(vs__sherpa_is_streaming(model.kind),
                         strncmp(good[i].is, "streaming", 9) == 0);
        assert_non_null(strstr(model.tokens, "tokens.txt"));
    }
    assert_string_equal(vs__sherpa_kind_name(-1), "unknown");
    assert_string_equal(vs__sherpa_kind_name(VS__SHERPA_KINDS), "unknown");
}

/* Of two precisions that of 8 bits, in whichever order they are found; other files are passed over. */
static void test_precision(void **state)
{
    assert_int_equal(
        find("nemo", "a-model.onnx b-model.int8.onnx c-model.onnx tokens.txt README other.bin onnx",
             NULL),
        0);
    assert_non_null(strstr(model.model, "/nemo/b-model.int8.onnx"));
    assert_int_equal(find("nemo", "vad.onnx model.onnx tokens.txt", NULL), 0);
    assert_non_null(strstr(model.model, "/nemo/model.onnx"));
}

static void test_refused(void **state)
{
    static const struct {
        const char *folder, *files, *kind, *says;
        int status;
    } bad[] = {
        {"a", "", NULL, "holds no *.onnx", -ENOENT},
        {"a", "tokens.txt", "whisper", "*.onnx of a model of the kind whisper", -ENOENT},
        {"a", "model.onnx tokens.txt", NULL, "#kind=", -EINVAL},
        {"a", "model.onnx tokens.txt", "wisper", "choose from whisper, moonshine", -EINVAL},
        {"a-nemo", "model.onnx", NULL, "*tokens.txt", -ENOENT},
        {"a", "encoder.onnx tokens.txt", "whisper", "*decoder*.onnx", -ENOENT},
        {"a", "decoder.onnx model.onnx tokens.txt", "streaming-paraformer", "*encoder*.onnx",
         -ENOENT},
        {"a", "encoder.onnx tokens.txt", "nemo-ctc", "model*.onnx", -ENOENT},
        {"a", "joiner.onnx encoder.onnx tokens.txt", NULL, "and joiner", -ENOENT},
        {"a", "encoder.onnx decoder.onnx tokens.txt", "transducer", "and joiner", -ENOENT},
        {"a", "joiner.onnx model.onnx tokens.txt", "streaming-transducer", "and joiner", -ENOENT},
        {"a", "decoder_model_merged.onnx model.onnx tokens.txt", NULL, "encode*.onnx", -ENOENT},
        {"a", "encode.onnx tokens.txt", "moonshine", "preprocess.onnx", -ENOENT},
        {"a", "encode.onnx preprocess.onnx tokens.txt", "moonshine", "cached_decode", -ENOENT},
        {"a", "encode.onnx preprocess.onnx uncached_decode.onnx tokens.txt", "moonshine",
         "cached_decode", -ENOENT},
    };

    for (size_t i = 0; i < VS__COUNT(bad); i++) {
        int status = find(bad[i].folder, bad[i].files, bad[i].kind);
        if (status != bad[i].status || !strstr(why, bad[i].says))
            fail_msg("%s, %s: %d, %s", bad[i].files, bad[i].kind ? bad[i].kind : "-", status, why);
    }
}

/* Of a path there is room for 512 bytes. */
static void test_paths(void **state)
{
    char name[256], folder[600], file[900];

    assert_int_equal(vs__sherpa_find("/nowhere/model", NULL, &model, why, sizeof(why)), -ENOENT);
    assert_int_equal(vs__sherpa_find("/dev/null", NULL, &model, why, sizeof(why)), -ENOENT);
    memset(name, 'x', 245);
    snprintf(name + 245, sizeof(name) - 245, ".onnx");
    snprintf(folder, sizeof(folder), "%s/%s", top, name);
    snprintf(file, sizeof(file), "%s/%s", folder, name);
    assert_int_equal(mkdir(folder, 0700), 0);
    assert_int_equal(mkdir(file, 0700), 0);
    assert_int_equal(vs__sherpa_find(folder, NULL, &model, why, sizeof(why)), -ENAMETOOLONG);
    assert_string_equal(why, strerror(ENAMETOOLONG));
    assert_int_equal(rmdir(file), 0);
    assert_int_equal(rmdir(folder), 0);
}

static int set_up(void **state)
{
    snprintf(top, sizeof(top), "/tmp/voicestand-model-XXXXXX");
    return mkdtemp(top) ? 0 : -1;
}

static int tear_down(void **state)
{
    return rmdir(top);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_precision),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_paths),
    };

    return cmocka_run_group_tests_name("sherpa_model", tests, set_up, tear_down);
}
