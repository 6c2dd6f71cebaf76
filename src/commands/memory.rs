//! How much memory the jobs in flight may take: `--memory`, or a share of what the machine has left.

use std::path::Path;

use crate::fs;
use crate::num::ByteSize;
use crate::spectrum::MemoryLimit;

/// What was asked for, or three quarters of the memory that is free (`MemAvailable` of
/// `/proc/meminfo`) or of the control group's limit, whichever is less. Where neither can be read
/// there is no limit.
pub(super) fn limit(asked: Option<ByteSize>) -> MemoryLimit {
    if let Some(size) = asked {
        return MemoryLimit::of_bytes(size.bytes());
    }
    let machine = fs::read_to_string(Path::new("/proc/meminfo"));
    let machine = machine.ok().and_then(|text| available(&text));
    let group = fs::read_to_string(Path::new("/sys/fs/cgroup/memory.max"));
    let group = group.ok().and_then(|text| text.trim().parse().ok());
    let least = machine.into_iter().chain(group).min();
    least.map_or(MemoryLimit::NONE, |bytes| {
        MemoryLimit::of_bytes(bytes / 4 * 3)
    })
}

/// Bytes on the line `MemAvailable:  123 kB`.
fn available(meminfo: &str) -> Option<u64> {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_available_memory_is_found_among_the_lines() {
        let text = "MemTotal:       16384 kB\nMemFree:  1 kB\nMemAvailable:     8192 kB\n";
        assert_eq!(available(text), Some(8192 * 1024));
        assert_eq!(available("MemTotal: 1 kB\n"), None);
    }
}
