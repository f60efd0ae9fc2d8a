/* SPDX-License-Identifier: MIT */
/* A transcription server as a text engine: whisper.cpp's server, and what takes OpenAI's
   POST /v1/audio/transcriptions. Each segment is sent whole, as a WAV file in a form. Nothing is sent
   but to the address that was given: no proxy of the environment, no redirection. */
#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <voicestand/backend.h>

#include "base/base.h"
#include "modules/http.h"
#include "stt/address.h"
#include "stt/child.h"
#include "stt/gather.h"

#define DEFAULT_PATH    "/v1/audio/transcriptions"
#define REPLY_BYTES     ((size_t)4 << 20) /* far above the text of an hour */
#define CONNECT_MS      5000L
#define FIRST_PAUSE_MS  200 /* before the second try; then twice as long each time */
#define KEY_BYTES       4096
#define DEFAULT_TIMEOUT 60
#define DEFAULT_TRIES   3

enum { MODEL, LANGUAGE, PROMPT, KEY_FILE, STREAM, TIMEOUT_S, TRIES, KEEP, SETTINGS };

struct http {
    const struct vs_log *log;
    char *url;
    struct vs__setting settings[SETTINGS];
    long timeout_s, tries, stream;
    struct curl_slist *headers;
    CURL *easy;
    CURLM *multi; /* keeps the connection from segment to segment */
    struct vs__gather audio;
    uint64_t segment;
    char *reply;
    size_t reply_bytes;
    char *text;
    char why[300]; /* of the last failure */
    char words[CURL_ERROR_SIZE];
    _Atomic bool is_cancelled; /* until the next begin() */
};

/* opening ----------------------------------------------------------------------------------- */

