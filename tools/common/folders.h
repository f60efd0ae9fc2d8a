/* SPDX-License-Identifier: MIT */
/* Where the command keeps things and looks for them, by the environment, which the library does not
   read. Strings live as long as the process. Any thread. */
#ifndef VS_TOOLS_COMMON_FOLDERS_H
#define VS_TOOLS_COMMON_FOLDERS_H

/** Folder for what can be made again, made if missing: XDG_CACHE_HOME/voicestand. NULL if it cannot
    be. */
const char *folder_cache(void);
/** Folder for what is remembered, made if missing: XDG_STATE_HOME/voicestand. NULL if it cannot
    be. */
const char *folder_state(void);
/** Folder of models, made if missing: XDG_DATA_HOME/voicestand/models. NULL if it cannot be. */
const char *folder_models(void);
/** Folder of the user's settings, XDG_CONFIG_HOME/voicestand; it need not be there. NULL if it cannot
    be told. */
const char *folder_config(void);
/** Where libopenvino_c.so may lie besides the system's folders, "A:B", with patterns. */
const char *folders_openvino(void);

#endif
