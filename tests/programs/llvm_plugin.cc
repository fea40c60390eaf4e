// SPDX-License-Identifier: MIT
// A plug-in that uses libLLVM, which its host knows nothing of: make an output and remove it.
#include "llvm/ADT/Twine.h"
#include "llvm/Support/FileOutputBuffer.h"
#include "llvm/Support/FileSystem.h"

#include <cstring>

extern "C" int make_and_remove(const char *path)
{
	auto buffer = llvm::FileOutputBuffer::create(path, 6);

	if (!buffer) {
		llvm::consumeError(buffer.takeError());
		return 1;
	}
	memcpy((*buffer)->getBufferStart(), "output", 6);
	if ((*buffer)->commit() || !llvm::sys::fs::exists(path))
		return 2;
	return llvm::sys::fs::remove(path) || llvm::sys::fs::exists(path) ? 3 : 0;
}
