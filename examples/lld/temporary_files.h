// SPDX-License-Identifier: MIT
//
// temporary_files.h - an interrupted link leaves no temporary file

#ifndef OUTBUF_EXAMPLES_TEMPORARY_FILES_H
#define OUTBUF_EXAMPLES_TEMPORARY_FILES_H

// From now on the temporary files of the library's outputs are removed when the process exits, and when it gets SIGHUP,
// SIGINT or SIGTERM, before what the signal did until now. Any thread, any number of times.
void remove_temporary_files_at_end();

#endif
