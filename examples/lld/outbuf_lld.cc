// SPDX-License-Identifier: MIT
//
// outbuf_lld.cc - lets an unmodified ld.lld, and other programs that use FileOutputBuffer, write through liboutbuf
//
//     LD_PRELOAD=.../outbuf_lld.so ld.lld ...
//
// These programs get their output from llvm::FileOutputBuffer::create(). Where distributions link them dynamically,
// this is a dynamic symbol of libLLVM.so, and a definition that is loaded before libLLVM replaces it. The replacement
// hands out one raw buffer of an output for the whole file, and keeps the promises of the class (FileOutputBuffer.h).
//
// ld.lld removes the old output before it asks for the buffer, so that freeing the old blocks costs nothing later. If
// the new output then cannot be written, the old one is lost, and so are its links. With this library the old output
// stays until the new one is complete. For that it replaces a second symbol, llvm::sys::fs::remove(). lld tests whether
// it can write to a path by calling create() and giving the buffer up. After each such test, the next remove() of that
// path is ignored.
//
// Environment variables:
//     OUTBUF_GUARD=1     a full disk makes commit() fail instead of raising SIGBUS, where it cannot be found earlier
//     OUTBUF_RECYCLE=1   write over the output before last, see outbuf.h
//     OUTBUF_DURABILITY=data, or full: wait for the disk, see outbuf.h
//     OUTBUF_STATS=1     print statistics to standard error
//     OUTBUF_MAP=yes     map the output, however small it is: this takes half the memory, see fits_in_memory_twice()
//
// It may be preloaded around a whole build: in a program without libLLVM, or with one of another version, it does
// nothing. So all references to LLVM's symbols are weak, and the two definitions have the version of LLVM's:
// examples/lld/build sees to both. For a program that loads libLLVM later, by dlopen(3), it calls LLVM's own functions.
//
// Compile this file against the headers of the libLLVM that the program loads: examples/lld/build, scripts/lld-demo.

#include "llvm/ADT/Twine.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/FileOutputBuffer.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/raw_ostream.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>

#include "memory_limit.h"
#include "outbuf.hpp"
#include "temporary_files.h"

using namespace llvm;

