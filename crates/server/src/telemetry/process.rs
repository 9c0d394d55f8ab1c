//! Memory, processor time and threads of the process, from Linux's `/proc` (proc(5)). Elsewhere these gauges are missing.
use metrics::gauge;

/// Processor time is counted in hundredths of a second on every Linux that Rust runs on.
const TICKS: f64 = 100.0;

/// Takes the gauges anew.
pub(super) fn measure() {
    if let Ok(status) = std::fs::read_to_string("/proc/self/status") {
        for (field, name) in [("RssAnon:", "runtime.alloc_bytes"), ("VmRSS:", "runtime.sys_bytes")] {
            if let Some(kib) = number(&status, field) {
                gauge!(name).set(kib * 1024.0);
            }
        }
        if let Some(threads) = number(&status, "Threads:") {
            gauge!("runtime.num_threads").set(threads);
        }
    }
    if let Some(seconds) = std::fs::read_to_string("/proc/self/stat").ok().as_deref().and_then(processor_time) {
        gauge!("runtime.cpu_seconds").set(seconds);
    }
}

/// The number behind the field's name at the beginning of a line.
fn number(status: &str, field: &str) -> Option<f64> {
    status.lines().find_map(|line| line.strip_prefix(field))?.split_whitespace().next()?.parse().ok()
}

/// User and system time, in seconds: the 14th and the 15th field. The second, the program's name, may hold spaces.
fn processor_time(stat: &str) -> Option<f64> {
    let mut fields = stat.rsplit(')').next()?.split_whitespace().skip(11);
    let (user, system): (f64, f64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some((user + system) / TICKS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_behind_a_name_with_spaces_and_brackets() {
        let stat = "7 (a ) b) S 1 7 7 0 -1 4194560 1 0 0 0 150 50 0 0 20 0 9 0 1 1 1";
        assert_eq!(processor_time(stat), Some(2.0));
        assert_eq!(number("Name:\tx\nVmRSS:\t  12 kB\n", "VmRSS:"), Some(12.0));
        assert_eq!(number("Name:\tx\n", "VmRSS:"), None);
    }
}
