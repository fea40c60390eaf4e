// SPDX-License-Identifier: MIT
#include "cxx_shapes.h"

#include <cstdio>
#include <memory>
#include <thread>

static struct Middle {
	Middle() { order.push_back(3); }
} middle __attribute__((init_priority(400)));

static int hidden(int x) { return x + 100; }

int main()
{
	Box<int> a(2, 3);
	Box<double> b(1.5, 2);
	Counted<int> c;
	int in_thread = 0, here, there;

	std::printf("area %.2f\n", total({ &a, &b }));
	std::printf("caught %d %d\n", raise_and_catch(4), raise_and_catch(-4));
	std::printf("one text: %d\n", shared_text() == text_of_other());
	here = Counted<int>::next() + once_only();
	there = count_there();
	std::printf("counts %d %d %d\n", here, there, Counted<int>::made);
	std::printf("one type: %d\n", type_there() == typeid(b));
	std::thread([&] { per_thread += 2; in_thread = per_thread; }).join();
	std::printf("thread %d %d %d\n", in_thread, per_thread, hidden(1));
	for (int i : order)
		std::printf(" %d", i);
	std::printf("\n");
	try {
		checked(-1.0);
	} catch (const std::exception &e) {
		std::printf("%s\n", e.what());
		return 7;
	}
	return 0;
}
