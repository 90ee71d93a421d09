//! A control group: how much memory processes may use, the system's cache of their files included, as on a small machine.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

const ROOT: &str = "/sys/fs/cgroup";

/// A control group of this run's own, of either version of Linux's; it goes when this is dropped.
pub struct ControlGroup {
    folder: PathBuf,
    files: &'static Files,
}

/// What the files of a version are called.
struct Files {
    most: &'static str,
    /// Where it is said that nothing is swapped out, and how; where the system knows swapping at all.
    unswapped: (&'static str, Option<&'static str>),
    peak: &'static str,
    /// What a line of `/proc/self/cgroup` has between its colons.
    controller: &'static str,
}

const FIRST: Files = Files {
    most: "memory.limit_in_bytes",
    unswapped: ("memory.memsw.limit_in_bytes", None),
    peak: "memory.max_usage_in_bytes",
    controller: "memory",
};
const SECOND: Files = Files {
    most: "memory.max",
    unswapped: ("memory.swap.max", Some("0")),
    peak: "memory.peak",
    controller: "",
};

impl ControlGroup {
    /// A group whose processes may use so many MiB together, and nothing of a swap.
    ///
    /// # Errors
    /// A sentence where the system does not allow it: it takes Linux, and the right to, which is usually root's.
    pub fn with_memory(mib: u64) -> Result<ControlGroup, String> {
        let files = version();
        let group = ControlGroup {
            folder: files.root().join(format!("epis-{}", std::process::id())),
            files,
        };
        let make = || -> io::Result<()> {
            fs::create_dir(&group.folder)?;
            let bytes = (mib << 20).to_string();
            fs::write(group.folder.join(files.most), &bytes)?;
            let (file, nothing) = files.unswapped;
            let swapped = group.folder.join(file);
            match swapped.exists() {
                true => fs::write(swapped, nothing.unwrap_or(&bytes)),
                false => Ok(()),
            }
        };
        make().map_err(|e| {
            format!(
                "No control group with {mib} MiB of memory can be made in {}: {e}.",
                group.folder.display()
            )
        })?;
        Ok(group)
    }

    /// Takes a process in: what it uses from now on counts.
    ///
    /// # Errors
    /// Those of the system.
    pub fn take(&self, process: u32) -> io::Result<()> {
        fs::write(self.folder.join("cgroup.procs"), process.to_string())
    }

    /// Does something whose processes begin in the group: all that they use counts.
    ///
    /// # Errors
    /// Those of the system.
    pub fn around<T>(&self, work: impl FnOnce() -> T) -> io::Result<T> {
        let (own, before) = (std::process::id(), self.files.present()?);
        self.take(own)?;
        let done = work();
        fs::write(before.join("cgroup.procs"), own.to_string())?;
        Ok(done)
    }

    /// The most that its processes used at any moment, in MiB.
    pub fn peak_mib(&self) -> f64 {
        let text = fs::read_to_string(self.folder.join(self.files.peak)).unwrap_or_default();
        text.trim().parse::<f64>().unwrap_or(0.0) / f64::from(1 << 20)
    }
}

impl Drop for ControlGroup {
    fn drop(&mut self) {
        // It is empty once its processes have ended; one left behind takes nothing.
        let _ = fs::remove_dir(&self.folder);
    }
}

/// The version this system has, its second one with memory let in below the root where that is allowed.
fn version() -> &'static Files {
    if !Path::new(ROOT).join("cgroup.controllers").is_file() {
        return &FIRST;
    }
    // Where that is refused, making the group says so.
    let _ = fs::write(Path::new(ROOT).join("cgroup.subtree_control"), "+memory");
    &SECOND
}

impl Files {
    fn root(&self) -> PathBuf {
        Path::new(ROOT).join(self.controller)
    }

    /// The group that this process is in.
    fn present(&self) -> io::Result<PathBuf> {
        let groups = fs::read_to_string("/proc/self/cgroup")?;
        let path = groups.lines().find_map(|line| {
            let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
            (controllers == self.controller).then_some(path)
        });
        Ok(self.root().join(path.unwrap_or_default().trim_start_matches('/')))
    }
}

/// Asks the system to drop what it keeps of a folder's files in memory.
pub fn forget(folder: &Path) {
    for entry in fs::read_dir(folder).expect("the store's folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            forget(&path);
        }
        // A socket has nothing.
        if !path.is_file() {
            continue;
        }
        let file = format!("of={}", path.display());
        let advice = ["oflag=nocache", "conv=notrunc,fdatasync", "count=0", "status=none"];
        let done = Command::new("dd").arg(file).args(advice).status().expect("dd is there");
        assert!(done.success(), "{} stays in the page cache", path.display());
    }
}
