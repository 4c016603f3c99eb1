//! What this process gives up once it has what it needs: being root, whatever no server does, and files that are none of its
//! business. Whoever takes it over has no more than is left.
//!
//! Workers, who read what strangers send, can open nothing at all: everything that they send is open already.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreated, RulesetCreatedAttr, RulesetError, RulesetStatus,
};
use nix::unistd::{self, User};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch};

/// The newest rules that are known here; an older kernel has fewer of them.
const RULES: ABI = ABI::V5;
/// What readers of files send to, so that it goes nowhere.
const NOWHERE: &str = "/dev/null";

/// Which files a process needs from now on.
#[derive(Clone, Debug, Default)]
pub struct Needs {
    /// Directories and files that are read, with all that lies below; `None` for everything.
    pub read: Option<Vec<PathBuf>>,
    /// Directories in which files are made, written and renamed.
    pub write: Vec<PathBuf>,
}

/// A user of this machine.
///
/// # Errors
///
/// If there is none of this name.
pub fn user(name: &str) -> Result<User, String> {
    User::from_name(name).map_err(|error| error.to_string())?.ok_or_else(|| "there is no such user".into())
}

/// Becomes another user, with that user's groups and no others; nothing if it is that user. To be called when ports and files
/// that only root can have are open.
///
/// # Errors
///
/// If this process may not.
pub fn become_user(user: &User) -> Result<(), String> {
    if unistd::geteuid() == user.uid {
        return Ok(());
    }
    let name = CString::new(user.name.as_str()).map_err(|error| error.to_string())?;
    // The user comes last: who is not root any more can give up nothing else.
    let became = unistd::initgroups(&name, user.gid).and_then(|()| unistd::setgid(user.gid));
    became.and_then(|()| unistd::setuid(user.uid)).map_err(|error| error.desc().to_lowercase())
}

/// Gives up, for all threads, calls that this server never makes and that whoever takes it over would want first: to run
/// other programs, to look into other processes, to change what is mounted, to load code into the kernel. They fail as if
/// it were not permitted. Nothing that this process runs can have more rights than it. The price are some nanoseconds for
/// every call that any thread makes.
///
/// # Errors
///
/// If the kernel has no such filters.
pub fn forbid_calls() -> Result<(), String> {
    let arch = TargetArch::try_from(std::env::consts::ARCH).map_err(|error| error.to_string())?;
    let rules: BTreeMap<i64, Vec<seccompiler::SeccompRule>> =
        FORBIDDEN.iter().map(|&call| (call, Vec::new())).collect();
    let not_permitted = SeccompAction::Errno(libc::EPERM as u32);
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, not_permitted, arch);
    let program: Result<BpfProgram, _> = filter.and_then(TryInto::try_into);
    let program = program.map_err(|error| error.to_string())?;
    seccompiler::apply_filter_all_threads(&program).map_err(|error| error.to_string())
}

/// What is forbidden.
const FORBIDDEN: [i64; 38] = [
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_kcmp,
    libc::SYS_pidfd_getfd,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsmount,
    libc::SYS_mount_setattr,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_setns,
    libc::SYS_unshare,
    libc::SYS_open_by_handle_at,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_sethostname,
];

/// Lets this thread, and those that it starts, open no other files than those that are needed, and run no programs. Returns
/// whether the kernel can do that.
///
/// # Errors
///
/// If a file that is needed cannot be looked at.
pub fn need_only(needs: &Needs) -> Result<bool, String> {
    let mut handled = AccessFs::from_write(RULES) | AccessFs::Execute;
    if needs.read.is_some() {
        handled |= AccessFs::from_read(RULES);
    }
    let begin = || Ruleset::default().set_compatibility(CompatLevel::BestEffort).handle_access(handled)?.create();
    let mut rules = begin().map_err(|error| error.to_string())?;
    for path in needs.read.iter().flatten() {
        rules = allow(rules, path, AccessFs::from_read(RULES) & !AccessFs::Execute)?;
    }
    for path in needs.write.iter().map(PathBuf::as_path).chain([Path::new(NOWHERE)]) {
        rules = allow(rules, path, (AccessFs::from_write(RULES) | AccessFs::ReadFile | AccessFs::ReadDir) & handled)?;
    }
    enter(rules).map_err(|error| error.to_string())
}

/// Lets this thread, and those that it starts, open no files at all, and neither connect to anybody nor listen. Returns
/// whether the kernel can do that.
pub(super) fn need_nothing() -> bool {
    let begin = || {
        let rules = Ruleset::default().set_compatibility(CompatLevel::BestEffort);
        let rules =
            rules.handle_access(AccessFs::from_all(RULES))?.handle_access(AccessNet::from_all(RULES))?.create()?;
        enter(match PathFd::new(NOWHERE) {
            Ok(nowhere) => rules.add_rule(PathBeneath::new(nowhere, AccessFs::WriteFile))?,
            Err(_) => rules,
        })
    };
    begin().unwrap_or(false)
}

fn allow(rules: RulesetCreated, path: &Path, access: landlock::BitFlags<AccessFs>) -> Result<RulesetCreated, String> {
    let place = PathFd::new(path).map_err(|error| error.to_string())?;
    let access = if path.is_dir() { access } else { access & AccessFs::from_file(RULES) };
    rules.add_rule(PathBeneath::new(place, access)).map_err(|error| format!("{}: {error}", path.display()))
}

fn enter(rules: RulesetCreated) -> Result<bool, RulesetError> {
    Ok(rules.restrict_self()?.ruleset != RulesetStatus::NotEnforced)
}
