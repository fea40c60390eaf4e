// SPDX-License-Identifier: MIT
// hello.cc - the first example in C++: one file written by two threads, a View each
#include <outbuf.hpp>

#include <cstdio>
#include <exception>
#include <thread>

int main(int argc, char **argv)
{
	if (argc != 2)
		return std::fprintf(stderr, "usage: %s OUTPUT\n", argv[0]), 2;
	try {
		liboutbuf::output out(argv[1]);
		out.map(14);
		std::thread other([&] {
			std::error_code sticks; // to the output: a thread must not throw
			out.view(7, 7, sticks).write("world!\n");
		});
		out.view(0, 7).write("Hello, ");
		other.join();
		out.commit(); // throws what went wrong anywhere
	} catch (const std::exception &error) {
		std::fprintf(stderr, "%s: %s\n", argv[0], error.what());
		return 1;
	}
}