static void begin_curl(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

static int say_address(const struct http *h, const char *given)
{
    vs__log(h->log, VS_LOG_ERROR, "stt",
            "http needs the address of a server and not '%.100s', as in "
            "http:http://127.0.0.1:8080/inference",
            given);
    return -EINVAL;
}

/* Whole and with a path; warns where others could listen. */
static int check_url(struct http *h, const char *given)
{
    CURLU *url = curl_url();
    char *scheme = NULL, *host = NULL, *path = NULL, *whole = NULL;
    int status = -EINVAL;

    if (url && curl_url_set(url, CURLUPART_URL, given, 0) == CURLUE_OK &&
        curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
        curl_url_get(url, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
        curl_url_get(url, CURLUPART_PATH, &path, 0) == CURLUE_OK &&
        (strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0)) {
        if (strcmp(path, "/") == 0) {
            curl_url_set(url, CURLUPART_PATH, DEFAULT_PATH, 0);
        }
        curl_url_get(url, CURLUPART_URL, &whole, 0);
        h->url = vs__strdup(whole);
        status = h->url ? 0 : -ENOMEM;
    }
    if (status == 0 && strcmp(scheme, "http") == 0 && !vs__host_is_local(host)) {
        vs__log(h->log, VS_LOG_WARNING, "stt",
                "audio goes to %s in the clear: anybody on the way can hear it; https:// hides it",
                host);
    }
    curl_free(scheme);
    curl_free(host);
    curl_free(path);
    curl_free(whole);
    curl_url_cleanup(url);
    return status == -EINVAL ? say_address(h, given) : status;
}

/* End the key at its line's end. A line that is cut, or has what no header may have, is none. */
static bool end_key(char *key)
{
    size_t bytes = strcspn(key, "\r\n");

    for (size_t i = 0; i < bytes; i++) {
        if (key[i] <= ' ' || key[i] > '~') {
            return false;
        }
    }
    key[bytes] = '\0';
    return bytes > 0 && bytes < KEY_BYTES - 1;
}

/* The key stands in a file, so that no list of processes shows it. */
static int read_key(struct http *h, const char *path)
{
    char key[KEY_BYTES], line[KEY_BYTES + 32];
    FILE *f = fopen(path, "re");
    bool has_key = f && fgets(key, sizeof(key), f) && end_key(key);

    if (f) {
        fclose(f);
    }
    if (!has_key) {
        vs__log(h->log, VS_LOG_ERROR, "stt",
                "%s: %s; its first line must be the server's key, of letters, figures and signs",
                path, f ? "holds no key" : strerror(errno));
        return -EINVAL;
    }
    snprintf(line, sizeof(line), "Authorization: Bearer %s", key);
    struct curl_slist *grown = curl_slist_append(h->headers, line);
    h->headers = grown ? grown : h->headers;
    return grown ? 0 : -ENOMEM;
}

static int read_settings(struct http *h, const char *argument, char **ret_place)
{
    static const char *const names[SETTINGS] = {"model",  "language", "prompt", "key-file",
                                                "stream", "timeout",  "tries",  "keep"};

    for (size_t i = 0; i < SETTINGS; i++) {
        h->settings[i].name = names[i];
    }
    int status = vs__settings_read(h->log, "http", argument, h->settings, SETTINGS, ret_place);
    if (status == 0) {
        status = vs__setting_number(h->log, "http", &h->settings[TIMEOUT_S], 1, 3600,
                                    DEFAULT_TIMEOUT, &h->timeout_s);
    }
    if (status == 0) {
        status = vs__setting_number(h->log, "http", &h->settings[TRIES], 1, 10, DEFAULT_TRIES,
                                    &h->tries);
    }
    if (status == 0) {
        status = vs__setting_number(h->log, "http", &h->settings[STREAM], 0, 1, 0, &h->stream);
    }
    return status;
}

static int open_http(void *state, const struct vs_stt_params *params)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct http *h = state;
    char *place = NULL;

    h->log = &params->env->log;
    pthread_once(&once, begin_curl);
    int status = read_settings(h, params->argument, &place);
    if (status == 0) {
        status = check_url(h, place);
    }
    if (status == 0 && h->settings[KEY_FILE].value) {
        status = read_key(h, h->settings[KEY_FILE].value);
    }
    vs__free(place);
    if (status != 0) {
        return status;
    }
    h->easy = curl_easy_init();
    h->multi = curl_multi_init();
    h->reply = vs__alloc(REPLY_BYTES);
    status = vs__gather_init(&h->audio);
    return h->easy && h->multi && h->reply ? status : -ENOMEM;
}

/* asking ------------------------------------------------------------------------------------ */

static size_t take_reply(char *data, size_t one, size_t bytes, void *user)
{
    struct http *h = user;

    (void)one; /* always 1 */
    if (bytes > REPLY_BYTES - h->reply_bytes) {
        return 0; /* ends the transfer */
    }
    memcpy(h->reply + h->reply_bytes, data, bytes);
    h->reply_bytes += bytes;
    return bytes;
}

static bool add_field(curl_mime *form, const char *name, const char *value)
{
    curl_mimepart *part = value ? curl_mime_addpart(form) : NULL;

    return !value || (part && curl_mime_name(part, name) == CURLE_OK &&
                      curl_mime_data(part, value, CURL_ZERO_TERMINATED) == CURLE_OK);
}

static curl_mime *make_form(struct http *h)
{
    curl_mime *form = curl_mime_init(h->easy);
    curl_mimepart *file = form ? curl_mime_addpart(form) : NULL;
    size_t bytes = vs__gather_close(&h->audio);
    const char *model = h->settings[MODEL].value;

    if (file && curl_mime_name(file, "file") == CURLE_OK &&
        curl_mime_filename(file, "segment.wav") == CURLE_OK &&
        curl_mime_type(file, "audio/wav") == CURLE_OK &&
        curl_mime_data(file, (const char *)h->audio.wav, bytes) == CURLE_OK &&
        add_field(form, "model", model ? model : "whisper-1") &&
        add_field(form, "response_format", "json") &&
        add_field(form, "language", h->settings[LANGUAGE].value) &&
        add_field(form, "prompt", h->settings[PROMPT].value) &&
        add_field(form, "stream", h->stream ? "true" : NULL)) {
        return form;
    }
    curl_mime_free(form);
    return NULL;
}

static void prepare(struct http *h, curl_mime *form)
{
    curl_easy_reset(h->easy);
    curl_easy_setopt(h->easy, CURLOPT_URL, h->url);
    curl_easy_setopt(h->easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(h->easy, CURLOPT_PROXY, "");
    curl_easy_setopt(h->easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(h->easy, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
    curl_easy_setopt(h->easy, CURLOPT_TIMEOUT, h->timeout_s);
    curl_easy_setopt(h->easy, CURLOPT_USERAGENT, "voicestand");
    curl_easy_setopt(h->easy, CURLOPT_HTTPHEADER, h->headers);
    curl_easy_setopt(h->easy, CURLOPT_MIMEPOST, form);
    curl_easy_setopt(h->easy, CURLOPT_WRITEFUNCTION, take_reply);
    curl_easy_setopt(h->easy, CURLOPT_WRITEDATA, h);
    curl_easy_setopt(h->easy, CURLOPT_ERRORBUFFER, h->words);
    h->words[0] = '\0';
    h->reply_bytes = 0;
}

/* Run the transfer; cancel() wakes it. @return 0, -ECANCELED, or a code of curl as it is. */
static int transfer(struct http *h)
{
    int running = 1, left = 0, code = CURLE_OK;
    CURLMsg *message;

    if (curl_multi_add_handle(h->multi, h->easy) != CURLM_OK) {
        return CURLE_OUT_OF_MEMORY;
    }
    while (running > 0 && !h->is_cancelled) {
        if (curl_multi_perform(h->multi, &running) != CURLM_OK ||
            (running > 0 && curl_multi_poll(h->multi, NULL, 0, 1000, NULL) != CURLM_OK)) {
            code = CURLE_OUT_OF_MEMORY;
            break;
        }
    }
    while ((message = curl_multi_info_read(h->multi, &left)) != NULL) {
        code = message->msg == CURLMSG_DONE ? (int)message->data.result : code;
    }
    curl_multi_remove_handle(h->multi, h->easy);
    return h->is_cancelled ? -ECANCELED : code;
}

static int explain_curl(struct http *h, int code)
{
    const char *words = h->words[0] ? h->words : curl_easy_strerror((CURLcode)code);

    switch (code) {
    case CURLE_WRITE_ERROR:
        snprintf(h->why, sizeof(h->why), "answers with more than %zu MB", REPLY_BYTES >> 20);
        return -EMSGSIZE;
    case CURLE_COULDNT_CONNECT:
    case CURLE_COULDNT_RESOLVE_HOST:
        snprintf(h->why, sizeof(h->why), "cannot be reached: %s; is it running?", words);
        return -ECONNREFUSED;
    case CURLE_OPERATION_TIMEDOUT:
        snprintf(h->why, sizeof(h->why), "did not answer in %ld s; timeout=… gives it longer",
                 h->timeout_s);
        return -ETIMEDOUT;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CONNECT_ERROR:
        snprintf(h->why, sizeof(h->why), "cannot be trusted: %s", words);
        return -EACCES;
    default:
        snprintf(h->why, sizeof(h->why), "broke off: %s", words);
        return -ECONNRESET;
    }
}

/* A status that is no success. @return -EAGAIN where another try may help */
static int explain_status(struct http *h, long status)
{
    struct vs__http_reply reply;

    vs__http_read_error(h->reply, h->reply_bytes, &reply);
    const char *says = reply.message[0] ? reply.message : "nothing";
    if (status == 401 || status == 403) {
        snprintf(h->why, sizeof(h->why),
                 "refuses us (status %ld), it says: %s; key-file=… gives it "
                 "a key",
                 status, says);
        return -EACCES;
    }
    if (status == 404 || status == 405) {
        snprintf(h->why, sizeof(h->why),
                 "takes no audio at this path (status %ld); whisper.cpp's is /inference, others' "
                 "is " DEFAULT_PATH,
                 status);
        return -ENOENT;
    }
    if (status >= 300 && status < 400) {
        snprintf(h->why, sizeof(h->why),
                 "sends us elsewhere (status %ld), where audio does not go; "
                 "give the address itself",
                 status);
        return -EINVAL;
    }
    snprintf(h->why, sizeof(h->why), "failed (status %ld), it says: %s", status, says);
    return status == 408 || status == 429 || status >= 500 ? -EAGAIN : -EIO;
}

static int understand(struct http *h)
{
    struct vs__http_reply reply;
    const char *type = NULL;
    long http_status = 0;

    curl_easy_getinfo(h->easy, CURLINFO_RESPONSE_CODE, &http_status);
    curl_easy_getinfo(h->easy, CURLINFO_CONTENT_TYPE, &type);
    if (http_status < 200 || http_status >= 300) {
        return explain_status(h, http_status);
    }
    int status = vs__http_read(type, h->reply, h->reply_bytes, &reply);
    if (status == -EBADMSG) {
        snprintf(h->why, sizeof(h->why), "does not answer with a transcript but: %s",
                 reply.message[0] ? reply.message : "nothing");
    } else if (status == -EREMOTEIO) {
        snprintf(h->why, sizeof(h->why), "says: %s", reply.message);
    }
    if (status != 0) {
        return status;
    }
    vs__free(h->text);
    h->text = vs__alloc(3 * strlen(reply.text) + 1);
    if (h->text) {
        vs__words_clean(reply.text, strlen(reply.text), h->text);
    }
    vs__free(reply.text);
    return h->text ? 0 : -ENOMEM;
}

static int try_once(struct http *h)
{
    curl_mime *form = make_form(h);

    if (!form) {
        return -ENOMEM;
    }
    prepare(h, form);
    int code = transfer(h);
    int status = code > 0 ? explain_curl(h, code) : code;
    if (status == 0) {
        status = understand(h);
    }
    curl_easy_setopt(h->easy, CURLOPT_MIMEPOST, NULL);
    curl_mime_free(form);
    return status;
}

static bool may_pass(int status)
{
    return status == -ECONNREFUSED || status == -ECONNRESET || status == -ETIMEDOUT ||
           status == -EAGAIN;
}

/* The wait before another try; cancel() ends it. */
static void rest(struct http *h, int ms)
{
    int64_t end = vs__mono_ns() + ms * INT64_C(1000000);

    for (int64_t left; !h->is_cancelled && (left = end - vs__mono_ns()) > 0;) {
        curl_multi_poll(h->multi, NULL, 0, (int)(left / 1000000) + 1, NULL);
    }
}

/* failing ----------------------------------------------------------------------------------- */

/* The audio of a segment that has no text, for another try by hand. @return true if it was kept */
static bool keep_audio(const struct http *h, char *path, size_t size)
{
    struct timespec now;
    struct tm utc;
    char stamp[32];

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%S", &utc);
    snprintf(path, size, "%s/segment-%s.%03ld-%llu.wav", h->settings[KEEP].value, stamp,
             now.tv_nsec / 1000000, (unsigned long long)h->segment);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    size_t bytes = VS__WAV_HEADER_BYTES + 2 * h->audio.frames;
    size_t at = 0;
    while (fd >= 0 && at < bytes) {
        ssize_t n = write(fd, h->audio.wav + at, bytes - at);
        if (n <= 0) {
            break;
        }
        at += (size_t)n;
    }
    return fd >= 0 && close(fd) == 0 && at == bytes;
}

static void report(const struct http *h, int status, long tries)
{
    char path[1024], kept[1100] = "";

    if (status == -ENOMEM) {
        return;
    }
    if (h->settings[KEEP].value && keep_audio(h, path, sizeof(path))) {
        snprintf(kept, sizeof(kept), "; its audio is in %s", path);
    } else if (h->settings[KEEP].value) {
        snprintf(kept, sizeof(kept), "; its audio could not be written to %s: %s",
                 h->settings[KEEP].value, strerror(errno));
    }
    vs__log(h->log, VS_LOG_ERROR, "stt", "%s %s (segment %llu, %ld %s%s)", h->url, h->why,
            (unsigned long long)h->segment, tries, tries == 1 ? "try" : "tries", kept);
}

/* the table --------------------------------------------------------------------------------- */

static int begin_http(void *state, uint64_t segment)
{
    struct http *h = state;

    h->segment = segment;
    h->audio.frames = 0;
    h->is_cancelled = false;
    return 0;
}

static int feed_http(void *state, const float *audio, size_t frames)
{
    struct http *h = state;

    return h->is_cancelled ? -ECANCELED : vs__gather_feed(&h->audio, audio, frames);
}

static int finish_http(void *state, const char **ret)
{
    struct http *h = state;
    int status = h->is_cancelled ? -ECANCELED : 0;
    long tries = 0;

    if (status == 0 && h->audio.frames == 0) {
        *ret = "";
        return 0;
    }
    while (status == 0) {
        status = try_once(h);
        tries++;
        if (status == 0) {
            *ret = h->text;
            return 0;
        }
        if (!may_pass(status) || tries >= h->tries) {
            break;
        }
        vs__log(h->log, VS_LOG_INFO, "stt", "%s %s; trying again", h->url, h->why);
        rest(h, FIRST_PAUSE_MS << (tries - 1));
        status = h->is_cancelled ? -ECANCELED : 0;
    }
    if (status != -ECANCELED) {
        report(h, status, tries);
    }
    return status == -EAGAIN ? -EIO : status;
}

static void cancel_http(void *state)
{
    struct http *h = state;

    h->is_cancelled = true;
    curl_multi_wakeup(h->multi);
}

static void close_http(void *state)
{
    struct http *h = state;

    curl_easy_cleanup(h->easy);
    curl_multi_cleanup(h->multi);
    curl_slist_free_all(h->headers);
    vs__settings_free(h->settings, SETTINGS);
    vs__gather_fini(&h->audio);
    vs__free(h->url);
    vs__free(h->reply);
    vs__free(h->text);
}

static const struct vs_stt_ops HTTP = {
    .abi = VS_BACKEND_ABI,
    .name = "http",
    .description = "a server: whisper.cpp's, or any with OpenAI's /v1/audio/transcriptions",
    .state_size = sizeof(struct http),
    .open = open_http,
    .begin = begin_http,
    .feed = feed_http,
    .finish = finish_http,
    .cancel = cancel_http,
    .close = close_http,
};

extern const struct vs_module vs_module_entry;
VS_API const struct vs_module vs_module_entry = {.abi = VS_BACKEND_ABI, .stt = &HTTP};
