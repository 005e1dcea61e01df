//! The bench: speed of this project's encoder and model, and of PyTorch's encoder, side by side.
//!
//! Every round visits every row once, in the same order, PyTorch's right after its counterpart; so
//! whatever else the machine does falls on all of them. Ratios are taken within one run only.

mod case;
mod ours;
mod peak;
mod peer;
pub mod targets;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, bail};
use burn::tensor::Device;

use self::case::{Case, HEAVY_GMACS};
use self::ours::{Models, Subject};
use self::peak::{Product, SHAPES};
use self::peer::Peer;
use crate::progress::{self, say};
use crate::provenance::{Origin, busy_share, peak_memory_mib, reset_peak_memory};
use crate::record::{BenchRecord, BenchRow, BenchScope, ProductRow, Program, Record, quantile, write_record};

/// What a user asks of the bench.
#[derive(Clone, Debug)]
pub struct Options {
    /// Only rows whose name contains one of these; `targets` stands for the rows of the targets.
    pub only: Vec<String>,
    /// A Python with torch and segment-anything.
    pub peer: Option<PathBuf>,
    /// Rounds.
    pub rounds: usize,
    /// Heavy rows as well.
    pub all: bool,
    /// Whether peak memory is measured, in a process of its own for each row.
    pub memory: bool,
    /// Folder for the record and the report.
    pub output: PathBuf,
}

/// Time that a visit lasts at least, seconds.
const VISIT: f64 = 0.25;
/// Passes of a visit, at most.
const MAX_PASSES: usize = 50;
/// Passes shorter than this are preceded by one that is not counted, because the program before it filled
/// the caches. Seconds.
const WARM: f64 = 0.5;
/// Pause between visits: threads that wait actively for more work go to sleep.
const SETTLE: Duration = Duration::from_millis(40);
/// The machine counts as quiet where other programs use less than this share of it.
const QUIET: f64 = 0.05;

