/* SPDX-License-Identifier: MIT */
/*
 * outbuf.hpp, all of it: argument 1 is the output's path, argument 2 a path that cannot be. Compiled as C++17 and
 * C++20, with exceptions and without; exits with the number of the line that found something wrong.
 */
#include <outbuf.hpp>

#include <atomic>
#include <cstdio>
#include <cstring>
#include <deque>
#include <ios>
#include <optional>
#include <thread>
#include <vector>

#define CHECK(condition)                                                             \
	do {                                                                         \
		if (!(condition)) {                                                  \
			std::fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
			return 1;                                                    \
		}                                                                    \
	} while (0)

/* How a View gets into a container. */
struct writer {
	liboutbuf::view v;
	writer(liboutbuf::output &out, std::uint64_t offset, std::error_code &error) : v(out.view(offset, 1, error)) {}
};

enum class kind : std::uint16_t { code = 0x0102 };

static_assert(!std::is_copy_constructible_v<liboutbuf::view> && !std::is_copy_assignable_v<liboutbuf::view>);
static_assert(!std::is_copy_constructible_v<liboutbuf::output> && !std::is_copy_assignable_v<liboutbuf::output>);
static_assert(std::is_nothrow_move_constructible_v<liboutbuf::output> &&
              std::is_nothrow_move_assignable_v<liboutbuf::output>);
/*
 * A View that could be moved could be another thread's when its output is committed: `v = out.view(...)`,
 * `views.push_back(out.view(...))` and a thread's `[view = std::move(v)]` do not compile.
 */
static_assert(!std::is_move_constructible_v<liboutbuf::view> && !std::is_move_assignable_v<liboutbuf::view> &&
              !std::is_default_constructible_v<liboutbuf::view>);
template <typename T, typename = void> struct can_be_new : std::false_type {};
template <typename T> struct can_be_new<T, std::void_t<decltype(T::operator new(1))>> : std::true_type {};
static_assert(!can_be_new<liboutbuf::view>::value);
/* Little more than the C structs. */
static_assert(sizeof(liboutbuf::view) == sizeof(struct outbuf_view) + 6 * sizeof(void *) &&
              sizeof(liboutbuf::output) == 2 * sizeof(void *));

static int plain_function(std::uint64_t, std::uint64_t, const std::byte *, std::size_t size)
{
	return size == 4110 ? 0 : -1;
}