namespace {

// One of libLLVM's functions. Its address is found when this library is loaded, and is NULL if libLLVM was not there.
extern "C" const char some_function_of_llvm __asm__("_ZN4llvm4outsEv") __attribute__((weak));

// Can this library call LLVM's functions?
bool is_llvm_here()
{
	return &some_function_of_llvm != nullptr;
}

// The function that one of ours has replaced, for a caller at this address. If libLLVM was loaded by dlopen(3), only
// the caller's dependences lead to it.
template <typename Function> Function *replaced_function(const char *name, void *caller)
{
	void *found = dlsym(RTLD_NEXT, name);
	Dl_info info;

	if (!found && dladdr(caller, &info)) {
		void *object = dlopen(info.dli_fname, RTLD_LAZY | RTLD_NOLOAD);
		found = object ? dlsym(object, name) : nullptr;
		if (object)
			dlclose(object);
	}
	// Then the caller could not have been linked.
	if (!found)
		abort();
	return reinterpret_cast<Function *>(found);
}

// Has the environment variable the value 1?
bool is_set_to_1(const char *variable)
{
	const char *value = getenv(variable);
	return value && strcmp(value, "1") == 0;
}

// What the environment asks for. Unknown words count as none.
uint32_t wanted_durability()
{
	const char *level = getenv("OUTBUF_DURABILITY");
	if (level && strcmp(level, "data") == 0)
		return OUTBUF_DURABLE_DATA;
	return level && strcmp(level, "full") == 0 ? OUTBUF_DURABLE_FULL : OUTBUF_DURABLE_NONE;
}

// Do the flags ask for a buffer in memory, and not for a mapping? LLVM 21 replaced F_no_mmap by its opposite, F_mmap,
// with the same value.
template <typename T> auto asks_for_memory(unsigned flags, int) -> decltype(T::F_no_mmap, bool())
{
	return flags & T::F_no_mmap;
}
template <typename T> auto asks_for_memory(unsigned flags, long) -> decltype(T::F_mmap, bool())
{
	return !(flags & T::F_mmap);
}

// Paths that lld has tested successfully, and has not written yet.
struct {
	std::mutex lock;
	std::multiset<std::string> paths; // one entry per test; any thread, under the lock
} tested;

// The path was written. From now on a remove() of it is meant to remove the output.
void forget_tests(const std::string &path)
{
	std::lock_guard<std::mutex> guard(tested.lock);
	tested.paths.erase(path);
}

// The number that follows `word` at the start of a line in one of the kernel's text files; `otherwise` if there is
// none.
uint64_t number_after(const char *path, const char *word, uint64_t otherwise)
{
	char line[256];
	FILE *file = fopen(path, "re");

	while (file && fgets(line, sizeof line, file))
		if (strncmp(line, word, strlen(word)) == 0 && sscanf(line + strlen(word), "%" SCNu64, &otherwise) == 1)
			break;
	if (file)
		fclose(file);
	return otherwise;
}

// Is there so much memory that the output need not be mapped? Storing into private memory with large pages, and writing
// that to the file, is faster than storing into a mapping page by page (README.md has figures), and cannot raise
// SIGBUS. But it takes the memory twice: private memory and the page cache. So this is true only if the available
// memory would do for 16 links at once.
bool fits_in_memory_twice(size_t size)
{
	uint64_t available = number_after("/proc/meminfo", "MemAvailable:", 0) * 1024;
	return size <= std::min(available, memory_limit("")) / 16;
}

// Is this lld's test whether it can write to the path? tryCreateFile() asks for one byte, and no program is that short.
bool is_test(size_t size)
{
	return size == 1;
}

liboutbuf::options options_for(unsigned flags)
{
	liboutbuf::options options = liboutbuf::default_options();

	options.mode = flags & FileOutputBuffer::F_executable ? 0777 : 0666;
	if (asks_for_memory<FileOutputBuffer>(flags, 0))
		options.map = OUTBUF_NO;
	options.guard = is_set_to_1("OUTBUF_GUARD");
	// As LLVM, which copies its temporary file where it cannot be renamed.
	options.replace = OUTBUF_REPLACE_ELSE_IN_PLACE;
	return options;
}

// The buffer that a program gets: the memory of one output.
class Buffer : public FileOutputBuffer {
public:
	Buffer(StringRef path, liboutbuf::output out, liboutbuf::bytes bytes, bool is_special)
	    : FileOutputBuffer(path), out_(std::move(out)), bytes_(bytes), is_special_(is_special)
	{
	}

	// If the path was only tested, the next remove() of it is ignored.
	~Buffer() override
	{
		if (is_test(bytes_.size()) && out_ && !committed_ && !discarded_) {
			std::lock_guard<std::mutex> guard(tested.lock);
			tested.paths.insert(FinalPath);
		}
	}

	uint8_t *getBufferStart() const override { return reinterpret_cast<uint8_t *>(bytes_.data()); }
	uint8_t *getBufferEnd() const override { return getBufferStart() + bytes_.size(); }
	size_t getBufferSize() const override { return bytes_.size(); }

	Error commit() override
	{
		std::error_code error;

		// On standard output, what the program has printed before must come before the output.
		if (FinalPath == "-")
			outs().flush();
		out_.commit(error);
		if (!error && is_special_)
			write_special(error);
		if (is_set_to_1("OUTBUF_STATS"))
			print_statistics();
		// The programs name the file in their message if create() fails, but not if commit() fails. The
		// sentence of the library names it.
		if (error) {
			char text[600];

			::outbuf_error_text(out_.get(), text, sizeof text);
			return make_error<StringError>(text, error);
		}
		committed_ = true;
		forget_tests(FinalPath);
		return Error::success();
	}

