/* SPDX-License-Identifier: MIT */
/* Two strict readers of weights. Every length is compared with what is left before it is used; nothing calls itself,
   and nothing is allocated. */
#include "vad/weights.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/base.h"

#define FILE_MAX   (16u << 20)
#define HEADER_MAX (64u << 10)

/* What is left to read. */
struct span {
    const uint8_t *at, *end;
};

struct tensors {
    struct vs__tensor *list;
    size_t count;
    const char *name; /* of the tensor in question, for the sentence */
};

static size_t left(const struct span *s)
{
    return (size_t)(s->end - s->at);
}

static bool equals(struct span s, const char *text)
{
    return left(&s) == strlen(text) && memcmp(s.at, text, left(&s)) == 0;
}

/** What both formats say of a tensor. */
struct found {
    struct span name, data;
    uint64_t shape[4];
    size_t dimensions; /* more than there is room for: counted, not kept */
    bool is_f32;
};

/** Of the names in an ONNX file, tools that pull branches out of a graph keep what is behind "model.". */
static bool is_called(struct span name, const struct vs__tensor *t, bool onnx)
{
    return equals(name, onnx ? t->onnx : t->name) ||
           (onnx && strncmp(t->onnx, "model.", 6) == 0 && equals(name, t->onnx + 6));
}

static bool is_finite(const uint8_t *data, size_t count)
{
    uint32_t bad = 0;

    for (size_t i = 0; i < count; i++) {
        uint32_t bits;

        memcpy(&bits, data + i * sizeof(bits), sizeof(bits));
        bad |= (bits & 0x7f800000u) == 0x7f800000u;
    }
    return bad == 0;
}

/** Compare with the tensor that was asked for. @return what is wrong, or NULL */
static const char *accept(struct tensors *t, const struct found *f, bool onnx)
{
    struct vs__tensor *want = NULL;
    size_t count = 1, dimensions = 0;

    for (size_t i = 0; i < t->count && want == NULL; i++)
        if (is_called(f->name, &t->list[i], onnx))
            want = &t->list[i];
    if (want == NULL)
        return "there is a tensor that this network does not have";
    t->name = onnx ? want->onnx : want->name;
    if (want->data != NULL)
        return "it is there twice";
    if (!f->is_f32)
        return "it is not of 32-bit floats";
    for (; dimensions < VS__COUNT(want->shape) && want->shape[dimensions] > 0; dimensions++) {
        if (dimensions >= f->dimensions || f->shape[dimensions] != want->shape[dimensions])
            return "its shape is another";
        count *= want->shape[dimensions];
    }
    if (f->dimensions != dimensions)
        return "its shape is another";
    if (left(&f->data) != count * sizeof(float))
        return "its data do not have the length of its shape";
    if (!is_finite(f->data.at, count))
        return "it has values that are not finite";
    want->data = f->data.at;
    t->name = NULL;
    return NULL;
}

static void add_dimension(struct found *f, uint64_t value)
{
    if (f->dimensions < VS__COUNT(f->shape))
        f->shape[f->dimensions] = value;
    f->dimensions++;
}

/* safetensors: a length of 8 bytes, so much JSON, the data -------------------------------------- */

static void skip_space(struct span *s)
{
    while (s->at < s->end && (*s->at == ' ' || *s->at == '\t' || *s->at == '\n' || *s->at == '\r'))
        s->at++;
}

static bool take(struct span *s, char wanted)
{
    skip_space(s);
    if (s->at == s->end || *s->at != (uint8_t)wanted)
        return false;
    s->at++;
    return true;
}

/** A string without escapes; the names and types of this format need none. */
static bool take_string(struct span *s, struct span *ret)
{
    if (!take(s, '"'))
        return false;
    ret->at = s->at;
    while (s->at < s->end && *s->at != '"' && *s->at != '\\' && *s->at >= ' ')
        s->at++;
    ret->end = s->at;
    return take(s, '"');
}

/** A whole number without sign, up to 15 digits. */
static bool take_number(struct span *s, uint64_t *ret)
{
    const uint8_t *first;
    uint64_t value = 0;

    skip_space(s);
    first = s->at;
    for (; s->at < s->end && *s->at >= '0' && *s->at <= '9' && s->at - first < 16; s->at++)
        value = value * 10 + (uint64_t)(*s->at - '0');
    *ret = value;
    return s->at > first && s->at - first < 16 && (*first != '0' || s->at - first == 1);
}

