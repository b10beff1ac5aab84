/* birth.h - a process that is in its cgroup from the first line it runs */
#ifndef TD_BIRTH_H
#define TD_BIRTH_H

#include <stddef.h>

/* As clone(2) with CLONE_VM | CLONE_VFORK | CLONE_PARENT_SETTID and SIGCHLD, in the group that cgroup_fd is open on.
 * fn runs on the stack given (16-byte aligned) and does not return. The pid, or -1 with errno: ENOSYS where the kernel
 * or this processor has no way to do it. */
int birth(int (*fn)(void *), void *stack, size_t stack_bytes, void *arg, int cgroup_fd, int *ret_pid);

#endif
