/* SPDX-License-Identifier: MIT */
/* For tests. */
#ifndef OUTBUF_LIB_SPACE_WINDOWS_H
#define OUTBUF_LIB_SPACE_WINDOWS_H

/* Not 0: do as systems do that have no placeholders (space_windows.c). Changed while there is no output. */
extern int ob__space_without_placeholders;
/* Does this one have them? */
int ob__space_has_placeholders(void);

#endif
