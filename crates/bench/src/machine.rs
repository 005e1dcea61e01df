//! The machine that something runs on: its processor, its memory, and what other programs use of it.

/// The processor, as the operating system names it.
#[must_use]
pub fn cpu() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    info.lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'))
        .map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, name)| name.trim().to_owned())
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

/// The widest vectors that the kernels use on this machine.
#[must_use]
pub fn vectors() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") {
            return "AVX-512";
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            return "AVX2";
        }
    }
    if cfg!(target_arch = "aarch64") { "NEON" } else { "the compiler's" }
}
