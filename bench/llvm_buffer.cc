/* SPDX-License-Identifier: MIT */
/* LLVM's FileOutputBuffer, by which lld writes its output, wrapped in functions with C linkage for llvm_load.c. */
#include "llvm/Support/Error.h"
#include "llvm/Support/FileOutputBuffer.h"

#include <memory>

/*
 * Create a buffer for a file of `size` bytes; *base becomes the address of its first byte. Returns nullptr if that
 * fails.
 */
extern "C" void *bench_llvm_create(const char *path, size_t size, unsigned char **base)
{
	auto buffer = llvm::FileOutputBuffer::create(path, size);
	if (!buffer) {
		llvm::consumeError(buffer.takeError());
		return nullptr;
	}
	*base = (*buffer)->getBufferStart();
	return buffer->release();
}

/* Commit the file and free the buffer. 0, or -1 if that fails. */
extern "C" int bench_llvm_commit(void *p)
{
	std::unique_ptr<llvm::FileOutputBuffer> buffer(static_cast<llvm::FileOutputBuffer *>(p));
	llvm::Error error = buffer->commit();
	if (!error)
		return 0;
	llvm::consumeError(std::move(error));
	return -1;
}