/** "[" numbers "]", into `shape`. */
static bool take_list(struct span *s, struct found *ret)
{
    uint64_t value;

    ret->dimensions = 0;
    if (!take(s, '['))
        return false;
    if (take(s, ']'))
        return true;
    do {
        if (!take_number(s, &value))
            return false;
        add_dimension(ret, value);
    } while (take(s, ','));
    return take(s, ']');
}

/** The object of a tensor: its three members in any order, each once. */
static bool take_tensor(struct span *s, struct span data, struct found *ret)
{
    struct found offsets = {.dimensions = 0};
    unsigned seen = 0, bit;
    struct span key, type;

    if (!take(s, '{'))
        return false;
    do {
        if (!take_string(s, &key) || !take(s, ':'))
            return false;
        if (equals(key, "dtype")) {
            bit = 1;
            if (!take_string(s, &type))
                return false;
            ret->is_f32 = equals(type, "F32");
        } else if (equals(key, "shape")) {
            bit = 2;
            if (!take_list(s, ret))
                return false;
        } else if (equals(key, "data_offsets")) {
            bit = 4;
            if (!take_list(s, &offsets) || offsets.dimensions != 2)
                return false;
        } else {
            return false;
        }
        if (seen & bit)
            return false;
        seen |= bit;
    } while (take(s, ','));
    if (seen != 7 || offsets.shape[0] > offsets.shape[1] || offsets.shape[1] > left(&data))
        return false;
    ret->data.at = data.at + offsets.shape[0];
    ret->data.end = data.at + offsets.shape[1];
    return take(s, '}');
}

/** The free words that a file may carry: an object of strings. */
static bool skip_metadata(struct span *s)
{
    struct span text;

    if (!take(s, '{'))
        return false;
    if (take(s, '}'))
        return true;
    do {
        if (!take_string(s, &text) || !take(s, ':') || !take_string(s, &text))
            return false;
    } while (take(s, ','));
    return take(s, '}');
}

static const char *parse_safetensors(struct span file, struct tensors *t)
{
    static const char *const damaged = "the table of tensors at its beginning is damaged";
    uint64_t length = 0;
    struct span s, data, key;

    for (size_t i = 0; i < 8; i++)
        length |= (uint64_t)file.at[i] << 8 * i;
    file.at += 8;
    if (length > HEADER_MAX || length > left(&file))
        return "the length of the table of tensors at its beginning cannot be";
    s = (struct span){file.at, file.at + length};
    data = (struct span){s.end, file.end};
    if (!take(&s, '{'))
        return damaged;
    do {
        struct found f = {.dimensions = 0};
        const char *wrong;

        if (!take_string(&s, &key) || !take(&s, ':'))
            return damaged;
        if (equals(key, "__metadata__")) {
            if (!skip_metadata(&s))
                return damaged;
            continue;
        }
        f.name = key;
        if (!take_tensor(&s, data, &f))
            return damaged;
        wrong = accept(t, &f, false);
        if (wrong != NULL)
            return wrong;
    } while (take(&s, ','));
    if (!take(&s, '}'))
        return damaged;
    skip_space(&s);
    return s.at == s.end ? NULL : damaged;
}

/* ONNX: protocol buffers. A field is a number, a kind, and a value or a length and so many bytes - */

static const char NOT_WHOLE[] = "it is neither safetensors nor whole ONNX";

enum { KIND_VARINT = 0, KIND_FIXED64 = 1, KIND_BYTES = 2, KIND_FIXED32 = 5 };
enum { MODEL_GRAPH = 7, GRAPH_NODE = 1, GRAPH_INITIALIZER = 5 };
enum { NODE_KIND = 4, NODE_ATTRIBUTE = 5, ATTRIBUTE_TENSOR = 5 };
enum { TENSOR_DIMS = 1, TENSOR_TYPE = 2, TENSOR_NAME = 8, TENSOR_RAW = 9, TYPE_FLOAT = 1 };

