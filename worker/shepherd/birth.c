/* birth.c - clone3 with CLONE_INTO_CGROUP on a stack of its own
 *
 * Why not clone and a line in cgroup.procs: moving a process makes the kernel wait until no processor can hold an old
 * view of it, some 0.4 ms for each job; being born inside costs nothing. glibc has no wrapper that gives the child a
 * stack, and with CLONE_VM it must not run on its parent's, hence the few lines for each processor. */
#include "worker/shepherd/birth.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/sched.h>

#if defined(SYS_clone3) && defined(CLONE_INTO_CGROUP) && (defined(__x86_64__) || defined(__aarch64__))

/* The child comes out of the system call with the registers of its parent and an empty stack. */
static long clone_and_call(struct clone_args *args, int (*fn)(void *), void *arg)
{
#if defined(__x86_64__)
    long r;
    __asm__ volatile("syscall\n\t"
                     "testq %%rax, %%rax\n\t"
                     "jnz 1f\n\t"
                     "movq %[arg], %%rdi\n\t"
                     "call *%[fn]\n\t"
                     "ud2\n"
                     "1:"
                     : "=a"(r)
                     : "0"((long)SYS_clone3), "D"(args), "S"(sizeof(*args)), [fn] "r"(fn), [arg] "r"(arg)
                     : "rcx", "r11", "cc", "memory");
    return r;
#else
    register long x0 __asm__("x0") = (long)args;
    register long x1 __asm__("x1") = (long)sizeof(*args);
    register long x8 __asm__("x8") = (long)SYS_clone3;
    __asm__ volatile("svc #0\n\t"
                     "cbnz x0, 1f\n\t"
                     "mov x0, %[arg]\n\t"
                     "blr %[fn]\n\t"
                     "brk #1\n"
                     "1:"
                     : "+r"(x0)
                     : "r"(x1), "r"(x8), [fn] "r"(fn), [arg] "r"(arg)
                     : "cc", "memory");
    return x0;
#endif
}

int birth(int (*fn)(void *), void *stack, size_t stack_bytes, void *arg, int cgroup_fd, int *ret_pid)
{
    struct clone_args args = {
        .flags = (uint64_t)CLONE_VM | CLONE_VFORK | CLONE_PARENT_SETTID | CLONE_INTO_CGROUP,
        .parent_tid = (uint64_t)(uintptr_t)ret_pid,
        .exit_signal = SIGCHLD,
        .stack = (uint64_t)(uintptr_t)stack,
        .stack_size = stack_bytes,
        .cgroup = (uint32_t)cgroup_fd,
    };
    long r = clone_and_call(&args, fn, arg);
    if (r < 0) {
        errno = (int)-r;
        return -1;
    }
    return (int)r;
}

#else

int birth(int (*fn)(void *), void *stack, size_t stack_bytes, void *arg, int cgroup_fd, int *ret_pid)
{
    (void)fn, (void)stack, (void)stack_bytes, (void)arg, (void)cgroup_fd, (void)ret_pid;
    errno = ENOSYS;
    return -1;
}

#endif
