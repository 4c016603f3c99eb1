#!/usr/bin/python3
"""Runs a service as its unit file has it, without systemd: the command line, the user, capabilities, limits, what of the
file system it sees and may write, and which system calls it may make. The process stays the same, so that a signal to it
reaches the service.

as_unit.py UNIT [ARGUMENT…]

Arguments are added to the command line. Needs root, setpriv (util-linux), python3-seccomp and, for the names of groups of system calls, systemd-analyze."""

import ctypes
import errno
import os
import pwd
import re
import resource
import subprocess
import sys

import seccomp

CLONE_NEWNS = 0x20000
MS_RDONLY, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 1, 0x20, 0x1000, 0x4000, 0x40000
PROT_WRITE, PROT_EXEC = 2, 4
FAMILIES = {"AF_UNIX": 1, "AF_INET": 2, "AF_INET6": 10}
libc = ctypes.CDLL(None, use_errno=True)


def read(path):
    """The settings of section [Service]: name to values, in their order."""
    settings, section = {}, None
    for line in open(path):
        line = line.strip()
        if line.startswith("["):
            section = line
        elif section == "[Service]" and line and line[0] not in "#;":
            name, value = line.split("=", 1)
            settings.setdefault(name, []).append(value)
    return settings


def mount(source, target, kind, flags, data=None):
    encode = lambda text: text.encode() if text else None
    if libc.mount(encode(source), encode(target), encode(kind), flags, encode(data)) != 0:
        raise OSError(ctypes.get_errno(), f"mount {target}")


def hide_files(settings, user):
    """ProtectSystem=strict, ProtectHome, PrivateTmp, LogsDirectory."""
    logs = [os.path.join("/var/log", name) for name in settings["LogsDirectory"]]
    for path in logs:
        os.makedirs(path, exist_ok=True)
        os.chown(path, user.pw_uid, user.pw_gid)
        os.chmod(path, int(settings["LogsDirectoryMode"][0], 8))
    if libc.unshare(CLONE_NEWNS) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    mount(None, "/", None, MS_REC | MS_PRIVATE)
    for path in logs:
        mount(path, path, None, MS_BIND)
    assert settings["ProtectSystem"] == ["strict"] and settings["ProtectHome"] == settings["PrivateTmp"] == ["yes"]
    mount(None, "/", None, MS_REMOUNT | MS_BIND | MS_RDONLY)
    for path in ["/home", "/root"]:
        mount("none", path, "tmpfs", MS_RDONLY, "mode=000")
    for path in ["/tmp", "/var/tmp"]:
        mount("none", path, "tmpfs", 0, "mode=1777")


def allowed_calls(settings):
    """What SystemCallFilter allows: each line adds, or, after ~, takes away."""
    dump = subprocess.run(["systemd-analyze", "syscall-filter"], capture_output=True, text=True, check=True).stdout
    groups, group = {}, None
    for line in re.sub(r"\x1b\[[0-9;]*m", "", dump).splitlines():
        if line.startswith("@"):
            group = groups.setdefault(line.strip(), [])
        elif line.strip() and not line.strip().startswith("#") and group is not None:
            group.append(line.strip())

    def expand(name):
        return set().union(*(expand(below) for below in groups[name])) if name.startswith("@") else {name}

    allowed = set()
    for line in settings["SystemCallFilter"]:
        names = set().union(*(expand(name) for name in line.lstrip("~").split()))
        allowed = allowed - names if line.startswith("~") else allowed | names
    return allowed


def restrict_calls(settings, allowed):
    """SystemCallFilter, RestrictAddressFamilies, MemoryDenyWriteExecute."""
    number = getattr(errno, settings["SystemCallErrorNumber"][0])
    rules = seccomp.SyscallFilter(seccomp.ERRNO(number))
    equals = lambda argument, mask, value: seccomp.Arg(argument, seccomp.MASKED_EQ, mask, value)
    conditions = {
        "socket": [seccomp.Arg(0, seccomp.EQ, FAMILIES[name]) for name in settings["RestrictAddressFamilies"][0].split()],
        "mmap": [equals(2, PROT_WRITE | PROT_EXEC, value) for value in (0, PROT_WRITE, PROT_EXEC)],
        "mprotect": [equals(2, PROT_EXEC, 0)],
        "pkey_mprotect": [equals(2, PROT_EXEC, 0)],
    }
    for name in sorted(allowed):
        try:
            call = seccomp.resolve_syscall(seccomp.Arch(), name)
        except ValueError:
            continue
        # Of another processor: it has no number on this one.
        if call < 0:
            continue
        for condition in conditions.get(name, [None]):
            rules.add_rule(seccomp.ALLOW, name, *([condition] if condition else []))
    rules.load()


def main():
    if sys.argv[0] == "-c":
        # The user is what it should be, and what a filter would have refused is done.
        settings, allowed, more = read(sys.argv[1]), sys.argv[2], sys.argv[3:]
        restrict_calls(settings, set(allowed.split(",")))
        command = settings["ExecStart"][0].split() + more
        os.execv(command[0], command)
    settings = read(sys.argv[1])
    user = pwd.getpwnam(settings["User"][0])
    allowed = allowed_calls(settings)
    # A machine may allow its root less.
    limit = min(int(settings["LimitNOFILE"][0]), resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    os.umask(int(settings["UMask"][0], 8))
    os.environ.update(line.split("=", 1) for line in settings.get("Environment", []))
    # This file may lie where the service sees nothing.
    code = open(__file__).read()
    hide_files(settings, user)

    def capabilities(name):
        words = " ".join(settings[name]).split()
        return ",".join(["-all", *("+" + word.removeprefix("CAP_").lower() for word in words)])

    ambient, bounding = capabilities("AmbientCapabilities"), capabilities("CapabilityBoundingSet")
    assert settings["NoNewPrivileges"] == ["yes"]
    os.execvp("setpriv", [
        "setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--init-groups", "--no-new-privs",
        f"--inh-caps={ambient}", f"--ambient-caps={ambient}", f"--bounding-set={bounding}",
        "/usr/bin/python3", "-c", code, sys.argv[1], ",".join(allowed), *sys.argv[2:],
    ])


if __name__ == "__main__":
    main()
