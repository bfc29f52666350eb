"""The system calls that a learner's code may make.

Python, NumPy, torch, Matplotlib and IPython need these; whatever is not named
fails. The filter is compiled on the grader's side by libseccomp, through
the binding `pyseccomp`, and loaded by the child.
"""

from __future__ import annotations

import errno
import tempfile

_FILES = """
access chdir chmod close close_range copy_file_range creat dup dup2 dup3
faccessat faccessat2 fadvise64 fallocate fchdir fchmod fchmodat fchmodat2
fdatasync flock fstat fstatfs fsync ftruncate getcwd getdents getdents64
lchown chown fchown fchownat link linkat lseek lstat mkdir mkdirat newfstatat
open openat openat2 pipe pipe2 pread64 preadv preadv2 pwrite64 pwritev
pwritev2 read readahead readlink readlinkat readv rename renameat renameat2
rmdir sendfile stat statfs statx symlink symlinkat sync_file_range truncate
umask unlink unlinkat utime utimensat utimes futimesat write writev
epoll_create epoll_create1 epoll_ctl epoll_pwait epoll_pwait2 epoll_wait
eventfd eventfd2 poll ppoll pselect6 select
"""

_MEMORY = """
brk madvise membarrier mincore mmap mprotect mremap msync munmap mlock munlock
mlock2 mlockall munlockall pkey_alloc pkey_free pkey_mprotect mseal
"""

# Signals reach nobody else: the child is alone in its process namespace.
_PROCESS = """
alarm arch_prctl capget exit exit_group futex futex_waitv futex_wake futex_wait
futex_requeue get_robust_list getcpu
getegid geteuid getgid getgroups getitimer getpgid getpgrp getpid getppid
getpriority getrandom getresgid getresuid getrlimit getrusage getsid gettid
getuid kill pause restart_syscall rseq rt_sigaction rt_sigpending
rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait
rt_tgsigqueueinfo sched_get_priority_max sched_get_priority_min
sched_getaffinity sched_getattr sched_getparam sched_getscheduler
sched_setaffinity sched_yield set_robust_list set_tid_address setitimer
setrlimit sigaltstack signalfd signalfd4 sysinfo tgkill time times tkill
uname wait4 waitid
clock_getres clock_gettime clock_nanosleep gettimeofday nanosleep
timerfd_create timerfd_gettime timerfd_settime
"""

# On a pair of sockets, which is what asyncio wakes itself by; no other
# socket can be made. What lies in them counts as nobody's memory, so their
# room stays what it is.
_SOCKETS = """
getpeername getsockname getsockopt recvfrom recvmmsg recvmsg sendmmsg sendmsg
sendto shutdown socketpair
"""

# What a curious learner tries: "not permitted" tells more than "no such
# call", which is what the rest gets, so that the C library falls back. Among
# them what the kernel counts by user, for the whole machine together.
_REFUSED = """
accept accept4 add_key bind bpf chroot connect execve execveat fork fsopen
fsmount inotify_init inotify_init1 io_uring_setup ioperm iopl kcmp kexec_load
keyctl listen memfd_create memfd_secret mknod mknodat mount mount_setattr
move_mount mq_open msgget name_to_handle_at open_by_handle_at open_tree
perf_event_open personality pidfd_getfd pidfd_open pidfd_send_signal
pivot_root process_madvise process_vm_readv process_vm_writev ptrace reboot
request_key semget seccomp setdomainname setfsgid setfsuid setgid setgroups
sethostname setns setpgid setpriority setregid setresgid setresuid setreuid
setsid setsockopt setuid shmat shmctl shmget socket swapoff swapon syslog
timer_create umount umount2 unshare userfaultfd vfork vmsplice
"""

_CLONE_THREAD = 0x00010000
# CLONE_NEWTIME, NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET,
# CLONE_PTRACE, CLONE_PARENT: never together with a thread.
_CLONE_NEVER = 0x7E020000 | 0x00000080 | 0x00002000 | 0x00008000

# Of ioctl: is it a terminal, how wide, how much is there to read, whether
# it blocks, whether it is inherited.
_TERMINAL_AND_FILES = (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)

# Of fcntl: copies and flags, and how large a pipe is; neither its changing,
# which takes from what the user has, nor leases nor signals. Locks can be
# looked for and not taken: of each Linux keeps a note, without a limit. Whole
# files can be locked by flock.
_FCNTL = (*range(6), 36, 1030, 1032)

# Of prctl: names of threads, dumpability, and reading seccomp's state.
_PRCTL = (3, 15, 16, 21)


def compiled_filter() -> bytes:
    """Return the filter as the kernel's BPF program, for this machine.

    Raises
    ------
    ImportError
        When the binding, or libseccomp itself, is missing.
    OSError
        When libseccomp refuses a rule.
    """
    try:
        import pyseccomp as seccomp
    except RuntimeError as error:  # the binding without the library
        raise ImportError(str(error)) from error

    rules = seccomp.SyscallFilter(seccomp.ERRNO(errno.ENOSYS))
    # A 32-bit call from a 64-bit process is an attack, or a bug.
    rules.set_attr(seccomp.Attr.ACT_BADARCH, seccomp.KILL_PROCESS)
    rules.set_attr(seccomp.Attr.CTL_OPTIMIZE, 2)  # a tree, not a list

    def number(name: str) -> int | None:
        # Older versions of the library do not know the newest calls.
        found = seccomp.resolve_syscall(seccomp.Arch.NATIVE, name)
        return None if found == -1 else found

    for names in (_FILES, _MEMORY, _PROCESS, _SOCKETS):
        for name in names.split():
            if (call := number(name)) is not None:
                rules.add_rule(seccomp.ALLOW, call)
    refuse = seccomp.ERRNO(errno.EPERM)
    for name in _REFUSED.split():
        if (call := number(name)) is not None:
            rules.add_rule(refuse, call)

    low = 0xFFFFFFFF
    for request in _TERMINAL_AND_FILES:
        rules.add_rule(
            seccomp.ALLOW,
            "ioctl",
            seccomp.Arg(1, seccomp.MASKED_EQ, low, request),
        )
    for command in _FCNTL:
        rules.add_rule(
            seccomp.ALLOW,
            "fcntl",
            seccomp.Arg(1, seccomp.MASKED_EQ, low, command),
        )
    for option in _PRCTL:
        rules.add_rule(
            seccomp.ALLOW,
            "prctl",
            seccomp.Arg(0, seccomp.MASKED_EQ, low, option),
        )
    # Its own limits may be read and lowered; nobody else's.
    rules.add_rule(
        seccomp.ALLOW,
        "prlimit64",
        seccomp.Arg(0, seccomp.MASKED_EQ, low, 0),
    )
    rules.add_rule(
        seccomp.ALLOW,
        "clone",
        seccomp.Arg(
            0,
            seccomp.MASKED_EQ,
            _CLONE_THREAD | _CLONE_NEVER,
            _CLONE_THREAD,
        ),
    )
    rules.add_rule(
        refuse,
        "clone",
        seccomp.Arg(0, seccomp.MASKED_EQ, _CLONE_THREAD, 0),
    )
    with tempfile.TemporaryFile() as file:
        rules.export_bpf(file)
        file.seek(0)
        return file.read()