static int everything(const char *path)
{
	std::error_code error;
	liboutbuf::options options = liboutbuf::default_options();

	options.order = OUTBUF_BIG_ENDIAN;
	liboutbuf::output first(path, options, error), out;
	CHECK(!error && first && !out);
	out = std::move(first);
	CHECK(out && !first);
	out.map(100, error);
	CHECK(!error && out.size() == 100);
	{
		liboutbuf::view w = out.view(0, 64, error);
		CHECK(!error && w.is_open());
		w.put(std::uint8_t{ 1 });
		w.put(kind::code);
		CHECK(w.tell() == 3);
		w.put(std::int32_t{ -2 });
		w.put(std::uint64_t{ 0x0102030405060708 });
		w.put_le(std::uint16_t{ 0x0304 });
		w.put_le(std::uint32_t{ 0x0304 });
		w.put_be(std::uint64_t{ 9 });
		w.align(32, std::byte{ 0xcc });
		w.write("text");
		w.write("raw", 3);
#if defined(__cpp_lib_span)
		std::byte two[2] = { std::byte{ 'o' }, std::byte{ 'k' } };
		w.write(std::span<const std::byte>(two));
#else
		w.write("ok", 2);
#endif
		w.fill(std::byte{ '.' }, 3);
		w.uleb128(300);
		w.sleb128(-1);
		liboutbuf::bytes ref = w.write_ref("1234", 4), hole = w.reserve(2);
		CHECK(ref.size() == 4 && hole.size() == 2);
		ref[0] = std::byte{ 'x' };
		for (std::byte &b : hole)
			b = std::byte{ 'h' };
		CHECK(!w.error());
		/* Not ended by hand. */
	}
	{
		/* Past its end: it sticks, and is said. */
		std::error_code first_error;
		liboutbuf::output lost = liboutbuf::output::in_memory(liboutbuf::default_options(), error);
		liboutbuf::view v = lost.view(0, 2, error);
		v.write("123");
		v.end(first_error);
		CHECK(first_error == std::errc::result_out_of_range && lost.error() == first_error);
		lost.commit(error);
		CHECK(error == first_error);
	}
	{
		/* A View that has ended is written to: nothing is returned, so commit must fail. */
		liboutbuf::output lost = liboutbuf::output::in_memory(liboutbuf::default_options(), error);
		liboutbuf::view v = lost.view(0, 4, error);
		v.put(std::uint8_t{ 1 });
		v.end(error);
		CHECK(!error && !lost.error());
		v.put(std::uint16_t{ 1 });
		CHECK(lost.error() == std::errc::bad_file_descriptor);
		lost.commit(error);
		CHECK(error == std::errc::bad_file_descriptor);
	}
	{
		/* Committed in the scope of its Views: one as it is, one ended by C's function, some in an array. */
		liboutbuf::output scoped = liboutbuf::output::in_memory(liboutbuf::default_options(), error);
		auto v = scoped.view(0, 5, error);
		v.write("hello");
		auto comma = scoped.view(5, 1, error), ended = scoped.view(6, 1, error);
		comma.write(",");
		ended.write(" ");
		CHECK(::outbuf_view_end(ended.get()) == 0);
		liboutbuf::view more[] = { scoped.view(7, 3, error), scoped.view(10, 2, error) };
		more[0].write("wor");
		more[1].write("ld");
		liboutbuf::output moved = std::move(scoped);
		moved.commit(error);
		CHECK(!error && moved.memory() == "hello, world" && !v.is_open() && !more[1].is_open());
	}
	{
		/* In a container, as the member of a class that is made there. */
		liboutbuf::output scoped = liboutbuf::output::in_memory(liboutbuf::default_options(), error);
		std::deque<writer> writers;
		std::optional<writer> one;
		for (unsigned i = 0; i < 100; i++) {
			writers.emplace_back(scoped, i, error);
			writers.back().v.put(static_cast<char>('a' + i % 26));
		}
		one.emplace(scoped, 100, error);
		one->v.write("?");
		one.emplace(scoped, 101, error);
		one->v.write("!");
		scoped.commit(error);
		CHECK(!error && scoped.memory().substr(98) == "uv?!" && !writers[0].v.is_open());
	}
	{
		/* An output that was moved to another thread, which is its owner from its first map() on. */
		liboutbuf::output given = liboutbuf::output::in_memory(liboutbuf::default_options(), error);
		std::string content;
		std::thread([&content, taken = std::move(given)]() mutable {
			std::error_code wrong;
			taken.map(5, wrong);
			auto v = taken.view(0, 5, wrong);
			v.write("hello");
			taken.commit(wrong);
			content = wrong ? wrong.message() : std::string(taken.memory());
		}).join();
		CHECK(content == "hello");
	}
	{
		/* A thread's own View, which it still writes to: commit leaves it alone, fails, and tells which. */
		liboutbuf::output busy = liboutbuf::output::in_memory(liboutbuf::default_options(), error);
		std::atomic<int> step{ 0 };
		auto own = busy.view(0, 1, error);
		own.write("a");
		std::thread worker([&] {
			std::error_code ignored;
			auto view = busy.view(1, 2, ignored);
			view.write("b");
			step = 1;
			while (step < 2)
				std::this_thread::yield();
			view.write("c");
		});
		while (step < 1)
			std::this_thread::yield();
		busy.commit(error);
		CHECK(error == std::errc::device_or_resource_busy && !own.is_open());
		char text[100];
		::outbuf_error_text(busy.get(), text, sizeof text);
		CHECK(std::string_view(text) == "output: 1 view is still open: [1, 3)");
		step = 2;
		worker.join();
		busy.commit(error);
		CHECK(!error && busy.memory() == "abc");
	}
	{
		/* Views that outlive their output: they end with it, and a write to one is nobody's error. */
		liboutbuf::output gone = liboutbuf::output::in_memory(liboutbuf::default_options(), error);
		auto open = gone.view(0, 1, error), early = gone.view(1, 1, error);
		early.write("x");
		early.end(error);
		CHECK(!error);
		auto refused = gone.view(UINT64_MAX - 5, 10, error);
		CHECK(error == std::errc::file_too_large);
		/* It is closed by another thread than the one that opened it. */
		std::thread([away = std::move(gone)] {}).join();
		CHECK(!open.is_open() && !early.is_open());
		open.put(std::uint8_t{ 1 });
		early.put(std::uint8_t{ 1 });
		CHECK(open.error() == std::errc::bad_file_descriptor);
#if defined(__cpp_exceptions)
		for (liboutbuf::view *v : { &early, &refused }) {
			std::string what;
			try {
				v->end();
			} catch (const std::system_error &e) {
				what = e.what();
			}
			CHECK(what == "the View is not open");
		}
#endif
		gone = liboutbuf::output::in_memory(liboutbuf::default_options(), error);
		auto late = gone.view(0, 1, error);
		late.write("x");
		late.end(error);
		gone.commit(error);
		CHECK(!error);
		gone = liboutbuf::output::in_memory(liboutbuf::default_options(), error);
		late.put(std::uint8_t{ 1 });
		CHECK(!gone.error());
	}
	{
		/* A View of another thread is not ended by anybody but it; one of this thread's may end in another. */
		liboutbuf::output busy = liboutbuf::output::in_memory(liboutbuf::default_options(), error);
		std::optional<writer> other, sent;
		std::thread([&] { other.emplace(busy, 0, error); }).join();
		busy.commit(error);
		CHECK(error == std::errc::device_or_resource_busy && other->v.is_open());
		sent.emplace(busy, 1, error);
		std::thread([&] {
			sent->v.write("b");
			sent.reset();
		}).join();
		other->v.write("a");
		other->v.end(error);
		CHECK(!error);
		busy.commit(error);
		CHECK(!error && busy.memory() == "ab");
	}
	{
		/* Who says that he failed has failed. */
		for (std::error_code reason : { std::error_code(), std::make_error_code(std::errc::io_error),
		                                std::make_error_code(std::io_errc::stream) }) {
			liboutbuf::output lost = liboutbuf::output::in_memory(liboutbuf::default_options(), error);
			lost.fail(reason);
			lost.commit(error);
			CHECK(error == std::errc::io_error);
		}
	}
	{
		liboutbuf::view v = out.edit(62, 2, error);
		v.seek(63);
		v.put(std::uint8_t{ '!' });
		v.end(error);
		CHECK(!error);
	}
	/* Four threads, past what was planned. */
	std::vector<std::thread> threads;
	for (unsigned i = 0; i < 4; i++) {
		threads.emplace_back([&out, i] {
			std::error_code own;
			liboutbuf::view v = out.view(100 + i * 1000, 1000, own);
			v.fill(static_cast<std::byte>('a' + i), 1000);
		});
	}
	for (std::thread &t : threads)
		t.join();
	liboutbuf::bytes raw = out.data(4100, 10, error);
	CHECK(!error && raw.size() == 10);
	std::memcpy(raw.data(), "0123456789", 10);
	out.release(0, 4096, error);
	CHECK(!error);
	std::uint64_t total = 0;
	options.threads = 1;
	out.walk(10000, [&](std::uint64_t index, std::uint64_t offset, const std::byte *data, std::size_t size) {
		total += size + index + offset + static_cast<unsigned>(data[0] == std::byte{ 1 });
		return 0;
	}, error);
	CHECK(!error && total == 4111);
	out.walk(10000, plain_function, error);
	CHECK(!error);
	out.set_size(4105, error);
	CHECK(!error);
	out.flush(error);
	CHECK(!error);
	CHECK(out.stats().output_size == 4105);
	out.commit(error);
	CHECK(!error);
	out.commit(error);
	CHECK(error == std::errc::invalid_argument);
	return 0;
}

