//! What the kernel knows of this process, as the usual metrics of a process want it.

use std::fs;

/// Of this process, as far as the kernel tells.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Process {
    /// Processor time, in seconds.
    pub cpu: f64,
    /// Memory that is in use, in bytes.
    pub resident: u64,
    /// Descriptors that are open.
    pub descriptors: usize,
}

impl Process {
    /// As it is now; zeros where that cannot be read.
    pub fn now() -> Process {
        Process {
            cpu: fs::read_to_string("/proc/self/stat").ok().and_then(|stat| cpu(&stat)).unwrap_or_default(),
            resident: fs::read_to_string("/proc/self/statm")
                .ok()
                .and_then(|statm| resident(&statm))
                .unwrap_or_default(),
            descriptors: fs::read_dir("/proc/self/fd").map_or(0, Iterator::count),
        }
    }
}

/// User and system time of proc_pid_stat(5): the fields 14 and 15, of which the second may hold anything in parentheses.
fn cpu(stat: &str) -> Option<f64> {
    let (_, behind) = stat.rsplit_once(") ")?;
    let mut fields = behind.split(' ').skip(11);
    let ticks = fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?;
    Some(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
}

/// The second number of proc_pid_statm(5).
fn resident(statm: &str) -> Option<u64> {
    let pages = statm.split(' ').nth(1)?.parse::<u64>().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_uses_something() {
        let stat = "12 (a) b) S 1 2 3 4 5 6 7 8 9 10 250 150 0 0 20 0";
        assert_eq!(cpu(stat), Some(400.0 / rustix::param::clock_ticks_per_second() as f64));
        let now = Process::now();
        assert!(now.resident > 100_000 && now.descriptors >= 3, "{now:?}");
    }
}
