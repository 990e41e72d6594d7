//! Where everything is stored: in the folder `timeloop` of the target folder.
//!
//! | below `target/timeloop` | what |
//! |---|---|
//! | `build` | cargo's target folder |
//! | `crates` | the crates that replace tokio |
//! | `lock` | two lockfiles: of the user's graph, and of the one with the replacement |
//! | `regressions` | failing schedules, unless `timeloop.toml` names another folder |
//! | `results.jsonl` | the results of the last tests |

use std::path::{Path, PathBuf};

use crate::exit::Failed;
use crate::files;
use crate::toolchain::Toolchain;

#[derive(Clone, Debug)]
pub(crate) struct Places {
    /// The root folder of the user's workspace.
    pub(crate) root: PathBuf,
    /// `target/timeloop`.
    pub(crate) base: PathBuf,
    /// What belongs to one workspace. Several may share a target folder.
    pub(crate) state: PathBuf,
    pub(crate) build: PathBuf,
    pub(crate) crates: PathBuf,
}

impl Places {
    /// Asks cargo for the workspace and the target folder. That reads no lockfile.
    pub(crate) fn find(
        toolchain: &Toolchain,
        manifest: Option<&Path>,
        target: Option<&Path>,
    ) -> Result<Self, Failed> {
        let mut command = toolchain.command_without_lock();
        command.args(["metadata", "--no-deps", "--format-version=1"]);
        if let Some(manifest) = manifest {
            command.arg("--manifest-path").arg(manifest);
        }
        let metadata = crate::graph::read(&mut command)?;
        let target = match target {
            Some(target) => files::context(std::path::absolute(target), "find", target)?,
            None => metadata.target_directory.into(),
        };
        Ok(Self::of(metadata.workspace_root.into(), &target))
    }

    fn of(root: PathBuf, target: &Path) -> Self {
        let base = target.join("timeloop");
        let state = if base.starts_with(&root) {
            base.clone()
        } else {
            let name = root.file_name().unwrap_or_default().to_string_lossy();
            let hash = files::hash([root.display().to_string().as_bytes()]);
            base.join(format!("{name}-{hash:016x}"))
        };
        Self { build: base.join("build"), crates: base.join("crates"), root, base, state }
    }

    /// Returns the lockfile of the user's graph.
    pub(crate) fn user_lock(&self) -> PathBuf {
        self.state.join("lock/user/Cargo.lock")
    }

    /// Returns the lockfile of the graph with the replacement.
    pub(crate) fn patched_lock(&self) -> PathBuf {
        self.state.join("lock/patched/Cargo.lock")
    }

    pub(crate) fn regressions(&self) -> PathBuf {
        self.state.join("regressions")
    }

    pub(crate) fn results(&self) -> PathBuf {
        self.state.join("results.jsonl")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workspaces_that_share_a_target_folder_are_kept_apart() {
        let place = |root: &str, target: &str| Places::of(root.into(), Path::new(target)).state;
        assert_eq!(place("/work/bank", "/work/bank/target"), Path::new("/work/bank/target/timeloop"));
        let [one, other] = ["/work/bank", "/home/bank"].map(|root| place(root, "/tmp/target"));
        assert!(one.starts_with("/tmp/target/timeloop") && other.starts_with("/tmp/target/timeloop"));
        assert_ne!(one, other);
    }
}
