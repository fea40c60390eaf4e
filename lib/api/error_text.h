/* SPDX-License-Identifier: MIT */
#ifndef OUTBUF_LIB_ERROR_TEXT_H
#define OUTBUF_LIB_ERROR_TEXT_H

/*
 * An output could not be opened: note that for outbuf_error_text(NULL, ...) on this thread. `path` may be NULL. Any
 * thread. Returns `error`.
 */
int ob__error_text_note_open(const char *path, int error);

#endif
