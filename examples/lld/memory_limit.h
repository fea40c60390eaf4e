// SPDX-License-Identifier: MIT
//
// memory_limit.h - how much memory the control groups of this process allow

#ifndef OUTBUF_EXAMPLES_MEMORY_LIMIT_H
#define OUTBUF_EXAMPLES_MEMORY_LIMIT_H

#include <cstdint>
#include <string>

// The least limit of the process's group and of all groups above it that can be seen, in bytes; UINT64_MAX if there is
// none. `root` is put before the paths: /proc/self/cgroup, /proc/self/mountinfo, and those of the groups. It is "", but
// in tests.
uint64_t memory_limit(const std::string &root);

#endif
