/* SPDX-License-Identifier: MIT */
/* FileOutputBuffer, which lld writes by, with C linkage for bench_emit: see emit_llvm.c. */
#include "llvm/Support/Error.h"
#include "llvm/Support/FileOutputBuffer.h"

#include <memory>

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

extern "C" int bench_llvm_commit(void *p)
{
	std::unique_ptr<llvm::FileOutputBuffer> buffer(static_cast<llvm::FileOutputBuffer *>(p));
	llvm::Error error = buffer->commit();
	if (!error)
		return 0;
	llvm::consumeError(std::move(error));
	return -1;
}
