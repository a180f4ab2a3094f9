//! How much memory this process may have: what the machine has, and what its container, control group or shell leaves it.

use std::path::{Path, PathBuf};

use rustix::process::{Resource, getrlimit};

/// Where control groups are found.
const GROUPS: &str = "/sys/fs/cgroup";

/// The share of memory for decoded data: learners, results and a second data set in its place need room too.
const DATA_SHARE: u64 = 4;

/// The least memory for decoded data, in MiB, and what is taken where the machine does not say.
const DATA_MIN_MIB: u64 = 64;
const DATA_UNKNOWN_MIB: u64 = 1024;

/// The most memory for loaded fits that a predictor takes unasked, in MiB.
const FITS_MAX_MIB: u64 = 256;

/// What decoded data may take, in MiB: a quarter of the memory that this process may have.
pub(crate) fn data_mib() -> u64 {
    limit_bytes().map_or(DATA_UNKNOWN_MIB, |limit| ((limit / DATA_SHARE) >> 20).max(DATA_MIN_MIB))
}

/// What loaded fits may take, in MiB.
pub(crate) fn fits_mib() -> u64 {
    data_mib().min(FITS_MAX_MIB)
}

/// The least of all limits; `None` when the operating system names none.
fn limit_bytes() -> Option<u64> {
    let machine = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| total_bytes(&text));
    let groups = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let groups = group_files(&groups).into_iter().filter_map(|file| read_limit(&file));
    let own = [Resource::Data, Resource::As].into_iter().filter_map(|kind| getrlimit(kind).current);
    machine.into_iter().chain(groups).chain(own).min()
}

/// `MemTotal` of `/proc/meminfo`.
fn total_bytes(meminfo: &str) -> Option<u64> {
    let total = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    total.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}

/// The files that may limit memory, of version 2 and 1 of control groups: those of the process's group, and of all above it.
/// In a container, the name of the group may be that on the host, and the files are those of the root.
fn group_files(groups: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for line in groups.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(group)) = (fields.next(), fields.next()) else { continue };
        let (root, file) = match controllers {
            "" => (PathBuf::from(GROUPS), "memory.max"),
            _ if controllers.split(',').any(|name| name == "memory") => {
                (Path::new(GROUPS).join("memory"), "memory.limit_in_bytes")
            }
            _ => continue,
        };
        let own = root.join(group.trim_start_matches('/'));
        files.extend(own.ancestors().take_while(|folder| folder.starts_with(&root)).map(|f| f.join(file)));
    }
    files
}

/// The number in a file; `max` and what cannot be read limit nothing.
fn read_limit(file: &Path) -> Option<u64> {
    std::fs::read_to_string(file).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machines_memory_is_read() {
        assert_eq!(total_bytes("MemTotal:       24689764 kB\nMemFree: 1 kB\n"), Some(24_689_764 * 1024));
        assert_eq!(total_bytes("nothing"), None);
    }

    #[test]
    fn limits_are_looked_for_in_all_groups_above() {
        let files = group_files("4:cpu:/a\n3:memory:/docker/x\n0::/\n");
        let files: Vec<_> = files.iter().map(|file| file.display().to_string()).collect();
        assert_eq!(
            files,
            [
                "/sys/fs/cgroup/memory/docker/x/memory.limit_in_bytes",
                "/sys/fs/cgroup/memory/docker/memory.limit_in_bytes",
                "/sys/fs/cgroup/memory/memory.limit_in_bytes",
                "/sys/fs/cgroup/memory.max",
            ]
        );
    }

    #[test]
    fn some_memory_is_always_granted() {
        assert!(data_mib() >= DATA_MIN_MIB && fits_mib() >= DATA_MIN_MIB && fits_mib() <= FITS_MAX_MIB);
    }
}