struct field {
    uint64_t number, value;
    unsigned kind;
    struct span bytes;
};

static bool take_varint(struct span *s, uint64_t *ret)
{
    uint64_t value = 0;

    for (unsigned shift = 0; shift < 64 && s->at < s->end; shift += 7) {
        uint8_t byte = *s->at++;

        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *ret = value;
            return true;
        }
    }
    return false;
}

static bool take_field(struct span *s, struct field *ret)
{
    uint64_t key, length = 0;

    if (!take_varint(s, &key))
        return false;
    *ret = (struct field){.number = key >> 3, .kind = key & 7};
    switch (ret->kind) {
    case KIND_VARINT:
        return take_varint(s, &ret->value);
    case KIND_FIXED64:
        length = 8;
        break;
    case KIND_FIXED32:
        length = 4;
        break;
    case KIND_BYTES:
        if (!take_varint(s, &length))
            return false;
        break;
    default:
        return false;
    }
    if (length > left(s))
        return false;
    ret->bytes = (struct span){s->at, s->at + length};
    s->at += length;
    return true;
}

/** One field of a tensor. @return whether it can be */
static bool note_field(struct field *field, struct found *ret)
{
    uint64_t value;

    if (field->number == TENSOR_DIMS && field->kind == KIND_VARINT) {
        add_dimension(ret, field->value);
    } else if (field->number == TENSOR_DIMS && field->kind == KIND_BYTES) {
        while (left(&field->bytes) > 0) {
            if (!take_varint(&field->bytes, &value))
                return false;
            add_dimension(ret, value);
        }
    } else if (field->number == TENSOR_TYPE && field->kind == KIND_VARINT) {
        ret->is_f32 = field->value == TYPE_FLOAT;
    } else if (field->number == TENSOR_NAME && field->kind == KIND_BYTES) {
        ret->name = field->bytes;
    } else if (field->number == TENSOR_RAW && field->kind == KIND_BYTES) {
        ret->data = field->bytes;
    }
    return true;
}

static bool read_tensor(struct span s, struct found *ret)
{
    struct field field;

    while (left(&s) > 0)
        if (!take_field(&s, &field) || !note_field(&field, ret))
            return false;
    return true;
}

static bool read_attribute(struct span s, struct found *ret)
{
    struct field field;

    while (left(&s) > 0) {
        if (!take_field(&s, &field))
            return false;
        if (field.number == ATTRIBUTE_TENSOR && field.kind == KIND_BYTES &&
            !read_tensor(field.bytes, ret))
            return false;
    }
    return true;
}

/** The tensor of a node that is a constant; of another, `ret` stays without a name. */
static bool read_constant(struct span s, struct found *ret)
{
    struct found found = *ret;
    struct field field;
    bool is_constant = false;

    while (left(&s) > 0) {
        if (!take_field(&s, &field))
            return false;
        if (field.number == NODE_KIND && field.kind == KIND_BYTES)
            is_constant = equals(field.bytes, "Constant");
        else if (field.number == NODE_ATTRIBUTE && field.kind == KIND_BYTES &&
                 !read_attribute(field.bytes, &found))
            return false;
    }
    if (is_constant)
        *ret = found;
    return true;
}

/** Weights are initializers, or constants with a name; constants without one are the graph's own. */
static const char *parse_graph(struct span graph, struct tensors *t)
{
    static const uint8_t nothing;
    struct field field;

    while (left(&graph) > 0) {
        struct found f = {.name = {&nothing, &nothing}, .data = {&nothing, &nothing}};
        const char *wrong = NULL;

        if (!take_field(&graph, &field))
            return NOT_WHOLE;
        if (field.number == GRAPH_INITIALIZER && field.kind == KIND_BYTES) {
            wrong = read_tensor(field.bytes, &f) ? accept(t, &f, true) : NOT_WHOLE;
        } else if (field.number == GRAPH_NODE && field.kind == KIND_BYTES) {
            wrong = read_constant(field.bytes, &f) ? NULL : NOT_WHOLE;
            if (wrong == NULL && left(&f.name) > 0)
                wrong = accept(t, &f, true);
        }
        if (wrong != NULL)
            return wrong;
    }
    return NULL;
}

