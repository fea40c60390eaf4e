/* SPDX-License-Identifier: MIT */
/*
 * outbuf.hpp - outbuf.h for C++17 and later: owning classes, and errors as codes or as exceptions
 *
 *     liboutbuf::output out("program", options);        // throws std::system_error
 *     out.map(size);
 *     parallel_for(sections, [&](const section &s) {
 *             liboutbuf::view v = out.view(s.offset, s.size);
 *             v.write(s.data, s.size);
 *     });                                               // the destructor of `v` ends the View
 *     out.commit();
 *
 * Everything here only calls outbuf.h. The comments there say what each call does, which threads may call it and when,
 * and which errors it returns. Most names are the same without "outbuf_". This header needs liboutbuf alone. It
 * has no virtual functions and uses no run-time type information. The namespace is liboutbuf, because `outbuf` is a
 * struct.
 *
 * Errors. Every function that can fail exists twice, as in std::filesystem. One overload has a std::error_code & as
 * its last parameter and is noexcept. The other throws std::system_error; it does not exist if the compiler has no
 * exceptions (-fno-exceptions). Error codes are of std::generic_category(), so they compare with std::errc.
 *
 * A View's writes return nothing. Its first error is sticky for the output, and commit() reports it. To learn of it
 * earlier, call end() or error() of the View. So is a write to a View that has ended: commit() fails by EBADF then. The
 * destructors end the View and close the output, and report no errors.
 *
 * An output may be empty: after it was moved from, or if it was not opened. Only three things may be done with an
 * empty output: convert it to bool, destroy it, and assign to it.
 *
 * Outputs can be moved. A View refers to the C library's output, which stays where it is when an `output` is moved.
 *
 * Views can be neither copied nor moved: a View is a local variable, or a member, and ends with its scope. A thread
 * opens the Views that it writes to itself, as above; any thread may, at any time. commit() ends the Views that the
 * calling thread opened, if it is the owner: the thread that opened the output, or that last called map(), unmap(),
 * set_size(), flush() or sync(). A View that another thread opened makes commit() fail by EBUSY as long as it is open.
 * If a program lends a View to another thread, by a reference or inside an object on the heap, that thread must be done
 * with it when commit() is called: nothing detects that, and bytes would be lost.
 */
#ifndef OUTBUF_HPP
#define OUTBUF_HPP

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>

#if __cplusplus > 201703L && __has_include(<span>)
#include <span>
#endif

#include "outbuf.h"

