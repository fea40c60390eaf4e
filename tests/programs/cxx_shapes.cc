// SPDX-License-Identifier: MIT
#include "cxx_shapes.h"

#include <algorithm>

std::vector<int> order __attribute__((init_priority(101)));

namespace {
struct Early {
	Early() { order.push_back(1); }
} early __attribute__((init_priority(200)));
struct Late {
	Late() { order.push_back(4); }
} late;
int hidden(int x) { return x * 3; }
} // namespace

__attribute__((constructor(300))) static void third() { order.push_back(2); }

double total(const std::vector<Shape *> &shapes)
{
	double sum = 0;

	std::for_each(shapes.begin(), shapes.end(), [&](const Shape *s) { sum += s->area(); });
	return sum + Box<int>(1, 1).area();
}

int raise_and_catch(int x)
{
	try {
		return checked(hidden(x));
	} catch (const Trouble &t) {
		return -static_cast<int>(std::string(t.what()).size());
	}
}

const char *text_of_other() { return shared_text(); }
int count_there() { Counted<int> c; per_thread++; return Counted<int>::next() + once_only(); }
const std::type_info &type_there() { return typeid(Box<double>); }
