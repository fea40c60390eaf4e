// SPDX-License-Identifier: MIT
// What both units have, so that a linker has something to choose from.
#ifndef CXX_SHAPES_H
#define CXX_SHAPES_H

#include <map>
#include <stdexcept>
#include <string>
#include <typeinfo>
#include <vector>

struct Shape {
	virtual ~Shape() {}
	virtual double area() const = 0;
};

template <class T> struct Box : Shape {
	T width, height;
	Box(T w, T h) : width(w), height(h) {}
	double area() const override { return static_cast<double>(width) * static_cast<double>(height); }
};

template <class T> struct Counted {
	static int made;
	static int next() { static int n = 10; return n++; }
	Counted() { made++; }
};
template <class T> int Counted<T>::made = 0;

inline thread_local int per_thread = 5;
inline const char *shared_text() { return "one text"; }
inline int once_only() { static std::map<std::string, int> seen; return ++seen["x"]; }

struct Trouble : std::runtime_error {
	using std::runtime_error::runtime_error;
};

template <class T> [[gnu::noinline]] T checked(T x)
{
	if (x < 0)
		throw Trouble("negative");
	return x;
}

double total(const std::vector<Shape *> &shapes);
int raise_and_catch(int x);
const char *text_of_other();
int count_there();
const std::type_info &type_there();
extern std::vector<int> order;

#endif