namespace liboutbuf {

/*
 * The type `bytes` depends on the language version. The inline namespace gives its users different names for the
 * linker, so one program may consist of C++17 and C++20 files.
 */
#if defined(__cpp_lib_span)
inline namespace cxx20 {
#else
inline namespace cxx17 {
#endif

using options = ::outbuf_options;
using statistics = struct ::outbuf_stats;
using phase = ::outbuf_phase;

inline constexpr std::uint64_t unbounded = OUTBUF_UNBOUNDED;

/* Options with everything at its default. */
inline options default_options() noexcept
{
	return options OUTBUF_OPTIONS_INIT;
}

/* Bytes of the output: std::span<std::byte> in C++20; before, a class with the part of its interface that is used. */
#if defined(__cpp_lib_span)
using bytes = std::span<std::byte>;
#else
class bytes {
public:
	constexpr bytes() noexcept = default;
	constexpr bytes(std::byte *data, std::size_t size) noexcept : data_(data), size_(size) {}
	constexpr std::byte *data() const noexcept { return data_; }
	constexpr std::size_t size() const noexcept { return size_; }
	constexpr bool empty() const noexcept { return size_ == 0; }
	constexpr std::byte *begin() const noexcept { return data_; }
	constexpr std::byte *end() const noexcept { return data_ + size_; }
	constexpr std::byte &operator[](std::size_t i) const noexcept { return data_[i]; }
	constexpr bytes subspan(std::size_t offset, std::size_t n) const noexcept { return { data_ + offset, n }; }

private:
	std::byte *data_ = nullptr;
	std::size_t size_ = 0;
};
#endif

namespace detail {

/* The error code for the result of a C function, which is 0 or a negative errno. */
inline std::error_code code(int result) noexcept
{
	return result < 0 ? std::error_code(-result, std::generic_category()) : std::error_code();
}

/* An address that no other thread gets as long as this one lives. */
inline const void *this_thread() noexcept
{
	static thread_local char here;
	return &here;
}

/*
 * An outbuf_block that calls the caller's function object. `function` is the address of a pointer to it. Exceptions
 * cannot pass through C, so the function must not throw.
 */
template <typename Function>
int block(void *function, std::uint64_t index, std::uint64_t offset, const void *data, std::size_t n)
{
	return (**static_cast<Function **>(function))(index, offset, static_cast<const std::byte *>(data), n);
}

} // namespace detail

class view;

#if defined(__cpp_exceptions)
/*
 * What is thrown. code() is the result of the call. what() is the sentence of outbuf_error_text(), which names the
 * output's path once. It is about the output's sticky error if there is one, and that is not always the code: the
 * output may have failed before, by something else.
 */
class failure : public std::system_error {
public:
	failure(std::error_code error, std::string text) : std::system_error(error), text_(std::move(text)) {}
	const char *what() const noexcept override { return text_.c_str(); }

private:
	std::string text_;
};
#endif

namespace detail {

#if defined(__cpp_exceptions)
/* Throw if `result` is a negative errno of a call for this output. nullptr: it could not be opened. */
inline void check(::outbuf *ob, int result)
{
	if (result >= 0)
		return;
	std::string text;
	std::size_t length = 0;
	/* Another thread may fail in between, and the sentence be longer then. */
	do {
		text.resize(length + 1);
		length = ::outbuf_error_text(ob, &text[0], text.size());
	} while (length >= text.size());
	text.resize(length);
	throw failure(code(result), std::move(text));
}
#endif

/*
 * What an output and the Views share that were opened by the owner's thread. So commit() can end them:
 * of `auto v = out.view(0, 5); v.write("hello"); out.commit();` everybody expects that it works. And a View that
 * outlives its output does not use it. Views of other threads do not share it, so they pay for no lock.
 */
struct own_views {
	std::atomic_flag busy = ATOMIC_FLAG_INIT; /* the lock of all below: any thread may end a View */
	::outbuf *ob = nullptr;                   /* nullptr once it is closed */
	view *first = nullptr;                    /* the list of the open ones */
	std::atomic<const void *> thread{ this_thread() }; /* of the owner; written by it */
	std::atomic<unsigned> users{ 1 }; /* the output, and Views that may still fail it */

	void lock() noexcept
	{
		while (busy.test_and_set(std::memory_order_acquire))
			continue;
	}
	void unlock() noexcept { busy.clear(std::memory_order_release); }
};

/* A user of it, or nullptr. Not a std::shared_ptr: that cannot be made without exceptions when memory is short. */
class own_views_ref {
public:
	own_views_ref() noexcept = default;
	explicit own_views_ref(own_views *shared) noexcept : shared_(shared) {}
	own_views_ref(const own_views_ref &other) noexcept : shared_(other.shared_)
	{
		if (shared_)
			shared_->users.fetch_add(1, std::memory_order_relaxed);
	}
	own_views_ref(own_views_ref &&other) noexcept : shared_(std::exchange(other.shared_, nullptr)) {}
	own_views_ref &operator=(own_views_ref other) noexcept
	{
		std::swap(shared_, other.shared_);
		return *this;
	}
	~own_views_ref()
	{
		if (shared_ && shared_->users.fetch_sub(1, std::memory_order_acq_rel) == 1)
			delete shared_;
	}
	own_views *operator->() const noexcept { return shared_; }
	explicit operator bool() const noexcept { return shared_ != nullptr; }

private:
	own_views *shared_ = nullptr;
};

} // namespace detail

/*
 * A View, which output::view() and output::edit() make where the caller wants it. One thread uses it at a time. It
 * cannot be moved. For Views in a std::deque, std::list or std::optional, give a class a View as its member, and
 * emplace that class:
 *
 *     struct section_writer {
 *             liboutbuf::view v;
 *             section_writer(liboutbuf::output &out, const section &s) : v(out.view(s.offset, s.size)) {}
 *     };
 *
 * No thread may be using a View while its output is destroyed or assigned to. Afterwards writes do nothing to Views
 * that the owner's thread opened. All others must have ended before, and may only be destroyed.
 */
class view {
public:
	view(const view &) = delete;
	view &operator=(const view &) = delete;
	/* Not alone on the heap: its owner might be another thread then, and commit() must not end it. */
	static void *operator new(std::size_t) = delete;
	~view() { close(); }

	bool is_open() const noexcept { return v_.ob != nullptr; }

	/* The first error of the View so far; EBADF once it has ended. */
	std::error_code error() const noexcept { return detail::code(v_.error); }

	/* End the View, and set `error` to its first error. */
	void end(std::error_code &error) noexcept { error = detail::code(end_it()); }

	std::uint64_t tell() const noexcept { return ::outbuf_tell(&v_); }
	void seek(std::uint64_t offset) noexcept { used(::outbuf_seek(&v_, offset)); }

	void write(const void *data, std::size_t n) noexcept { used(::outbuf_write(&v_, data, n)); }
	void write(std::string_view text) noexcept { used(::outbuf_write(&v_, text.data(), text.size())); }
#if defined(__cpp_lib_span)
	void write(std::span<const std::byte> data) noexcept { used(::outbuf_write(&v_, data.data(), data.size())); }
#endif

	/* An integer or enumerator of 1, 2, 4 or 8 bytes: in the output's byte order, little-endian, big-endian. */
	template <typename T> void put(T x) noexcept
	{
		put_by<::outbuf_write16, ::outbuf_write32, ::outbuf_write64>(x);
	}
	template <typename T> void put_le(T x) noexcept
	{
		put_by<::outbuf_write16le, ::outbuf_write32le, ::outbuf_write64le>(x);
	}
	template <typename T> void put_be(T x) noexcept
	{
		put_by<::outbuf_write16be, ::outbuf_write32be, ::outbuf_write64be>(x);
	}

	void fill(std::byte byte, std::size_t n) noexcept
	{
		used(::outbuf_fill(&v_, static_cast<std::uint8_t>(byte), n));
	}
	void align(std::uint64_t alignment, std::byte byte = std::byte{ 0 }) noexcept
	{
		used(::outbuf_align(&v_, alignment, static_cast<std::uint8_t>(byte)));
	}
	void uleb128(std::uint64_t x) noexcept { used(::outbuf_uleb128(&v_, x)); }
	void sleb128(std::int64_t x) noexcept { used(::outbuf_sleb128(&v_, x)); }

	/* The result is empty after an error. */
	bytes write_ref(const void *data, std::size_t n) noexcept
	{
		void *ref = nullptr;
		int result = used(::outbuf_write_ref(&v_, data, n, &ref));
		return result < 0 ? bytes() : bytes(static_cast<std::byte *>(ref), n);
	}
	bytes reserve(std::size_t n) noexcept
	{
		void *ref = nullptr;
		return used(::outbuf_reserve(&v_, n, &ref)) < 0 ? bytes() : bytes(static_cast<std::byte *>(ref), n);
	}

	/* For C functions that this class does not have, and for hot loops on a copy, see struct outbuf_view. */
	struct ::outbuf_view *get() noexcept { return &v_; }

#if defined(__cpp_exceptions)
	void end()
	{
		bool was_open = is_open();
		int result = end_it();

		/* The output may be gone. */
		if (!was_open && result < 0)
			throw failure(detail::code(result), "the View is not open");
		detail::check(of_, result);
	}
#endif

private:
	/* The functions are template arguments and not pointers, so that calls of them can be inlined, as in C. */
	template <auto write16, auto write32, auto write64, typename T> void put_by(T x) noexcept
	{
		static_assert(std::is_integral_v<T> || std::is_enum_v<T>, "an integer or an enumerator");
		static_assert(sizeof(T) == 1 || sizeof(T) == 2 || sizeof(T) == 4 || sizeof(T) == 8,
		              "of 1, 2, 4 or 8 bytes");
		if constexpr (sizeof(T) == 1)
			used(::outbuf_write8(&v_, static_cast<std::uint8_t>(x)));
		else if constexpr (sizeof(T) == 2)
			used(write16(&v_, static_cast<std::uint16_t>(x)));
		else if constexpr (sizeof(T) == 4)
			used(write32(&v_, static_cast<std::uint32_t>(x)));
		else
			used(write64(&v_, static_cast<std::uint64_t>(x)));
	}

	using opener = int(::outbuf *, struct ::outbuf_view *, std::uint64_t, std::uint64_t);

	view(opener *open, ::outbuf *ob, const detail::own_views_ref &shared, std::uint64_t offset,
	     std::uint64_t length, std::error_code &error) noexcept
	{
		error = detail::code(open_by(open, ob, shared, offset, length));
	}
#if defined(__cpp_exceptions)
	view(opener *open, ::outbuf *ob, const detail::own_views_ref &shared, std::uint64_t offset,
	     std::uint64_t length)
	{
		detail::check(ob, open_by(open, ob, shared, offset, length));
	}
#endif

	int open_by(opener *open, ::outbuf *ob, const detail::own_views_ref &shared, std::uint64_t offset,
	            std::uint64_t length) noexcept
	{
		int result = open(ob, &v_, offset, length);

		of_ = ob;
		thread_ = detail::this_thread();
		if (shared && shared->thread.load(std::memory_order_relaxed) == thread_)
			shared_ = shared;
		if (result == 0)
			link();
		return result;
	}

	/*
	 * The result of a write. These functions return nothing, and a View that has ended belongs to no output any
	 * more: so the error is made the sticky error of the output that it belonged to. The
	 * comparison is only made on the slow path, as the inline functions return the constant 0 on the fast one.
	 */
	int used(int result) noexcept
	{
		if (OUTBUF_RARELY(result < 0) && !v_.ob && of_)
			fail(result);
		return result;
	}

	void fail(int result) noexcept
	{
		if (!shared_) {
			::outbuf_fail(of_, result);
			return;
		}
		shared_->lock();
		if (shared_->ob)
			::outbuf_fail(shared_->ob, result);
		shared_->unlock();
	}

	/* Ends the View if it is open: outbuf_view_end() of one that is not would return -EBADF. */
	void close() noexcept
	{
		/* In the list, and not open: it was ended by C's function. */
		if (v_.ob || is_linked_)
			end_it();
	}

	int end_it() noexcept
	{
		unlink();
		return ::outbuf_view_end(&v_);
	}

	void link() noexcept
	{
		if (!shared_)
			return;
		shared_->lock();
		is_linked_ = true;
		previous_ = nullptr;
		next_ = shared_->first;
		if (next_)
			next_->previous_ = this;
		shared_->first = this;
		shared_->unlock();
	}

	void unlink() noexcept
	{
		if (!is_linked_)
			return;
		shared_->lock();
		(previous_ ? previous_->next_ : shared_->first) = next_;
		if (next_)
			next_->previous_ = previous_;
		is_linked_ = false;
		shared_->unlock();
	}

	friend class output;
	struct ::outbuf_view v_ = {};
	struct ::outbuf *of_ = nullptr; /* the output that it belongs or belonged to; with shared_, shared_->ob tells */
	detail::own_views_ref shared_;               /* none: opened by another thread than the owner */
	const void *thread_ = nullptr;               /* that opened it */
	view *next_ = nullptr, *previous_ = nullptr; /* in the list, if it is linked */
	bool is_linked_ = false;
};

/* An output. The destructor closes it, and discards it if it is neither committed nor discarded. */
class output {
public:
	output() noexcept = default;
	output(output &&other) noexcept : ob_(std::exchange(other.ob_, nullptr)), own_(std::move(other.own_)) {}
	output(const output &) = delete;
	output &operator=(const output &) = delete;
	output &operator=(output &&other) noexcept
	{
		if (this != &other) {
			close();
			ob_ = std::exchange(other.ob_, nullptr);
			own_ = std::move(other.own_);
		}
		return *this;
	}
	~output() { close(); }

	/* After an error the object is empty. */
	output(const std::string &path, const options &o, std::error_code &error) noexcept
	{
		error = detail::code(created(::outbuf_open(&ob_, path.c_str(), &o)));
	}
	static output from_fd(int fd, const options &o, std::error_code &error) noexcept
	{
		output out;
		error = detail::code(out.created(::outbuf_open_fd(&out.ob_, fd, &o)));
		return out;
	}
	static output in_memory(const options &o, std::error_code &error) noexcept
	{
		output out;
		error = detail::code(out.created(::outbuf_open_memory(&out.ob_, &o)));
		return out;
	}

	explicit operator bool() const noexcept { return ob_ != nullptr; }

	void map(std::uint64_t size, std::error_code &error) noexcept
	{
		error = detail::code(::outbuf_map(owned(), size));
	}
	void unmap(std::error_code &error) noexcept { error = detail::code(::outbuf_unmap(owned())); }
	void set_size(std::uint64_t size, std::error_code &error) noexcept
	{
		error = detail::code(::outbuf_set_size(owned(), size));
	}
	void flush(std::error_code &error) noexcept { error = detail::code(::outbuf_flush(owned())); }
	void sync(std::error_code &error) noexcept { error = detail::code(::outbuf_sync(owned())); }
	/*
	 * The Views that the owner's thread opened are ended first (see the top of this file). Any View that is then
	 * open makes commit fail with EBUSY.
	 */
	void commit(std::error_code &error) noexcept
	{
		end_own_views();
		error = detail::code(::outbuf_commit(ob_));
	}
	void discard() noexcept { ::outbuf_discard(ob_); }

	bool is_mapped() const noexcept { return ::outbuf_is_mapped(ob_) != 0; }
	std::uint64_t size() const noexcept { return ::outbuf_size(ob_); }
	std::error_code error() const noexcept { return detail::code(::outbuf_error(ob_)); }
	/*
	 * Make commit() fail with this error, or with EIO if it has no equal in std::generic_category(). No error
	 * counts as EIO, too: who calls this has failed.
	 */
	void fail(std::error_code error) noexcept
	{
		std::error_condition condition = error.default_error_condition();
		bool is_errno = condition.category() == std::generic_category();

		::outbuf_fail(ob_, is_errno ? -condition.value() : -EIO);
	}

	/* Any thread. The error is also sticky for the output. */
	liboutbuf::view view(std::uint64_t offset, std::uint64_t length, std::error_code &error) noexcept
	{
		return liboutbuf::view(::outbuf_view, ob_, own_, offset, length, error);
	}
	liboutbuf::view edit(std::uint64_t offset, std::uint64_t length, std::error_code &error) noexcept
	{
		return liboutbuf::view(::outbuf_view_edit, ob_, own_, offset, length, error);
	}

	/* Raw access to the memory. Any thread. */
	bytes data(std::uint64_t offset, std::size_t length, std::error_code &error) noexcept
	{
		void *data = nullptr;
		error = detail::code(::outbuf_data(ob_, offset, length, &data));
		return error ? bytes() : bytes(static_cast<std::byte *>(data), length);
	}
	void release(std::uint64_t offset, std::uint64_t length, std::error_code &error) noexcept
	{
		error = detail::code(::outbuf_release(ob_, offset, length));
	}

	/*
	 * Calls function(index, offset, const std::byte *data, size) for each block, on any thread. The function
	 * returns 0 or a negative errno, and must not throw.
	 */
	template <typename Function>
	void walk(std::size_t block_size, Function &&function, std::error_code &error) noexcept
	{
		using type = std::remove_reference_t<Function>;
		static_assert(std::is_invocable_r_v<int, type &, std::uint64_t, std::uint64_t, const std::byte *,
		                                    std::size_t>,
		              "int (uint64_t index, uint64_t offset, const std::byte *data, size_t size)");
		type *address = std::addressof(function);
		error = detail::code(::outbuf_walk(ob_, block_size, detail::block<type>, &address));
	}

	/* The bytes of an output of in_memory() that is committed; else empty. */
	std::string_view memory() const noexcept
	{
		std::uint64_t size = 0;
		const void *data = ::outbuf_memory(ob_, &size);
		return { static_cast<const char *>(data), static_cast<std::size_t>(size) };
	}

	statistics stats() const noexcept
	{
		statistics s = {};
		s.size = sizeof s;
		::outbuf_stats(ob_, &s);
		return s;
	}

	::outbuf *get() const noexcept { return ob_; }

#if defined(__cpp_exceptions)
	explicit output(const std::string &path, const options &o = default_options())
	{
		detail::check(nullptr, created(::outbuf_open(&ob_, path.c_str(), &o)));
	}
	static output from_fd(int fd, const options &o = default_options())
	{
		output out;
		detail::check(nullptr, out.created(::outbuf_open_fd(&out.ob_, fd, &o)));
		return out;
	}
	static output in_memory(const options &o = default_options())
	{
		output out;
		detail::check(nullptr, out.created(::outbuf_open_memory(&out.ob_, &o)));
		return out;
	}
	void map(std::uint64_t size) { detail::check(ob_, ::outbuf_map(owned(), size)); }
	void unmap() { detail::check(ob_, ::outbuf_unmap(owned())); }
	void set_size(std::uint64_t size) { detail::check(ob_, ::outbuf_set_size(owned(), size)); }
	void flush() { detail::check(ob_, ::outbuf_flush(owned())); }
	void sync() { detail::check(ob_, ::outbuf_sync(owned())); }
	void commit()
	{
		end_own_views();
		detail::check(ob_, ::outbuf_commit(ob_));
	}
	liboutbuf::view view(std::uint64_t offset, std::uint64_t length)
	{
		return liboutbuf::view(::outbuf_view, ob_, own_, offset, length);
	}
	liboutbuf::view edit(std::uint64_t offset, std::uint64_t length)
	{
		return liboutbuf::view(::outbuf_view_edit, ob_, own_, offset, length);
	}
	bytes data(std::uint64_t offset, std::size_t length)
	{
		void *data = nullptr;
		detail::check(ob_, ::outbuf_data(ob_, offset, length, &data));
		return { static_cast<std::byte *>(data), length };
	}
	void release(std::uint64_t offset, std::uint64_t length)
	{
		detail::check(ob_, ::outbuf_release(ob_, offset, length));
	}
	template <typename Function> void walk(std::size_t block_size, Function &&function)
	{
		std::error_code error;
		walk(block_size, std::forward<Function>(function), error);
		if (error)
			detail::check(ob_, -error.value());
	}
#endif

private:
	/* The output was opened or not, as `result` says. Without memory for the lists commit() ends no Views. */
	int created(int result) noexcept
	{
		if (result == 0)
			own_ = detail::own_views_ref(new (std::nothrow) detail::own_views);
		if (own_)
			own_->ob = ob_;
		return result;
	}

	/* For the calls that only the owner makes: an output may have been moved to another thread. */
	::outbuf *owned() noexcept
	{
		if (own_)
			own_->thread.store(detail::this_thread(), std::memory_order_relaxed);
		return ob_;
	}

	void end_own_views() noexcept
	{
		if (own_)
			end_all(detail::this_thread());
	}

	/* End the open Views of this thread; nullptr: of any. */
	void end_all(const void *thread) noexcept
	{
		while (liboutbuf::view *v = first(thread))
			v->end_it();
	}

	liboutbuf::view *first(const void *thread) noexcept
	{
		own_->lock();
		liboutbuf::view *v = own_->first;
		while (v && thread && v->thread_ != thread)
			v = v->next_;
		own_->unlock();
		return v;
	}

	/* Views that outlive the output are ended, and do not use it any more. */
	void close() noexcept
	{
		if (own_) {
			end_all(nullptr);
			own_->lock();
			own_->ob = nullptr;
			own_->unlock();
		}
		::outbuf_close(ob_);
		ob_ = nullptr;
		own_ = {};
	}

	::outbuf *ob_ = nullptr;
	detail::own_views_ref own_;
};

} // inline namespace
} // namespace liboutbuf

#endif /* OUTBUF_HPP */
