/* SPDX-License-Identifier: MIT */
/*
 * SIGBUS has one action for the whole process, and the program may have one of its own.
 *
 * Ours calls the action that it replaced for every fault that is not the guard's. If the program installs a handler
 * over ours, that handler may call ours, or not; the system does not tell. If it does not, an output that is guarded
 * from then on would not be. If it does, and ours were installed over it again, the two would call each other for ever.
 *
 * So there are several handlers of ours, which do the same, and each has an action of its own that it replaced. If the
 * current action is not one of ours when an output is to be guarded, one that is not in use is installed over it,
 * whatever it calls. One that was covered by the program's handler stays in use for good, as it may be called. One that
 * is the current action when the last guard ends is removed, and can be used again.
 *
 * A handler here makes system calls and uses lock-free atomics, and nothing else: it may interrupt any code.
 */
#include "config.h"

#include "memory/handler.h"

#include <errno.h>
#include <stdatomic.h>

#include "system/unix/sys_unix.h"

/*
 * How often the program can install a handler over ours, and leave it there, before ours has to rely on being called
 * by the program's.
 */
#define LEVELS 8

static struct level {
	/*
	 * The action that this handler replaced. install_level() writes it to the one of the two elements that
	 * `previous` does not point to: when this handler is installed again, it may still be running on a thread that
	 * had a fault of the program's, and read the other one. The handler reads what `previous` points to.
	 */
	struct sigaction actions[2];
	_Atomic(const struct sigaction *) previous;
	int used; /* 1: it is installed, or another handler may call it. As the caller serialises */
} levels[LEVELS];

/* The guard's function. Constant from the first installation on. */
static _Atomic(handler_recover *) recover_function;

/*
 * 1: returning from the handler does not raise the signal again, because no access by this thread caused it. It was
 * sent by a process (si_code <= 0), or reports broken memory that nobody has accessed (BUS_MCEERR_AO).
 */
static int will_not_repeat(const siginfo_t *info)
{
#ifdef BUS_MCEERR_AO
	if (info->si_code == BUS_MCEERR_AO)
		return 1;
#endif
	return info->si_code <= 0;
}

/* Do what would have happened without our handler. */
static void call_previous_action(const struct level *l, int signal, siginfo_t *info, void *context)
{
	const struct sigaction *action = atomic_load(&l->previous);

	if (action->sa_flags & SA_SIGINFO) {
		action->sa_sigaction(signal, info, context);
	} else if (action->sa_handler == SIG_DFL ||
	           (action->sa_handler == SIG_IGN && !will_not_repeat(info))) {
		/*
		 * Restore the default action. Then the access faults again, and that ends the process. So does a
		 * fault whose signal is ignored: the kernel does not ignore it.
		 */
		struct sigaction default_action = { .sa_handler = SIG_DFL };

		ob__sys_sigaction(signal, &default_action, NULL);
		if (will_not_repeat(info))
			raise(signal);
	} else if (action->sa_handler != SIG_IGN) {
		action->sa_handler(signal);
	}
}

static void on_signal(const struct level *l, int signal, siginfo_t *info, void *context)
{
	int saved = errno;

	if (!atomic_load(&recover_function)(info))
		call_previous_action(l, signal, info, context);
	errno = saved;
}

#define HANDLER(n)                                                        \
	static void on_signal_##n(int signal, siginfo_t *info, void *context) \
	{                                                                 \
		on_signal(&levels[n], signal, info, context);             \
	}

HANDLER(0)
HANDLER(1)
HANDLER(2)
HANDLER(3)
HANDLER(4)
HANDLER(5)
HANDLER(6)
HANDLER(7)

static void (*const handlers[LEVELS])(int signal, siginfo_t *info, void *context) = {
	on_signal_0, on_signal_1, on_signal_2, on_signal_3, on_signal_4, on_signal_5, on_signal_6, on_signal_7,
};

/* Which of our handlers is this action? NULL: none. */
static struct level *level_of(const struct sigaction *action)
{
	int i;

	for (i = 0; i < LEVELS; i++)
		if ((action->sa_flags & SA_SIGINFO) && action->sa_sigaction == handlers[i])
			return &levels[i];
	return NULL;
}

/* 1: the process has no handler of SIGBUS, so no handler can call ours either. */
static int is_default_or_ignored(const struct sigaction *action)
{
	return !(action->sa_flags & SA_SIGINFO) &&
	       (action->sa_handler == SIG_DFL || action->sa_handler == SIG_IGN);
}

/* Install this handler over the action `now`. 0 or a negative errno. */
static int install_level(struct level *l, struct sigaction now)
{
	struct sigaction ours = { .sa_sigaction = handlers[l - levels] };
	struct sigaction *other = atomic_load(&l->previous) == &l->actions[0] ? &l->actions[1] : &l->actions[0];
	int r;

	*other = now;
	atomic_store(&l->previous, other);
	/* The same mask and SA_RESTART as the previous action has, since our handler may call it. */
	ours.sa_mask = other->sa_mask;
	ours.sa_flags = SA_SIGINFO | (other->sa_flags & SA_RESTART) | SA_ONSTACK;
	r = ob__sys_sigaction(SIGBUS, &ours, &now);
	if (r < 0)
		return r;
	/*
	 * The action changed between the two calls: keep the one that was replaced. Our handler may already be
	 * reading the element, so it is written again only in this case.
	 */
	if (now.sa_sigaction != other->sa_sigaction || now.sa_flags != other->sa_flags)
		*other = now;
	l->used = 1;
	return 0;
}

int ob__handler_install(handler_recover *recover)
{
	struct sigaction now;
	struct level *l;
	int i, r = ob__sys_sigaction(SIGBUS, NULL, &now);

	if (r < 0)
		return r;
	atomic_store(&recover_function, recover);
	l = level_of(&now);
	if (l != NULL) {
		l->used = 1;
		return 0;
	}
	for (i = 0; i < LEVELS && is_default_or_ignored(&now); i++)
		levels[i].used = 0;
	for (i = 0; i < LEVELS && levels[i].used; i++)
		continue;
	/* None is left: the program's handler has to call the one that it replaced. */
	return i == LEVELS ? 0 : install_level(&levels[i], now);
}

void ob__handler_uninstall(void)
{
	struct sigaction now;
	struct level *l;

	if (ob__sys_sigaction(SIGBUS, NULL, &now) < 0)
		return;
	l = level_of(&now);
	if (l != NULL && ob__sys_sigaction(SIGBUS, atomic_load(&l->previous), NULL) == 0)
		l->used = 0;
}
