// SPDX-License-Identifier: MIT
//
// outbuf_lld.cc - the unmodified ld.lld, and what else uses FileOutputBuffer, writes through liboutbuf
//
//     LD_PRELOAD=.../outbuf_lld.so ld.lld ...
//
// They take their output from llvm::FileOutputBuffer::create(), which is a dynamic symbol of libLLVM.so where
// distributions build it so. A definition that is loaded before libLLVM's stands in for it: what the class promises
// (FileOutputBuffer.h) is kept by an output that is handed out as a whole.
//
// ld.lld removes the old output before it asks for the buffer, so that freeing its blocks costs nothing later: an
// output that cannot be written is then lost, and its links with it. Here the old one stays until the new one is
// complete, so the second symbol that is defined is llvm::sys::fs::remove(): one call of it is passed over for each path
// that was tried with create() and given up before, which is how lld asks whether it can write there.
//
// From the environment:
//     OUTBUF_GUARD=1     a full disk is an error of commit() and not SIGBUS, where it cannot be known before
//     OUTBUF_RECYCLE=1   write over the output before last: see outbuf.h
//     OUTBUF_STATS=1     what was done, on standard error
//     OUTBUF_MAP=yes     map the output, however small: half the memory, see is_small() below
//
// Only for programs that have libLLVM loaded: others do not start with it.
//
// Compile it against the headers of the libLLVM that the tool has loaded, see scripts/lld-demo.

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

#include "outbuf.hpp"

using namespace llvm;

namespace {

bool is_wanted(const char *variable)
{
	const char *value = getenv(variable);
	return value && strcmp(value, "1") == 0;
}

// LLVM 21 turned F_no_mmap into its opposite, F_mmap, with the same value.
template <typename T> auto asks_for_memory(unsigned flags, int) -> decltype(T::F_no_mmap, bool())
{
	return flags & T::F_no_mmap;
}
template <typename T> auto asks_for_memory(unsigned flags, long) -> decltype(T::F_mmap, bool())
{
	return !(flags & T::F_mmap);
}

// Paths that could be written, and have not been written yet.
struct {
	std::mutex lock;
	std::multiset<std::string> paths; // any thread, under the lock
} tried;

// A path is as good as new, and who removes it now means it.
void forget(const std::string &path)
{
	std::lock_guard<std::mutex> guard(tried.lock);
	tried.paths.erase(path);
}

// The number behind a word in a file of the kernel's; `otherwise` if there is none.
uint64_t number_in(const char *path, const char *word, uint64_t otherwise)
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

// Storing to memory of ours in large pages, and writing that to the file, is faster than storing to a mapping, page by page
// (README.md has figures), and cannot be SIGBUS. But it is memory twice: so only where there is plenty, for 16 links at once.
bool is_small(size_t size)
{
	uint64_t available = number_in("/proc/meminfo", "MemAvailable:", 0) * 1024;
	uint64_t allowed = number_in("/sys/fs/cgroup/memory.max", "", UINT64_MAX); // a container's; there is none at the root
	return size <= std::min(available, allowed) / 16;
}

// tryCreateFile() asks for one byte, and no program is as short.
bool is_try(size_t size)
{
	return size == 1;
}

liboutbuf::options options_for(unsigned flags)
{
	liboutbuf::options options = liboutbuf::default_options();

	options.mode = flags & FileOutputBuffer::F_executable ? 0777 : 0666;
	if (asks_for_memory<FileOutputBuffer>(flags, 0))
		options.map = OUTBUF_NO;
	options.guard = is_wanted("OUTBUF_GUARD");
	return options;
}

class Buffer : public FileOutputBuffer {
public:
	Buffer(StringRef path, liboutbuf::output out, liboutbuf::bytes bytes, bool is_special)
	    : FileOutputBuffer(path), out_(std::move(out)), bytes_(bytes), is_special_(is_special)
	{
	}

	// A path that was only tried may be "removed" once.
	~Buffer() override
	{
		if (is_try(bytes_.size()) && out_ && !committed_ && !discarded_) {
			std::lock_guard<std::mutex> guard(tried.lock);
			tried.paths.insert(FinalPath);
		}
	}

	uint8_t *getBufferStart() const override { return reinterpret_cast<uint8_t *>(bytes_.data()); }
	uint8_t *getBufferEnd() const override { return getBufferStart() + bytes_.size(); }
	size_t getBufferSize() const override { return bytes_.size(); }

	Error commit() override
	{
		std::error_code error;

		// What the program has printed comes before what it makes.
		if (FinalPath == "-")
			outs().flush();
		out_.commit(error);
		if (!error && is_special_)
			write_special(error);
		if (is_wanted("OUTBUF_STATS"))
			tell();
		// The tools name the file if it cannot be created, but not here.
		if (error)
			return createFileError(FinalPath == "-" ? "standard output" : FinalPath, error);
		committed_ = true;
		forget(FinalPath);
		return Error::success();
	}

	// Other threads may go on writing into the memory.
	void discard() override
	{
		discarded_ = true;
		out_.discard();
	}

private:
	// From memory to what cannot be replaced: a pipe is opened now, and not when it was only tried.
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

	void tell() const
	{
		liboutbuf::statistics s = out_.stats();

		fprintf(stderr, "outbuf: %s: %" PRIu64 " bytes, %" PRIu64 " mapped, %s, %s, %s%s%s, %" PRIu64 " faults\n",
		        FinalPath.c_str(), s.output_size, s.mapped, s.file_system, s.backend, s.placement,
		        s.recycle_why ? ", not recycled: " : "", s.recycle_why ? s.recycle_why : "", s.faults);
	}

	liboutbuf::output out_;
	liboutbuf::bytes bytes_;
	bool is_special_, committed_ = false, discarded_ = false;
};

} // namespace

Expected<std::unique_ptr<FileOutputBuffer>> FileOutputBuffer::create(StringRef path, size_t size, unsigned flags)
{
	sys::fs::file_status status;
	std::error_code error;

	sys::fs::status(path, status);
	bool is_special = path != "-" && sys::fs::exists(status) && sys::fs::is_other(status);
	liboutbuf::options options = options_for(flags);
	// Giving a try up would cost the spare.
	options.recycle = !is_try(size) && is_wanted("OUTBUF_RECYCLE");
	bool our_choice = options.map == OUTBUF_AUTO && !getenv("OUTBUF_MAP") && is_small(size);
	if (our_choice)
		options.map = OUTBUF_NO;
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
		// Not as much as it seemed (ulimit -d, vm.overcommit_memory=2): a mapping counts otherwise.
		options.map = OUTBUF_AUTO;
	} while (error == std::errc::not_enough_memory && std::exchange(our_choice, false));
	if (error)
		return errorCodeToError(error);
	return std::make_unique<Buffer>(path, std::move(out), bytes, is_special);
}

std::error_code llvm::sys::fs::remove(const Twine &path, bool ignore_missing)
{
	using function = std::error_code(const Twine &, bool);
	static const auto real =
	        reinterpret_cast<function *>(dlsym(RTLD_NEXT, "_ZN4llvm3sys2fs6removeERKNS_5TwineEb"));

	{
		std::lock_guard<std::mutex> guard(tried.lock);
		auto found = tried.paths.find(path.str());
		if (found != tried.paths.end()) {
			tried.paths.erase(found);
			return {};
		}
	}
	return real ? real(path, ignore_missing) : std::make_error_code(std::errc::function_not_supported);
}
