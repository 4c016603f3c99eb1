//! What of its rights a server gives up, as its settings say.

use std::path::{Path, PathBuf};

use super::message;
use super::settings::{Sandbox, ServerSettings, Source};
use crate::runtime::confine::{self, Needs};
use crate::runtime::{Destination, Messages};

/// Where types of files are looked up whose names say nothing.
const MIME: &str = "/usr/share/mime";
/// Where this process learns about itself.
const SELF: &str = "/proc/self";
/// How many maps it may have.
const MOST_MAPS: &str = "/proc/sys/vm/max_map_count";

/// Gives up what the settings say: to be called when everything is open that only root can have, and before threads are
/// started.
///
/// # Errors
///
/// If it cannot be the user that it should be, or something that it needs is not there. That the kernel cannot confine
/// processes is said, and no error.
pub fn give_up(settings: &ServerSettings, messages: &Messages) -> Result<(), String> {
    if let Some(name) = &settings.user {
        let failed = |error| format!("--user {name}: {error}");
        let user = confine::user(name).map_err(failed)?;
        // It will open it anew.
        message::give_to(user.uid.as_raw(), user.gid.as_raw());
        confine::become_user(&user).map_err(failed)?;
    }
    let strict = match settings.sandbox {
        Sandbox::Off => return Ok(()),
        Sandbox::On => false,
        Sandbox::Strict => true,
    };
    if strict {
        confine::forbid_calls().map_err(|error| format!("--sandbox strict: {error}"))?;
    }
    let needs = Needs { read: strict.then(|| read(settings)), write: write(settings) };
    match confine::need_only(&needs).map_err(|error| format!("--sandbox: {error}"))? {
        true => Ok(()),
        false if strict => Err("--sandbox strict: this kernel has no Landlock".into()),
        false => {
            messages.say("--sandbox: this kernel has no Landlock, so files are not kept from it");
            Ok(())
        }
    }
}

/// What is named in the settings that this process will need, and is not there.
pub fn missing(settings: &ServerSettings) -> Vec<String> {
    let user = settings.user.iter().filter_map(|name| Some(format!("--user {name}: {}", confine::user(name).err()?)));
    let logs = [("--access-log", settings.access_log.as_ref()), ("--error-log", Some(&settings.error_log))];
    let logs = logs.into_iter().filter_map(|(flag, log)| match log {
        Some(Destination::File(path)) if !directory_of(path).is_dir() => {
            Some(format!("{flag} {}: there is no such directory", path.display()))
        }
        _ => None,
    });
    let readable = settings.readable.iter().filter(|path| !path.exists());
    let readable = readable.map(|path| format!("--readable {}: there is no such directory", path.display()));
    user.chain(logs).chain(readable).collect()
}

/// Where it makes files.
fn write(settings: &ServerSettings) -> Vec<PathBuf> {
    let logs = [settings.access_log.as_ref(), Some(&settings.error_log)].into_iter().flatten();
    let logs = logs.filter_map(|log| match log {
        Destination::File(path) => Some(directory_of(path)),
        Destination::Stdout | Destination::Syslog => None,
    });
    // A site is packed into a file without a name.
    let packs = matches!(&settings.source, Some(Source::One(path, _)) if path.is_dir());
    // What is not there will be complained of by who wants to write there.
    logs.chain(packs.then(std::env::temp_dir)).filter(|directory| directory.exists()).collect()
}

/// What it reads: what it serves, where links to that lead, settings and certificates, and what was said.
fn read(settings: &ServerSettings) -> Vec<PathBuf> {
    let mut all = settings.readable.clone();
    match &settings.source {
        None => {}
        Some(Source::One(path, site_settings)) if path.is_dir() => {
            all.push(path.clone());
            all.extend(site_settings.as_deref().map(directory_of));
        }
        // Another one will take its place.
        Some(Source::One(path, _)) => all.extend(places_of(path)),
        Some(Source::Hosts(path)) => {
            all.push(path.clone());
            let entries = path.read_dir().into_iter().flatten().flatten();
            all.extend(entries.flat_map(|entry| places_of(&entry.path())));
        }
    }
    if let Some(tls) = &settings.tls {
        let pairs = tls.files.pairs().unwrap_or_default();
        all.extend(pairs.iter().flat_map(|pair| [&pair.chain, &pair.key]).flat_map(|file| places_of(file)));
        all.extend(tls.files.directory.clone());
    }
    all.extend([MIME, SELF, MOST_MAPS].map(PathBuf::from));
    // The others are missed by who wants to read them.
    all.retain(|path| path.exists() || settings.readable.contains(path));
    all.sort();
    all.dedup();
    all
}

/// The directories in which a file is found, by its name and where that leads.
fn places_of(file: &Path) -> Vec<PathBuf> {
    let real = file.canonicalize().ok();
    std::iter::once(directory_of(file)).chain(real.as_deref().map(directory_of)).collect()
}

fn directory_of(file: &Path) -> PathBuf {
    match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.into(),
        _ => ".".into(),
    }
}