/// Runs the bench and writes its record; gives the record.
///
/// # Errors
/// Where no row matches, the peer fails or a file can't be written.
pub fn run(options: &Options, device: &Device, origin: &Origin) -> Result<BenchRecord> {
    let cases = choose(options)?;
    let busy_before = busy_share(Duration::from_secs(1));
    if let Some(busy) = busy_before.filter(|&busy| busy > QUIET) {
        say(&format!("other programs use {:.0} % of this machine; the times below suffer", 100.0 * busy));
    }
    let mut peer = match &options.peer {
        Some(python) if cases.iter().any(|case| case.program == Program::PyTorch) => {
            Some(Peer::start(python, origin.threads)?)
        }
        _ => None,
    };
    let mut stations = load(&cases, peer.as_mut(), device)?;
    let mut products: Vec<(Product, ProductRow)> = SHAPES
        .map(|shape| (Product::new(shape), ProductRow { shape, seconds: Vec::new() }))
        .into();
    let bar = progress::bar("bench", options.rounds * stations.len(), "visits");
    for _ in 0..options.rounds {
        for (product, row) in &mut products {
            row.seconds.push(visit_product(product));
        }
        for station in &mut stations {
            bar.set_message(station.row.id.clone());
            let seconds = station.visit(peer.as_mut())?;
            station.row.seconds.push(seconds);
            std::thread::sleep(SETTLE);
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    let peer_versions = peer.as_ref().map(|peer| peer.versions.clone());
    drop(peer);
    let mut rows: Vec<BenchRow> = stations.into_iter().map(|station| station.row).collect();
    if options.memory {
        measure_memory(&cases, &mut rows, options, origin)?;
    }
    let config = serde_json::json!({ "rounds": options.rounds, "only": options.only, "all": options.all });
    let record = BenchRecord {
        experiment: "bench".to_owned(),
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        busy_before,
        peer: peer_versions,
        products: products.into_iter().map(|(_, row)| row).collect(),
        rows,
        whole_way: Vec::new(),
        provenance: origin.provenance(config, 1, "none", None),
    };
    write_record(&options.output.join("records"), &Record::from(record.clone()))?;
    Ok(record)
}

/// The cases that the options ask for.
fn choose(options: &Options) -> Result<Vec<Case>> {
    let all = case::all(options.peer.is_some());
    let needed = targets::needed();
    let is_chosen = |case: &Case| {
        let id = case.id();
        let named = |only: &String| {
            if only == "targets" { needed.contains(&id.as_str()) } else { id.contains(only.as_str()) }
        };
        options.only.is_empty() || options.only.iter().any(named)
    };
    let mut cases = Vec::new();
    for case in all.iter().filter(|case| is_chosen(case)) {
        let gmacs = case.gmacs()?.unwrap_or(0.0) * case.batch as f64;
        if options.all || gmacs <= HEAVY_GMACS {
            cases.push(*case);
        }
    }
    if cases.is_empty() {
        let names: Vec<String> = all.iter().map(Case::id).collect();
        bail!("no row contains {}; the rows are:\n{}", options.only.join(" or "), names.join("\n"));
    }
    Ok(cases)
}

/// A row with what runs it.
struct Station {
    row: BenchRow,
    /// None for the peer's.
    subject: Option<Subject>,
    passes: usize,
    warm_up: bool,
}

impl Station {
    /// Mean seconds of a pass.
    fn visit(&mut self, peer: Option<&mut Peer>) -> Result<f64> {
        let skipped = usize::from(self.warm_up);
        let seconds = self.passes(peer, self.passes + skipped)?;
        Ok(mean(&seconds[skipped.min(seconds.len() - 1)..]))
    }

    /// The seconds of each of `n` passes.
    fn passes(&mut self, peer: Option<&mut Peer>, n: usize) -> Result<Vec<f64>> {
        let seconds = match (&mut self.subject, peer) {
            (Some(subject), _) => (0..n).map(|_| subject.pass()).collect::<Result<Vec<f64>>>()?,
            (None, Some(peer)) => peer.run(&self.row.id, n)?,
            (None, None) => Vec::new(),
        };
        if seconds.is_empty() {
            bail!("{} was not run", self.row.id);
        }
        Ok(seconds)
    }
}

/// Builds all models, and runs each case to see how long it takes.
fn load(cases: &[Case], mut peer: Option<&mut Peer>, device: &Device) -> Result<Vec<Station>> {
    let bar = progress::bar("loading", cases.len(), "rows");
    let mut models = Models::default();
    let mut stations = Vec::with_capacity(cases.len());
    for case in cases {
        bar.set_message(case.id());
        let (subject, weight_bytes) = match (case.program, peer.as_deref_mut()) {
            (Program::PyTorch, Some(peer)) => (None, 4.0 * peer.load(case)? as f64),
            _ => {
                let subject = Subject::new(case, &mut models, device)?;
                let weight_bytes = subject.weight_bytes;
                (Some(subject), weight_bytes)
            }
        };
        let mut station = Station { row: row(case, weight_bytes)?, subject, passes: 1, warm_up: false };
        // The first pass allocates; the second one tells the time.
        let first = station.passes(peer.as_deref_mut(), 1)?[0];
        let seconds = if first < WARM { station.passes(peer.as_deref_mut(), 1)?[0] } else { first };
        station.passes = ((VISIT / seconds).ceil() as usize).clamp(1, MAX_PASSES);
        station.warm_up = seconds < WARM;
        stations.push(station);
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(stations)
}

fn row(case: &Case, weight_bytes: f64) -> Result<BenchRow> {
    let active_share = match case.scope {
        BenchScope::Encoder | BenchScope::Training => case::active_shares(&case.encoder_config(), case.pause),
        BenchScope::Model | BenchScope::Volume => {
            case::active_shares(&case.model_config()?.encoder, case.pause)
        }
    };
    Ok(BenchRow {
        id: case.id(),
        program: case.program,
        scope: case.scope,
        preset: case::preset_name(case.preset).to_owned(),
        input_size: case.input,
        batch_size: case.batch,
        pause: case.pause.label().to_owned(),
        active_share,
        gmacs: case.gmacs()?,
        seconds: Vec::new(),
        weights_mib: weight_bytes / f64::from(1 << 20),
        peak_memory_mib: None,
        dice: None,
    })
}

fn visit_product(product: &mut Product) -> f64 {
    /// Enough for a few milliseconds of work.
    const PASSES: usize = 10;
    product.pass();
    let seconds: Vec<f64> = (0..PASSES).map(|_| product.pass()).collect();
    quantile(&seconds, 0.5)
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Peak memory of each row, each in a process of its own.
fn measure_memory(cases: &[Case], rows: &mut [BenchRow], options: &Options, origin: &Origin) -> Result<()> {
    let bar = progress::bar("memory", rows.len(), "rows");
    for (case, row) in cases.iter().zip(rows) {
        bar.set_message(row.id.clone());
        row.peak_memory_mib = match (case.program, &options.peer) {
            (Program::PyTorch, Some(python)) => {
                let mut peer = Peer::start(python, origin.threads)?;
                peer.load(case)?;
                peer.peak_memory_mib(&row.id)?
            }
            _ => memory_of_child(&row.id, origin.threads)?,
        };
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(())
}

/// Starts this program once more, for one row.
fn memory_of_child(id: &str, threads: usize) -> Result<Option<f64>> {
    let output = std::process::Command::new(std::env::current_exe()?)
        .args(["bench", "--memory-of", id, "--threads", &threads.to_string()])
        .stderr(std::process::Stdio::inherit())
        .output()?;
    if !output.status.success() {
        bail!("the memory of {id} could not be measured");
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().parse().ok())
}

/// Peak memory of one pass of a row after loading, MiB: run in a process of its own.
///
/// # Errors
/// Where there is no such row.
pub fn memory_of(id: &str, device: &Device) -> Result<Option<f64>> {
    let Some(case) = case::all(false).into_iter().find(|case| case.id() == id) else {
        bail!("there is no row {id}");
    };
    let mut subject = Subject::new(&case, &mut Models::default(), device)?;
    subject.pass()?;
    reset_peak_memory();
    subject.pass()?;
    Ok(peak_memory_mib())
}

/// The rows and targets as text, for the terminal.
#[must_use]
pub fn summary(record: &BenchRecord) -> String {
    let mut lines = Vec::new();
    let peak = record.peak_gflops();
    for product in &record.products {
        let [m, k, n] = product.shape;
        lines.push(format!("gemm {m} x {k} x {n:<42} {:8.1} GFLOP/s", product.gflops()));
    }
    for row in &record.rows {
        let rate = row.gflops().map_or_else(String::new, |rate| {
            let share = peak.map_or(f64::NAN, |peak| 100.0 * rate / peak);
            format!("{rate:7.1} GFLOP/s {share:5.1} %")
        });
        let memory = row.peak_memory_mib.map_or_else(String::new, |mib| format!("  {mib:.0} MiB"));
        lines.push(format!(
            "{:<42} {:9.2} ms a slice ({:.2} to {:.2})  {rate}{memory}",
            row.id,
            row.ms_per_slice(0.5),
            row.ms_per_slice(0.1),
            row.ms_per_slice(0.9)
        ));
    }
    for target in targets::targets(record) {
        let Some(measured) = target.measured else { continue };
        let spread = target.spread.map_or_else(String::new, |(low, high)| format!(" ({low:.2} to {high:.2})"));
        let verdict = if target.is_met() == Some(true) { "met" } else { "missed" };
        let bound = if target.at_most { "at most" } else { "at least" };
        lines.push(format!("{:<82} {measured:7.2}{spread}, {bound} {}: {verdict}", target.what, target.wanted));
    }
    lines.join("\n")
}

/// The report's folder of a run.
#[must_use]
pub fn report_folder(output: &Path) -> PathBuf {
    output.join("report")
}