static int failures(const char *path, const char *impossible)
{
	std::error_code error;
	liboutbuf::output none(impossible, liboutbuf::default_options(), error);
	CHECK(error == std::errc::no_such_file_or_directory && !none);

	liboutbuf::output memory = liboutbuf::output::in_memory(liboutbuf::default_options(), error);
	CHECK(!error);
	memory.view(0, liboutbuf::unbounded, error).write("kept in memory");
	memory.commit(error);
	CHECK(!error && memory.memory() == "kept in memory");

	/* Given up by its owner's end, by discard, and by an error of the program's own. */
	{
		liboutbuf::output gone(path, liboutbuf::default_options(), error);
		gone.view(0, 3, error).write("new");
	}
	liboutbuf::output failed(path, liboutbuf::default_options(), error);
	failed.fail(std::make_error_code(std::errc::io_error));
	failed.commit(error);
	CHECK(error == std::errc::io_error);
	liboutbuf::output discarded(path, liboutbuf::default_options(), error);
	discarded.discard();
	discarded.commit(error);
	CHECK(error == std::errc::operation_canceled);
	return 0;
}

#if defined(__cpp_exceptions)
static int exceptions(const char *path, const char *impossible)
{
	bool thrown = false;

	try {
		liboutbuf::output none{ std::string(impossible) };
	} catch (const std::system_error &e) {
		thrown = e.code() == std::errc::no_such_file_or_directory &&
		         e.what() == std::string(impossible) + ": No such file or directory";
	}
	CHECK(thrown);
	liboutbuf::output out{ std::string(path) };
	out.map(3);
	thrown = false;
	try {
		liboutbuf::view v = out.view(0, 2);
		v.write("123");
		v.end();
	} catch (const std::system_error &e) {
		thrown = e.code() == std::errc::result_out_of_range;
	}
	CHECK(thrown);
	thrown = false;
	try {
		out.commit();
	} catch (const std::system_error &e) {
		thrown = e.code() == std::errc::result_out_of_range &&
		         e.what() == std::string(path) + ": view [0, 2): a write of 3 bytes at 0 passes its end";
	}
	CHECK(thrown);
	liboutbuf::output memory = liboutbuf::output::in_memory();
	memory.edit(0, 4).put(7);
	memory.release(0, 4);
	memory.walk(4, [](std::uint64_t, std::uint64_t, const std::byte *, std::size_t n) { return n == 4 ? 0 : -1; });
	thrown = false;
	try {
		memory.walk(4, [](std::uint64_t, std::uint64_t, const std::byte *, std::size_t) { return -5; });
	} catch (const std::system_error &e) {
		thrown = e.code() == std::errc::io_error;
	}
	CHECK(thrown);
	memory.data(4, 4);
	memory.flush();
	memory.set_size(6);
	memory.commit();
	CHECK(memory.memory().size() == 6);
	return 0;
}
#endif

int main(int argc, char **argv)
{
	if (argc != 3)
		return 2;
	int status = everything(argv[1]) || failures(argv[1], argv[2]);
#if defined(__cpp_exceptions)
	status = status || exceptions(argv[1], argv[2]);
#endif
	return status;
}
