//! Processes on cores of their own, so that where the system happens to wake a thread is not measured as the server's doing.

use std::process::Command;

/// The client on one core and servers on another for as long as this lives; nothing where there are no two.
pub struct Apart {
    processes: Vec<u32>,
    all: String,
}

impl Apart {
    /// Parts this process from the servers.
    pub fn new(servers: &[u32]) -> Option<Apart> {
        let all = allowed();
        let cores = listed(&all);
        let [first, second, ..] = &cores[..] else {
            return None;
        };
        let own = std::process::id();
        pin(own, &first.to_string());
        servers.iter().for_each(|server| pin(*server, &second.to_string()));
        let processes = servers.iter().copied().chain([own]).collect();
        Some(Apart { processes, all })
    }
}

impl Drop for Apart {
    fn drop(&mut self) {
        self.processes.iter().for_each(|process| pin(*process, &self.all));
    }
}

/// The cores this process may use, as the system writes them: `0-3,8`.
fn allowed() -> String {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    line.expect("the system says which cores there are").trim().to_owned()
}

fn listed(cores: &str) -> Vec<u32> {
    let range = |part: &str| -> Option<std::ops::RangeInclusive<u32>> {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some(first.parse().ok()?..=last.parse().ok()?)
    };
    cores.split(',').filter_map(range).flatten().collect()
}

/// Puts all threads of a process on these cores; those it starts later stay there too.
fn pin(process: u32, cores: &str) {
    let mut command = Command::new("taskset");
    command.args(["--all-tasks", "--cpu-list", "--pid", cores, &process.to_string()]);
    let done = command.output().expect("taskset of util-linux is there");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}
