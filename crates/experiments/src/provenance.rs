//! Where a result comes from.

use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::record::Provenance;

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
            cpu: cpu(),
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

fn cpu() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    info.lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'))
        .map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, name)| name.trim().to_owned())
}

/// Now, RFC 3339 in UTC.
fn now() -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs() as i64);
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Civil date from days since 1970-01-01 (Howard Hinnant's algorithm).
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let day_of_era = z.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", rest / 3600, rest / 60 % 60, rest % 60)
}

/// Peak resident memory of this process in MiB since the last [`reset_peak_memory`], on Linux.
#[must_use]
pub fn peak_memory_mib() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib / 1024.0)
}

/// Starts a new measurement of the peak; where the system can't, the peak is that of the process.
pub fn reset_peak_memory() {
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

/// The processors' time since a moment, to see what other programs took of it, on Linux.
#[derive(Clone, Debug)]
pub struct Usage {
    /// All ticks, and those of them in which nothing ran.
    all: [f64; 2],
    /// Ticks of this process and its child.
    own: f64,
    child: Option<u32>,
}

impl Usage {
    /// From now on; `child` is a process that counts as this one.
    #[must_use]
    pub fn now(child: Option<u32>) -> Option<Self> {
        let all = all_ticks()?;
        let own = process_ticks("self")? + child.map_or(Some(0.0), |id| process_ticks(&id.to_string()))?;
        Some(Self { all, own, child })
    }

    /// The share of all processors' time that other programs have used, in [0, 1].
    #[must_use]
    pub fn by_others(&self) -> Option<f64> {
        let now = Self::now(self.child)?;
        let (all, idle) = (now.all[0] - self.all[0], now.all[1] - self.all[1]);
        (all > 0.0).then(|| ((all - idle - (now.own - self.own)) / all).clamp(0.0, 1.0))
    }
}

/// All ticks of all processors, and those of them in which nothing ran.
fn all_ticks() -> Option<[f64; 2]> {
    let stat = std::fs::read_to_string("/proc/stat").ok()?;
    let fields: Vec<f64> =
        stat.lines().next()?.split_whitespace().skip(1).filter_map(|field| field.parse().ok()).collect();
    // user, nice, system, idle, waiting for a disk, ...
    Some([fields.iter().sum(), fields.get(3)? + fields.get(4)?])
}

/// Ticks of one process, in its own and in the system's code.
fn process_ticks(process: &str) -> Option<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name, in brackets, may hold spaces; the times are the 12th and 13th fields behind it.
    let fields: Vec<&str> = stat.rsplit(')').next()?.split_whitespace().collect();
    Some(fields.get(11)?.parse::<f64>().ok()? + fields.get(12)?.parse::<f64>().ok()?)
}
