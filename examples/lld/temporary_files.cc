// SPDX-License-Identifier: MIT
//
// temporary_files.cc - an interrupted link leaves no temporary file
//
// Where the file system has no nameless files, an output has a hidden name until commit. The library removes what a
// killed process has left only when it writes the same output again. LLVM does more: its FileOutputBuffer gives the
// name to sys::RemoveFileOnSignal(). The library does not tell its names, and has a function that removes them instead.
//
// LLVM's handlers (lib/Support/Unix/Signals.inc) stay in use. They are installed when the program begins, or with the
// first file that it is to remove, and the handlers here go over them and call them. LLVM's then restore the actions
// that they had replaced, and raise the signal again. If LLVM installs its handlers later, they go over those here, and
// the action that they restore is the one here. Either way both are called once, and the process ends as without them.
//
// If the program's own handler goes on after the signal, its commit fails and the old output stays. So it is with LLVM,
// which removes its files before it calls the program's function (sys::SetInterruptFunction()).

#include "temporary_files.h"

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <mutex>

#include "outbuf.h"

namespace {

struct handled {
	int signal;                // constant
	struct sigaction previous; // the action that ours replaces; written before ours is installed
} all[] = { { SIGHUP, {} }, { SIGINT, {} }, { SIGTERM, {} } };

// Do what the signal did before.
void call_previous(const struct sigaction &previous, int signal, siginfo_t *info, void *context)
{
	// As the kernel: SIG_DFL means that also with SA_SIGINFO.
	if (previous.sa_handler == SIG_DFL) {
		// The signal is blocked here: it ends the process when this handler returns.
		sigaction(signal, &previous, nullptr);
		raise(signal);
	} else if (previous.sa_flags & SA_SIGINFO) {
		previous.sa_sigaction(signal, info, context);
	} else {
		previous.sa_handler(signal);
	}
}

void on_signal(int signal, siginfo_t *info, void *context)
{
	int saved = errno;

	outbuf_remove_temporary_files();
	for (const handled &h : all)
		if (h.signal == signal)
			call_previous(h.previous, signal, info, context);
	errno = saved;
}

// A signal that is ignored (nohup) stays ignored.
void install(handled &h)
{
	struct sigaction ours = {};

	if (sigaction(h.signal, nullptr, &h.previous) != 0 || h.previous.sa_handler == SIG_IGN)
		return;
	// The previous handler must find what it asked for. LLVM's, for example, is to be called once: SA_RESETHAND.
	ours.sa_sigaction = on_signal;
	ours.sa_mask = h.previous.sa_mask;
	ours.sa_flags = h.previous.sa_flags | SA_SIGINFO;
	sigaction(h.signal, &ours, nullptr);
}

} // namespace

void remove_temporary_files_at_end()
{
	static std::once_flag once;

	std::call_once(once, [] {
		for (handled &h : all)
			install(h);
		std::atexit(outbuf_remove_temporary_files);
	});
}