	// The memory stays: other threads may go on writing into it.
	void discard() override
	{
		discarded_ = true;
		out_.discard();
	}

private:
	// Copy the output from memory to a file that cannot be replaced, such as a pipe. The pipe is opened only now,
	// so that a test of the path does not open it.
	void write_special(std::error_code &error)
	{
		liboutbuf::output special(FinalPath, options_for(0), error);

		if (!error)
			special.view(0, out_.size(), error).write(out_.memory());
		if (!error)
			special.commit(error);
		if (special)
			out_ = std::move(special);
	}

	void print_statistics() const
	{
		liboutbuf::statistics s = out_.stats();

		fprintf(stderr,
		        "outbuf: %s: %" PRIu64 " bytes, %" PRIu64 " mapped, %s, %s, %s%s%s%s%s, %" PRIu64 " faults\n",
		        FinalPath.c_str(), s.output_size, s.mapped, s.file_system, s.backend, s.placement,
		        s.recycle_why ? ", not recycled: " : "", s.recycle_why ? s.recycle_why : "",
		        s.replace_error ? ", written over: " : "", s.replace_error ? strerror(-s.replace_error) : "",
		        s.faults);
	}

	liboutbuf::output out_;
	liboutbuf::bytes bytes_; // all bytes of out_, until commit
	// is_special_: out_ is in memory, and commit() copies it to the pipe or device at the path.
	bool is_special_, committed_ = false, discarded_ = false;
};

} // namespace

Expected<std::unique_ptr<FileOutputBuffer>> FileOutputBuffer::create(StringRef path, size_t size, unsigned flags)
{
	sys::fs::file_status status;
	std::error_code error;

	if (!is_llvm_here())
		return replaced_function<decltype(create)>("_ZN4llvm16FileOutputBuffer6createENS_9StringRefEmj",
		                                           __builtin_return_address(0))(path, size, flags);
	sys::fs::status(path, status);
	bool is_special = path != "-" && sys::fs::exists(status) && sys::fs::is_other(status);
	liboutbuf::options options = options_for(flags);
	// A test is given up, and that would delete the spare.
	options.recycle = !is_test(size) && is_set_to_1("OUTBUF_RECYCLE");
	if (!is_test(size))
		options.durability = wanted_durability();
	else
		// Where it is written in place, a mapping would empty the old output.
		options.map = OUTBUF_NO;
	bool we_chose_memory = options.map == OUTBUF_AUTO && !getenv("OUTBUF_MAP") && fits_in_memory_twice(size);
	if (we_chose_memory)
		options.map = OUTBUF_NO;
	remove_temporary_files_at_end();
	liboutbuf::output out;
	liboutbuf::bytes bytes;
	do {
		error.clear();
		out = {};
		out = is_special ? liboutbuf::output::in_memory(options, error)
		                 : liboutbuf::output(path.str(), options, error);
		if (!error)
			out.map(size, error);
		if (!error)
			bytes = out.data(0, size, error);
		// There may be less memory than it seemed (ulimit -d, vm.overcommit_memory=2). A mapping does not count
		// there, so try again with one.
		options.map = OUTBUF_AUTO;
	} while (error == std::errc::not_enough_memory && std::exchange(we_chose_memory, false));
	if (error)
		return errorCodeToError(error);
	return std::make_unique<Buffer>(path, std::move(out), bytes, is_special);
}

std::error_code llvm::sys::fs::remove(const Twine &path, bool ignore_missing)
{
	auto real = replaced_function<decltype(remove)>("_ZN4llvm3sys2fs6removeERKNS_5TwineEb",
	                                                __builtin_return_address(0));

	if (is_llvm_here()) {
		std::lock_guard<std::mutex> guard(tested.lock);
		auto found = tested.paths.find(path.str());
		if (found != tested.paths.end()) {
			tested.paths.erase(found);
			return {};
		}
	}
	return real(path, ignore_missing);
}
