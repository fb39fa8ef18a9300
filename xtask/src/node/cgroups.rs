//! Control groups of nodes, on machines with version 1 of them, version 2, or both.

use std::path::{Path, PathBuf};

use crate::{Error, Result};

/// Below each of cgroups' controllers.
const CGROUPS: &str = "/sys/fs/cgroup";

/// The roots of all trees of groups: one for each controller of version 1, and that of version 2,
/// which may be beside them.
fn hierarchies() -> Vec<PathBuf> {
    let root = PathBuf::from(CGROUPS);
    let is_tree = |it: &PathBuf| it.join("cgroup.procs").exists() && !it.is_symlink();
    if is_tree(&root) {
        return vec![root];
    }
    let entries = std::fs::read_dir(root).into_iter().flatten().flatten();
    entries.map(|it| it.path()).filter(is_tree).collect()
}

/// Makes the groups that the kubelet looks for.
pub(super) fn make(name: &str) -> Result<()> {
    for hierarchy in hierarchies() {
        let group = hierarchy.join(name);
        std::fs::create_dir_all(&group)
            .map_err(Error::io(format!("making {}", group.display())))?;
        // A new one of `cpuset` has neither processors nor memory.
        for file in ["cpuset.cpus", "cpuset.mems"] {
            if let Ok(value) = std::fs::read_to_string(hierarchy.join(file)) {
                let _ = std::fs::write(group.join(file), value);
            }
        }
    }
    Ok(())
}

/// Removes groups and all below them; whether none is left.
pub(super) fn remove(name: &str) -> bool {
    let groups = hierarchies().into_iter().map(|it| it.join(name)).filter(|it| it.exists());
    groups.filter(|it| !remove_group(it)).count() == 0
}

fn remove_group(group: &Path) -> bool {
    for entry in std::fs::read_dir(group).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            remove_group(&entry.path());
        }
    }
    std::fs::remove_dir(group).is_ok()
}

/// Removes what runs that were killed have left.
pub(super) fn remove_old() {
    for hierarchy in hierarchies() {
        for entry in std::fs::read_dir(&hierarchy).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let process = name.strip_prefix("mesegate-").and_then(|it| it.split('-').next());
            let process = process.and_then(|it| it.parse::<u32>().ok());
            if process.is_some_and(|it| !Path::new("/proc").join(it.to_string()).exists()) {
                remove(&name);
            }
        }
    }
}
