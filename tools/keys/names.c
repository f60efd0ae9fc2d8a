/* SPDX-License-Identifier: MIT */
/* Names of keys: what the kernel, X and the portal call each. */
#include <linux/input-event-codes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "common/options.h"
#include "keys/keys.h"

static const struct {
    const char *name;
    uint16_t code;
    uint32_t symbol;
    const char *symbol_name;
} names[] = {
    {"pause", KEY_PAUSE, 0xff13, "Pause"},
    {"scrolllock", KEY_SCROLLLOCK, 0xff14, "Scroll_Lock"},
    {"print", KEY_SYSRQ, 0xff61, "Print"},
    {"capslock", KEY_CAPSLOCK, 0xffe5, "Caps_Lock"},
    {"menu", KEY_COMPOSE, 0xff67, "Menu"},
    {"insert", KEY_INSERT, 0xff63, "Insert"},
    {"delete", KEY_DELETE, 0xffff, "Delete"},
    {"home", KEY_HOME, 0xff50, "Home"},
    {"end", KEY_END, 0xff57, "End"},
    {"pageup", KEY_PAGEUP, 0xff55, "Prior"},
    {"pagedown", KEY_PAGEDOWN, 0xff56, "Next"},
    {"space", KEY_SPACE, 0x20, "space"},
    {"tab", KEY_TAB, 0xff09, "Tab"},
    {"escape", KEY_ESC, 0xff1b, "Escape"},
    {"leftctrl", KEY_LEFTCTRL, 0xffe3, "Control_L"},
    {"rightctrl", KEY_RIGHTCTRL, 0xffe4, "Control_R"},
    {"leftalt", KEY_LEFTALT, 0xffe9, "Alt_L"},
    {"rightalt", KEY_RIGHTALT, 0xffea, "Alt_R"},
    {"leftshift", KEY_LEFTSHIFT, 0xffe1, "Shift_L"},
    {"rightshift", KEY_RIGHTSHIFT, 0xffe2, "Shift_R"},
    {"leftsuper", KEY_LEFTMETA, 0xffeb, "Super_L"},
    {"rightsuper", KEY_RIGHTMETA, 0xffec, "Super_R"},
    {"micmute", KEY_MICMUTE, 0x1008ffb2, "XF86AudioMicMute"},
    {"f1", KEY_F1, 0xffbe, "F1"},
    {"f2", KEY_F2, 0xffbf, "F2"},
    {"f3", KEY_F3, 0xffc0, "F3"},
    {"f4", KEY_F4, 0xffc1, "F4"},
    {"f5", KEY_F5, 0xffc2, "F5"},
    {"f6", KEY_F6, 0xffc3, "F6"},
    {"f7", KEY_F7, 0xffc4, "F7"},
    {"f8", KEY_F8, 0xffc5, "F8"},
    {"f9", KEY_F9, 0xffc6, "F9"},
    {"f10", KEY_F10, 0xffc7, "F10"},
    {"f11", KEY_F11, 0xffc8, "F11"},
    {"f12", KEY_F12, 0xffc9, "F12"},
    {"f13", KEY_F13, 0xffca, "F13"},
    {"f14", KEY_F14, 0xffcb, "F14"},
    {"f15", KEY_F15, 0xffcc, "F15"},
    {"f16", KEY_F16, 0xffcd, "F16"},
    {"f17", KEY_F17, 0xffce, "F17"},
    {"f18", KEY_F18, 0xffcf, "F18"},
    {"f19", KEY_F19, 0xffd0, "F19"},
    {"f20", KEY_F20, 0xffd1, "F20"},
    {"f21", KEY_F21, 0xffd2, "F21"},
    {"f22", KEY_F22, 0xffd3, "F22"},
    {"f23", KEY_F23, 0xffd4, "F23"},
    {"f24", KEY_F24, 0xffd5, "F24"},
    {"a", KEY_A, 'a', "a"},
    {"b", KEY_B, 'b', "b"},
    {"c", KEY_C, 'c', "c"},
    {"d", KEY_D, 'd', "d"},
    {"e", KEY_E, 'e', "e"},
    {"f", KEY_F, 'f', "f"},
    {"g", KEY_G, 'g', "g"},
    {"h", KEY_H, 'h', "h"},
    {"i", KEY_I, 'i', "i"},
    {"j", KEY_J, 'j', "j"},
    {"k", KEY_K, 'k', "k"},
    {"l", KEY_L, 'l', "l"},
    {"m", KEY_M, 'm', "m"},
    {"n", KEY_N, 'n', "n"},
    {"o", KEY_O, 'o', "o"},
    {"p", KEY_P, 'p', "p"},
    {"q", KEY_Q, 'q', "q"},
    {"r", KEY_R, 'r', "r"},
    {"s", KEY_S, 's', "s"},
    {"t", KEY_T, 't', "t"},
    {"u", KEY_U, 'u', "u"},
    {"v", KEY_V, 'v', "v"},
    {"w", KEY_W, 'w', "w"},
    {"x", KEY_X, 'x', "x"},
    {"y", KEY_Y, 'y', "y"},
    {"z", KEY_Z, 'z', "z"},
};

static unsigned find_modifier(const char *text, size_t length)
{
    static const struct {
        const char *name;
        unsigned bit;
    } modifiers[] = {{"ctrl", MOD_CTRL},   {"control", MOD_CTRL}, {"alt", MOD_ALT},
                     {"shift", MOD_SHIFT}, {"super", MOD_SUPER},  {"meta", MOD_SUPER}};

    for (size_t i = 0; i < sizeof(modifiers) / sizeof(modifiers[0]); i++)
        if (strlen(modifiers[i].name) == length &&
            strncasecmp(text, modifiers[i].name, length) == 0)
            return modifiers[i].bit;
    return 0;
}

bool key_parse(const char *text, struct key_spec *ret, const char **ret_near)
{
    size_t best = SIZE_MAX, length;
    unsigned modifiers = 0;

    *ret_near = "pause";
    while (length = strcspn(text, "+"), text[length] == '+') {
        unsigned bit = find_modifier(text, length);
        if (bit == 0) {
            *ret_near = "ctrl+alt+space";
            return false;
        }
        modifiers |= bit;
        text += length + 1;
    }
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        nearest_word(text, names[i].name, &best, ret_near);
        if (strcasecmp(text, names[i].name) != 0)
            continue;
        *ret = (struct key_spec){.name = names[i].name,
                                 .code = names[i].code,
                                 .symbol = names[i].symbol,
                                 .symbol_name = names[i].symbol_name,
                                 .modifiers = modifiers};
        return true;
    }
    return false;
}