static const char *parse_onnx(struct span s, struct tensors *t)
{
    static const uint8_t nothing;
    struct span graph = {&nothing, &nothing};
    struct field field;

    while (left(&s) > 0) {
        if (!take_field(&s, &field))
            return NOT_WHOLE;
        if (field.number == MODEL_GRAPH && field.kind == KIND_BYTES)
            graph = field.bytes;
    }
    return parse_graph(graph, t);
}

/* ------------------------------------------------------------------------------------------- */

const char *vs__weights_parse(const uint8_t *bytes, size_t size, struct vs__tensor *tensors,
                              size_t count, const char **ret_tensor)
{
    struct tensors t = {.list = tensors, .count = count};
    const char *wrong;

    for (size_t i = 0; i < count; i++)
        tensors[i].data = NULL;
    /* A table of tensors begins with its brace; an ONNX file has its graph's fields there. */
    if (size >= 9 && bytes[8] == '{')
        wrong = parse_safetensors((struct span){bytes, bytes + size}, &t);
    else if (size > 0 && bytes[0] == '<')
        wrong = "it is text, as .xml is, with the weights elsewhere";
    else
        wrong = parse_onnx((struct span){bytes, bytes + size}, &t);
    for (size_t i = 0; i < count && wrong == NULL; i++) {
        if (tensors[i].data == NULL) {
            t.name = tensors[i].name;
            wrong = "it is missing";
        }
    }
    *ret_tensor = t.name;
    return wrong;
}

/** All of what is left of a file. @return 0, -EFBIG, -ENOMEM, or why it cannot be read */
static int read_rest(FILE *file, uint8_t **ret, size_t *ret_size)
{
    size_t room = 2u << 20, size = 0;
    uint8_t *memory = vs__alloc(room), *larger;

    while (memory != NULL) {
        size += fread(memory + size, 1, room - size, file);
        if (size < room)
            break;
        larger = room < FILE_MAX ? vs__alloc(2 * room) : NULL;
        if (larger != NULL)
            memcpy(larger, memory, size);
        vs__free(memory);
        if (room >= FILE_MAX)
            return -EFBIG;
        memory = larger;
        room *= 2;
    }
    if (memory == NULL)
        return -ENOMEM;
    if (ferror(file)) {
        int status = errno > 0 ? -errno : -EIO;
        vs__free(memory);
        return status;
    }
    *ret = memory;
    *ret_size = size;
    return 0;
}

static int read_file(const char *path, const struct vs_log *log, uint8_t **ret, size_t *ret_size)
{
    FILE *file = fopen(path, "re");
    int status = file == NULL ? -errno : 0;

    if (status == 0) {
        errno = 0;
        status = read_rest(file, ret, ret_size);
        fclose(file);
    }
    switch (status) {
    case 0:
        return 0;
    case -EISDIR:
        vs__log(log, VS_LOG_ERROR, "vad", "the folder %s has no weights; give the file with them",
                path);
        return -ENOENT;
    case -EFBIG:
        vs__log(log, VS_LOG_ERROR, "vad", "%s has 16 MiB or more; give the file with the weights",
                path);
        return -EBADMSG;
    case -ENOMEM:
        vs__log(log, VS_LOG_ERROR, "vad", "no memory for the weights; close other programs");
        return status;
    default:
        vs__log(log, VS_LOG_ERROR, "vad", "cannot read the weights %s: %s; is the path right?",
                path, strerror(-status));
        return status;
    }
}

int vs__weights_read(const char *path, const char *fix, const struct vs_log *log,
                     struct vs__tensor *tensors, size_t count, void **ret)
{
    const char *wrong, *tensor;
    uint8_t *memory = NULL;
    size_t size = 0;
    int status = read_file(path, log, &memory, &size);

    if (status < 0)
        return status;
    wrong = vs__weights_parse(memory, size, tensors, count, &tensor);
    if (wrong != NULL) {
        vs__log(log, VS_LOG_ERROR, "vad", "%s is damaged or holds other weights%s%s: %s; %s", path,
                tensor ? ", tensor " : "", tensor ? tensor : "", wrong, fix);
        vs__free(memory);
        return -EBADMSG;
    }
    *ret = memory;
    return 0;
}
