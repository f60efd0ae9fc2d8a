/* SPDX-License-Identifier: MIT */
/* The connection to a PipeWire server, and what is there to capture from. Part of the pipewire
   module: only its source files include PipeWire's headers. */
#ifndef VS_SRC_CAPTURE_PIPEWIRE_SERVER_H
#define VS_SRC_CAPTURE_PIPEWIRE_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include <pipewire/pipewire.h>

#include <voicestand/backend.h>

#define VS__PW_NODES_MAX 128

/** Something with audio that a stream can be connected to. */
struct vs__pw_node {
    char name[160], description[160], serial[24];
    bool is_source; /* a microphone, real or virtual; not the monitor of an output */
};

struct vs__pw_server {
    bool listens;                /* has an audio thread; false = only looks at what is there */
    struct pw_thread_loop *loop; /* its thread runs all callbacks but the audio */
    struct pw_context *context;  /* owns the thread of the audio */
    struct pw_core *core;
    struct spa_hook core_hook;
    struct pw_registry *registry; /* of one that listens; NULL = none */
    struct spa_hook registry_hook;
    /* In the loop's thread: the server is gone; a microphone, a session manager is there, which is also told of
       those that were there before. All are only told to one that listens. */
    void (*on_broken)(void *user);
    void (*on_microphone)(void *user);
    void (*on_manager)(void *user);
    void (*on_socket)(
        void *user); /* of one that watches: a server's socket was made, and is to listen */
    void *user;
    struct spa_source *watch; /* on the folder of the socket; NULL = none */
    char socket_name[256];
    int pending; /* number of the sync that is waited for */
    bool is_done, is_broken;
    uint32_t rate_hz; /* of the graph, 0 = not said */
};

/** What the registry held. */
struct vs__pw_catalogue {
    struct vs__pw_node nodes[VS__PW_NODES_MAX];
    size_t count;
    char default_source[160]; /* name of a node, "" = none */
};

/** Make the loop and start its thread. @return 0 or -ENOMEM, -EAGAIN. */
int vs__pw_start(struct vs__pw_server *s);
/** Connect; the loop is locked or it is its thread that calls. May be tried again after a failure, which
    is cheap. @return 0, -EHOSTDOWN or -errno. */
int vs__pw_connect(struct vs__pw_server *s);
/** Look at all nodes; the loop is locked by another thread than its own.
    @return 0, -EHOSTDOWN if the server does not answer before `deadline_ns` (vs__mono_ns()). */
int vs__pw_look(struct vs__pw_server *s, int64_t deadline_ns, struct vs__pw_catalogue *ret);
/** Undo vs__pw_connect(); harmless if it failed. Same rule of locking. */
void vs__pw_disconnect(struct vs__pw_server *s);
/** Tell on_socket() when a server's socket is made, from now on; where that cannot be seen, nothing is told, and
    tries at times must do. Same rule of locking. */
void vs__pw_watch(struct vs__pw_server *s);
/** Undo vs__pw_watch(); harmless without. Not within on_socket(). Same rule of locking. */
void vs__pw_unwatch(struct vs__pw_server *s);
/** Undo vs__pw_start(); the loop is not locked. */
void vs__pw_stop(struct vs__pw_server *s);

#endif
