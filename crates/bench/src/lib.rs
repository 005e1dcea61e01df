#![doc = include_str!("../README.md")]
#![deny(unsafe_code)]
//! The bench: speed of this project's encoder and model, and of PyTorch's encoder, side by side.
//!
//! Every round visits every row once, in the same order, PyTorch's right after its counterpart; so
//! whatever else the machine does falls on all of them. Ratios are taken within one run only.

mod dice;
mod end_to_end;
pub mod instructions;
pub mod machine;
mod memory;
mod ours;
mod peak;
mod peer;
mod spans;
pub mod timing;
mod workload;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, bail};
use burn::tensor::Device;
use fastersam::WeightPrecision;

use self::dice::Scores;
pub use self::memory::memory_of;
use self::ours::{Models, Runner};
use self::peak::{Product, SHAPES};
use self::peer::Peer;
use self::timing::Rounds;
use self::workload::{HEAVY_GMACS, Workload};
use crate::machine::{Usage, vectors};
use fastersam_device::{Launches, count_launches};
use fastersam_kernels::are_fused_on;
use fastersam_progress::{self as progress, say};
use fastersam_records::bench::{targets, waterfall};
use fastersam_records::{
    BenchLaunches, BenchRecord, BenchRow, BenchScope, ProductRow, Program, Provenance, Record, quantile,
    write_record,
};

/// What its record is called.
pub const EXPERIMENT: &str = "bench";

/// What a user asks of the bench.
#[derive(Clone, Debug)]
pub struct Options {
    /// Only rows whose name contains one of these; `targets` and `waterfall` stand for the rows of these
    /// tables, `end_to_end` for the time from a scan's file to its class map's.
    pub only: Vec<String>,
    /// A Python with torch and segment-anything.
    pub peer: Option<PathBuf>,
    /// Slices at a time, where others are asked for than the usual ones.
    pub batch_sizes: Vec<usize>,
    /// Rounds.
    pub rounds: usize,
    /// Heavy rows as well.
    pub all: bool,
    /// Whether peak memory is measured, in a process of its own for each row.
    pub memory: bool,
    /// Folder of a suite's run whose scores go with the rows.
    pub dice_from: Option<PathBuf>,
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
/// What `only` calls the measurement from file to file.
const END_TO_END: &str = "end_to_end";
/// The machine counts as quiet where other programs use less than this share of it.
const QUIET: f64 = 0.05;

/// Runs the bench and writes its record; gives the record.
///
/// # Errors
/// Where no row matches, the peer fails or a file can't be written.
pub fn run(options: &Options, device: &Device, provenance: Provenance) -> Result<BenchRecord> {
    let mut peer = match &options.peer {
        Some(python) => Some(Peer::start(python, provenance.threads, device)?),
        None => None,
    };
    let workloads = choose(options, peer.as_ref().map_or(&[], Peer::programs))?;
    peer = peer.filter(|_| workloads.iter().any(|workload| workload.program.is_peer()));
    let scores = options.dice_from.as_deref().map(Scores::read).transpose()?;
    let before = Usage::now(None);
    std::thread::sleep(Duration::from_secs(1));
    warn_if_busy(before.and_then(|before| before.by_others()));
    let mut models = Models::default();
    let mut stations = load(&workloads, peer.as_mut(), &mut models, device)?;
    // The peak of the CPU says nothing of another device.
    let shapes = if are_fused_on(device) { &SHAPES[..] } else { &[] };
    let mut products: Vec<Product> = shapes.iter().copied().map(Product::new).collect();
    let usage = Usage::now(peer.as_ref().map(Peer::process));
    let rounds = Rounds { timed: options.rounds, warm_up: 0, title: "bench" };
    let mut timings = timing::take_turns(products.len() + stations.len(), rounds, |index, _| {
        if let Some(product) = products.get_mut(index) {
            return Ok(visit_product(product));
        }
        let seconds = stations[index - shapes.len()].visit(peer.as_mut());
        std::thread::sleep(SETTLE);
        seconds
    })?;
    for (station, timing) in stations.iter_mut().zip(timings.split_off(products.len())) {
        station.row.seconds = timing.seconds;
    }
    let products = shapes.iter().zip(timings);
    let used_by_others = usage.and_then(|usage| usage.by_others());
    warn_if_busy(used_by_others);
    let peer_versions = peer.as_ref().map(|peer| peer.versions.clone());
    drop(peer);
    let mut rows: Vec<BenchRow> = stations.into_iter().map(|station| station.row).collect();
    let is_asked = (options.only.is_empty() && options.batch_sizes.is_empty())
        || options.only.iter().any(|only| only == END_TO_END);
    let end_to_end = is_asked.then(|| end_to_end::measure(options.rounds, &mut models, device)).transpose()?;
    drop(models);
    if options.memory {
        memory::measure(&workloads, &mut rows, options, provenance.threads)?;
    }
    for (workload, row) in workloads.iter().zip(&mut rows) {
        row.dice = match &scores {
            Some(scores) => scores.of(workload, &row.preset, &workload.pause_points()?, &row.active_share),
            None => None,
        };
    }
    let config = serde_json::json!({ "rounds": options.rounds, "only": options.only, "all": options.all });
    let record = BenchRecord {
        experiment: EXPERIMENT.to_owned(),
        vectors: vectors().to_owned(),
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        used_by_others,
        peer: peer_versions,
        products: products.map(|(&shape, timing)| ProductRow { shape, seconds: timing.seconds }).collect(),
        rows,
        end_to_end,
        provenance: Provenance { config, ..provenance },
    };
    write_record(&options.output.join("records"), &Record::from(record.clone()))?;
    Ok(record)
}

/// Multiply-accumulates of one slice, in 1e9, of our encoders and models at 224 pixels: from shapes alone, nothing runs.
///
/// # Errors
/// Where a configuration can't be.
pub fn predicted_gmacs() -> Result<Vec<(String, f64)>> {
    let workloads = workload::all(&[], &[1]);
    let is_ours = |workload: &&Workload| {
        let is_whole = matches!(workload.scope, BenchScope::Encoder | BenchScope::Model);
        let is_f32 = workload.precision == WeightPrecision::F32;
        workload.program == Program::FasterSam && is_whole && is_f32 && workload.input == 224
    };
    let ours = workloads.iter().filter(is_ours);
    let named = ours.map(|workload| Ok(workload.gmacs()?.map(|gmacs| (workload.id(), gmacs))));
    named.filter_map(Result::transpose).collect()
}

/// The workloads that the options ask for.
fn choose(options: &Options, peers: &[Program]) -> Result<Vec<Workload>> {
    let all = workload::all(peers, &options.batch_sizes);
    let is_chosen = |workload: &Workload| {
        let id = workload.id();
        let named = |only: &String| match only.as_str() {
            "targets" => targets::needed().contains(&id.as_str()),
            "waterfall" => waterfall::needed().any(|needed| needed == id),
            only => id.contains(only),
        };
        options.only.is_empty() || options.only.iter().any(named)
    };
    let mut workloads = Vec::new();
    for workload in all.iter().filter(|workload| is_chosen(workload)) {
        let gmacs = workload.gmacs()?.unwrap_or(0.0) * workload.batch as f64;
        if options.all || gmacs <= HEAVY_GMACS {
            workloads.push(*workload);
        }
    }
    if workloads.is_empty() && !options.only.iter().any(|only| only == END_TO_END) {
        let names: Vec<String> = all.iter().map(Workload::id).collect();
        bail!("no row contains {}; the rows are:\n{}", options.only.join(" or "), names.join("\n"));
    }
    Ok(workloads)
}

/// A row with what runs it.
struct Station {
    row: BenchRow,
    /// None for the peer's.
    runner: Option<Runner>,
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
        let seconds = match (&mut self.runner, peer) {
            (Some(runner), _) => (0..n).map(|_| runner.pass()).collect::<Result<Vec<f64>>>()?,
            (None, Some(peer)) => peer.run(&self.row.id, n)?,
            (None, None) => Vec::new(),
        };
        if seconds.is_empty() {
            bail!("{} was not run", self.row.id);
        }
        Ok(seconds)
    }
}

