//! Where a result comes from.

use std::process::Command;

use fastersam_bench::machine;
use fastersam_records::Provenance;

/// The version of burn that the workspace pins.
const BURN_VERSION: &str = "0.22.1";

/// What all records of a run have in common.
#[derive(Clone, Debug)]
pub struct Origin {
    /// Device by name.
    pub device: String,
    /// Number of threads.
    pub threads: usize,
    /// The commit when the program started: what is done to the tree meanwhile is not in it.
    commit: String,
}

impl Origin {
    /// Of this program, just started.
    #[must_use]
    pub fn new(device: &str, threads: usize) -> Self {
        Self { device: device.to_owned(), threads, commit: commit() }
    }

    /// The provenance of one result.
    #[must_use]
    pub fn provenance(
        &self,
        config: serde_json::Value,
        seed: u64,
        data_sha256: &str,
        weights_sha256: Option<String>,
    ) -> Provenance {
        Provenance {
            config,
            seed,
            data_manifest_sha256: data_sha256.to_owned(),
            weights_sha256,
            backbone_sha256: None,
            decoder_sha256: None,
            commit: self.commit.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            burn_version: BURN_VERSION.to_owned(),
            device: self.device.clone(),
            threads: self.threads,
            cpu: machine::cpu(),
            date: now(),
        }
    }
}

/// The commit of the source tree, with `-dirty` where files differ from it.
fn commit() -> String {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(["-C", env!("CARGO_MANIFEST_DIR")]).args(arguments).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let Some(commit) = git(&["rev-parse", "HEAD"]) else { return "unknown".to_owned() };
    let is_clean = git(&["status", "--porcelain", "--untracked-files=no"]).is_some_and(|s| s.is_empty());
    if is_clean { commit } else { format!("{commit}-dirty") }
}

/// Now, RFC 3339 in UTC.
fn now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
