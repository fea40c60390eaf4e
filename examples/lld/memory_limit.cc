// SPDX-License-Identifier: MIT
//
// memory_limit.cc - how much memory the control groups of this process allow, see cgroups(7)
//
// A group is a folder. /proc/self/cgroup says which one the process is in, from the root of the hierarchy. What is
// mounted need not be the whole hierarchy: in a container it is often the container's group alone. So
// /proc/self/mountinfo says which folder of the hierarchy is mounted where, and that part of the path is left out.
//
// The limit of each group on the way counts: systemd sets MemoryMax of a slice, and the process is in a group below it.
// In a container with a cgroup namespace the groups above the container's own cannot be seen.

#include "memory_limit.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <vector>

namespace {

// The two versions of the interface may both be mounted. The memory controller belongs to one of them.
struct hierarchy {
	const char *type;       // of the mounted file system
	const char *controller; // by which lines are found in /proc/self/cgroup; "" is the one of version 2
	const char *file;       // with the limit, in the folder of a group
};

const hierarchy version_1 = { "cgroup", "memory", "memory.limit_in_bytes" };
const hierarchy version_2 = { "cgroup2", "", "memory.max" };

// Is the word one of the list's, which has commas in between? "" is in the empty list.
bool has_word(const std::string &list, const std::string &word)
{
	return ("," + list + ",").find("," + word + ",") != std::string::npos;
}

// In mountinfo, spaces and other white space in a path are written as \040.
std::string unescape(const std::string &text)
{
	std::string plain;

	for (size_t i = 0; i < text.size(); i++)
		if (text[i] == '\\' && i + 3 < text.size()) {
			plain += static_cast<char>(strtol(text.substr(i + 1, 3).c_str(), nullptr, 8));
			i += 3;
		} else {
			plain += text[i];
		}
	return plain;
}

// The process's group in this hierarchy. A line is NUMBER:CONTROLLERS:PATH. "": there is none.
std::string group_of_process(const std::string &root, const hierarchy &h)
{
	std::ifstream file(root + "/proc/self/cgroup");
	std::string line;

	while (std::getline(file, line)) {
		size_t first = line.find(':');
		size_t second = first == std::string::npos ? first : line.find(':', first + 1);
		if (second != std::string::npos && has_word(line.substr(first + 1, second - first - 1), h.controller))
			return line.substr(second + 1);
	}
	return "";
}

struct mount {
	std::string top;   // which folder of the hierarchy is mounted
	std::string point; // where
};

// Where this hierarchy is mounted. A line is ID PARENT DEVICE TOP POINT OPTIONS ... - TYPE SOURCE SUPER-OPTIONS.
std::vector<mount> mounts_of(const std::string &root, const hierarchy &h)
{
	std::ifstream file(root + "/proc/self/mountinfo");
	std::vector<mount> mounts;
	std::string line;

	while (std::getline(file, line)) {
		std::string skipped, type, source, options;
		size_t dash = line.find(" - ");
		mount m;

		if (dash == std::string::npos)
			continue;
		std::istringstream before(line), behind(line.substr(dash + 3));
		before >> skipped >> skipped >> skipped >> m.top >> m.point;
		behind >> type >> source >> options;
		// In version 1 the controllers of a hierarchy are among the options.
		if (type == h.type && (!*h.controller || has_word(options, h.controller)))
			mounts.push_back({ unescape(m.top), unescape(m.point) });
	}
	return mounts;
}

// The path of the group below the mount. If the group is not below it, or is another namespace's ("/../..."), the top
// of the mount has to do.
std::string below_mount(const std::string &group, const mount &m)
{
	std::string top = m.top == "/" ? "" : m.top;

	if (group.compare(0, top.size(), top) != 0 || group.compare(0, 3, "/..") == 0)
		return "";
	std::string rest = group.substr(top.size());
	return rest.empty() || rest == "/" || rest[0] != '/' ? "" : rest;
}

// The limit in the file. "max", which is no number, is none. In version 1 none is a number near 2 to the power of 63.
uint64_t limit_in(const std::string &path)
{
	std::ifstream file(path);
	uint64_t limit;

	return file >> limit && limit < UINT64_C(1) << 62 ? limit : UINT64_MAX;
}

uint64_t limit_of(const std::string &root, const hierarchy &h)
{
	std::string group = group_of_process(root, h);
	uint64_t least = UINT64_MAX;

	if (group.empty())
		return least;
	for (const mount &m : mounts_of(root, h)) {
		std::string path = below_mount(group, m);
		for (;;) {
			least = std::min(least, limit_in(root + m.point + path + "/" + h.file));
			if (path.empty())
				break;
			path.erase(path.rfind('/'));
		}
	}
	return least;
}

} // namespace

uint64_t memory_limit(const std::string &root)
{
	return std::min(limit_of(root, version_1), limit_of(root, version_2));
}