/// Builds all models, and runs each workload to see how long it takes.
fn load(
    workloads: &[Workload],
    mut peer: Option<&mut Peer>,
    models: &mut Models,
    device: &Device,
) -> Result<Vec<Station>> {
    let bar = progress::bar("loading", workloads.len(), "rows");
    let mut stations = Vec::with_capacity(workloads.len());
    for workload in workloads {
        bar.set_message(workload.id());
        let (mut runner, weight_bytes) = match (workload.program, peer.as_deref_mut()) {
            (program, Some(peer)) if program.is_peer() => (None, 4.0 * peer.load(workload)? as f64),
            _ => {
                let runner = Runner::new(workload, models, device)?;
                let weight_bytes = runner.weight_bytes;
                (Some(runner), weight_bytes)
            }
        };
        let mut row = row(workload, weight_bytes)?;
        // The first pass allocates, compiles and tunes; the second one tells the time and what was launched.
        let counted = runner.as_mut().map(Runner::counted_pass).transpose()?.flatten();
        // What runs elsewhere is not this project's kernels.
        row.counted_gmacs = counted.filter(|_| are_fused_on(device)).map(|gmacs| gmacs / row.slices as f64);
        row.execution = runner.as_ref().and_then(|runner| runner.execution.clone());
        let mut station = Station { row, runner, passes: 1, warm_up: false };
        let (seconds, launches) = count_launches(|| station.passes(peer.as_deref_mut(), 1));
        let seconds = seconds?[0];
        if let Some(execution) = &mut station.row.execution {
            execution.launches = launches.map(|Launches { total, kernels }| BenchLaunches { total, kernels });
        }
        station.passes = ((VISIT / seconds).ceil() as usize).clamp(1, MAX_PASSES);
        station.warm_up = seconds < WARM;
        stations.push(station);
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(stations)
}

fn row(workload: &Workload, weight_bytes: f64) -> Result<BenchRow> {
    Ok(BenchRow {
        id: workload.id(),
        program: workload.program,
        scope: workload.scope,
        preset: workload::preset_name(workload.preset).to_owned(),
        input_size: workload.input,
        batch_size: workload.batch,
        slices: workload.slices(),
        pause: workload.pause.label().to_owned(),
        precision: workload.precision.to_string(),
        active_share: workload.active_shares()?,
        gmacs: workload.gmacs()?,
        counted_gmacs: None,
        seconds: Vec::new(),
        weights_mib: weight_bytes / f64::from(1 << 20),
        peak_memory_mib: None,
        execution: None,
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

fn warn_if_busy(used_by_others: Option<f64>) {
    if let Some(share) = used_by_others.filter(|&share| share > QUIET) {
        say(&format!(
            "other programs use {:.0} % of this machine; times and ratios mean little on a busy one",
            100.0 * share
        ));
    }
}
