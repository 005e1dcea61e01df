//! The command line.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::{Args, Parser, Subcommand};
use fastersam::checkpoint::Checkpoint;
use fastersam::{Segmenter, checkpoint};
use fastersam_datasets::Scan;
use fastersam_metrics::summarise;
use fastersam_pausing_encoder::PauseSettings;

use crate::compare::{CompareArgs, compare};
use crate::config::{Experiment, Suite};
use crate::data_commands::{self, DataCommand};
use crate::inspect::InspectArgs;
use crate::progress::{self, say};
use crate::provenance::Origin;
use crate::record::Scope;
use crate::suite::{self, Workspace};
use crate::{bench, data, device, evaluate, inspect, report, throughput, train};

/// Segments medical scans with a Segment Anything encoder that pauses tokens which are already well
/// classified, and reproduces the experiments of its paper.
#[derive(Debug, Parser)]
#[command(name = "fastersam", version, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    machine: Machine,
}

#[derive(Debug, Args)]
struct Machine {
    /// Where to compute: flex (this CPU), cuda, cuda:N, libtorch
    #[arg(long, global = true, default_value = "flex")]
    device: String,
    /// Number of CPU threads [default: all]
    #[arg(long, global = true)]
    threads: Option<usize>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Segment a scan: a NIfTI file in, a NIfTI label map of the same orientation and spacing out
    Segment(SegmentArgs),
    /// Train a model as an experiment file says
    Train(ExperimentArgs),
    /// Score a checkpoint on an experiment's evaluation cases
    Evaluate(EvaluateArgs),
    /// Compare two evaluations case by case: difference, interval, p-value
    Compare(CompareArgs),
    /// Time a checkpoint at several pause settings
    Benchmark(EvaluateArgs),
    /// Time encoder and model at all sizes and pause settings, alone or beside PyTorch
    Bench(BenchArgs),
    /// Say what a checkpoint or a file with pre-trained weights is, and whether it fits a model
    Inspect(InspectArgs),
    /// Import, check and describe data sets, write phantoms
    #[command(subcommand)]
    Data(DataCommand),
    /// Run a suite of experiments and write its report
    Reproduce(ReproduceArgs),
    /// Draw the report of saved records again, without running a model
    Report {
        /// Folder of a suite's run, with `records/` in it
        run: PathBuf,
        /// Folder with the published results
        #[arg(long, default_value = "configs/published")]
        published: PathBuf,
    },
}

#[derive(Debug, Args)]
struct SegmentArgs {
    /// The scan, .nii or .nii.gz
    scan: PathBuf,
    /// Checkpoint folder; it says all that is needed about the model
    #[arg(long, short)]
    model: PathBuf,
    /// The backbone's weight file, where it is not at its place of training any more
    #[arg(long)]
    weights: Option<PathBuf>,
    /// Where to write the label map [default: SCAN_segmentation.nii.gz]
    #[arg(long, short)]
    output: Option<PathBuf>,
    /// Pause tokens whose normalised entropy is below this (0 to 1); one value, or one a pause point
    #[arg(long, value_delimiter = ',')]
    pause_threshold: Vec<f32>,
    /// Slices at a time
    #[arg(long, default_value_t = 8)]
    batch_size: usize,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct ExperimentArgs {
    /// Experiment file, for instance configs/experiments/phantom-abdomen.toml
    #[arg(long, short)]
    config: PathBuf,
    /// Folder that real data sets lie in
    #[arg(long)]
    data: Option<PathBuf>,
    /// Folder that pre-trained weights lie in, or the backbone's weight file
    #[arg(long)]
    weights: Option<PathBuf>,
    /// Folder for checkpoints and figures [default: runs/ID]
    #[arg(long, short)]
    output: Option<PathBuf>,
    /// Continue from the last checkpoint in the folder
    #[arg(long)]
    resume: bool,
    /// Override a value of the file, for instance train.epochs=3
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// Seed of every random draw [default: the file's]
    #[arg(long)]
    seed: Option<u64>,
}

#[derive(Debug, Args)]
struct EvaluateArgs {
    /// Checkpoint folder
    #[arg(long, short)]
    model: PathBuf,
    /// The backbone's weight file, where it is not at its place of training any more
    #[arg(long)]
    weights: Option<PathBuf>,
    /// Experiment file that names the data
    #[arg(long, short)]
    config: PathBuf,
    /// Folder that real data sets lie in
    #[arg(long)]
    data: Option<PathBuf>,
    /// Pause tokens whose normalised entropy is below this (0 to 1); one value, or one a pause point
    #[arg(long, value_delimiter = ',')]
    pause_threshold: Vec<f32>,
    /// Slices at a time
    #[arg(long, default_value_t = 8)]
    batch_size: usize,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct BenchArgs {
    /// A Python with torch and segment-anything: PyTorch's side is timed in turn with ours
    #[arg(long, value_name = "PYTHON")]
    peer: Option<PathBuf>,
    /// Only rows whose name contains one of these; `targets` stands for the rows of the table of targets
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Rounds; each visits every row [default: 11, with --quick 3]
    #[arg(long)]
    rounds: Option<usize>,
    /// Few rounds
    #[arg(long)]
    quick: bool,
    /// Also the rows of more than 500e9 multiply-accumulates a pass
    #[arg(long)]
    all: bool,
    /// Leave out peak memory, which takes a process of its own for each row
    #[arg(long)]
    no_memory: bool,
    /// Folder for the record and the report
    #[arg(long, short, default_value = "runs/bench")]
    output: PathBuf,
    /// Print the record as JSON
    #[arg(long)]
    json: bool,
    /// Print the peak memory of one row
    #[arg(long, hide = true)]
    memory_of: Option<String>,
}

#[derive(Debug, Args)]
struct ReproduceArgs {
    /// Suite: a name in configs/suites (smoke, cpu-quick) or a file
    #[arg(long, default_value = "smoke")]
    suite: String,
    /// Folder with suites, experiments and published results
    #[arg(long, default_value = "configs")]
    configs: PathBuf,
    /// Folder that real data sets lie in
    #[arg(long)]
    data: Option<PathBuf>,
    /// Folder that pre-trained weights lie in
    #[arg(long)]
    weights: Option<PathBuf>,
    /// Folder for runs, records and the report [default: runs/SUITE]
    #[arg(long, short)]
    output: Option<PathBuf>,
    /// Run only this experiment
    #[arg(long)]
    only: Option<String>,
    /// Continue what was interrupted and keep what is done
    #[arg(long)]
    resume: bool,
    /// Override a value of every experiment, for instance train.epochs=3
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// Seed of every random draw [default: the files']
    #[arg(long)]
    seed: Option<u64>,
}

impl Cli {
    /// Runs the command.
    ///
    /// # Errors
    /// Whatever went wrong, with what to do about it.
    pub fn run(self) -> Result<()> {
        let threads = device::set_threads(self.machine.threads)?;
        let device = device::open(&self.machine.device)?;
        let origin = Origin { device: self.machine.device.clone(), threads };
        match self.command {
            Command::Segment(arguments) => segment(&arguments, &device),
            Command::Train(arguments) => train_command(&arguments, &device),
            Command::Evaluate(arguments) => evaluate_command(&arguments, &device),
            Command::Compare(arguments) => {
                print(&compare(&arguments)?);
                Ok(())
            }
            Command::Benchmark(arguments) => benchmark_command(&arguments, &device),
            Command::Bench(arguments) => bench_command(&arguments, &device, &origin),
            Command::Inspect(arguments) => {
                print(&inspect::inspect(&arguments, &device)?);
                Ok(())
            }
            Command::Data(command) => data_commands::run(&command, print),
            Command::Reproduce(arguments) => reproduce(&arguments, device, origin),
            Command::Report { run, published } => {
                let index = report::build(&run.join("records"), &published, &run.join("report"))?;
                print(&index.display().to_string());
                Ok(())
            }
        }
    }
}

/// The result of a command, on standard output.
#[allow(clippy::print_stdout, reason = "this is where the program gives its result")]
fn print(line: &str) {
    println!("{line}");
}

/// A threshold a pause point: none given is never, one given holds for all.
fn pause_settings(thresholds: &[f32], n_points: usize) -> PauseSettings {
    match thresholds {
        [] => PauseSettings::never(),
        [tau] => PauseSettings::threshold(vec![*tau; n_points]),
        many => PauseSettings::threshold(many),
    }
}

fn segment(arguments: &SegmentArgs, device: &burn::tensor::Device) -> Result<()> {
    let scan = Scan::read(&arguments.scan)?;
    let weights = arguments.weights.as_deref();
    let Checkpoint { info, model, .. } = Checkpoint::load_with(&arguments.model, weights, device)?;
    let settings =
        pause_settings(&arguments.pause_threshold, info.model.encoder.pause_points.len());
    let (mut volume, _) = scan.oriented(info.orientation);
    info.intensity.scale(&mut volume);
    let started = std::time::Instant::now();
    let segmenter = Segmenter::new(&model, &info.model, arguments.batch_size, device.clone());
    let classes = segmenter.segment(&volume, &settings)?.classes;
    let seconds = started.elapsed().as_secs_f64();
    let output = arguments.output.clone().unwrap_or_else(|| default_output(&arguments.scan));
    scan.write_classes(&output, &scan.to_file_axes(&classes, info.orientation))?;
    let names = output.with_file_name(format!("{}_labels.json", stem(&output)));
    let table: std::collections::BTreeMap<usize, &String> =
        info.labels.names.iter().enumerate().collect();
    checkpoint::write_atomically(&names, serde_json::to_string_pretty(&table)?.as_bytes())?;
    let voxel_ml = scan.spacing_mm.iter().product::<f64>() / 1000.0;
    let counts: Vec<(String, usize)> = info
        .labels
        .names
        .iter()
        .enumerate()
        .skip(1)
        .map(|(class, name)| (name.clone(), classes.iter().filter(|&&c| usize::from(c) == class).count()))
        .collect();
    if arguments.json {
        let volumes: serde_json::Map<String, serde_json::Value> = counts
            .iter()
            .map(|(name, n)| (name.clone(), serde_json::json!(*n as f64 * voxel_ml)))
            .collect();
        let result = serde_json::json!({
            "segmentation": output, "labels": names, "seconds": seconds, "volume_ml": volumes,
        });
        print(&result.to_string());
    } else {
        for (name, n) in counts {
            say(&format!("{name:<20} {:>10.1} ml", n as f64 * voxel_ml));
        }
        say(&format!("{} slices in {seconds:.2} s; label names in {}", volume.dim().0, names.display()));
        print(&output.display().to_string());
    }
    Ok(())
}

/// A file's name without `.nii` and `.gz`.
fn stem(path: &Path) -> String {
    let name = path.file_name().and_then(|n| n.to_str()).unwrap_or("scan");
    let name = name.strip_suffix(".gz").unwrap_or(name);
    name.strip_suffix(".nii").unwrap_or(name).to_owned()
}

fn default_output(scan: &Path) -> PathBuf {
    scan.with_file_name(format!("{}_segmentation.nii.gz", stem(scan)))
}

fn train_command(arguments: &ExperimentArgs, device: &burn::tensor::Device) -> Result<()> {
    progress::catch_interrupt()?;
    let mut experiment = Experiment::read(&arguments.config, &arguments.overrides)?;
    experiment.seed = arguments.seed.unwrap_or(experiment.seed);
    experiment.find_weights(arguments.weights.as_deref())?;
    let folder =
        arguments.output.clone().unwrap_or_else(|| Path::new("runs").join(&experiment.id));
    let data = data::load(&experiment, arguments.data.as_deref())?;
    let trained = train::train(&experiment, &data, &folder, arguments.resume, device)?;
    print(&trained.checkpoint.display().to_string());
    Ok(())
}

fn evaluate_command(arguments: &EvaluateArgs, device: &burn::tensor::Device) -> Result<()> {
    let (checkpoint, data) = checkpoint_and_data(arguments, device)?;
    let config = &checkpoint.info.model;
    let settings = pause_settings(&arguments.pause_threshold, config.encoder.pause_points.len());
    let found = evaluate::evaluate(
        &checkpoint.model,
        config,
        &data.evaluate,
        &settings,
        arguments.batch_size,
        device,
        "evaluating",
    )?;
    let summary = summarise(&found.cases);
    if arguments.json {
        let result = serde_json::json!({
            "dataset": data.name, "split": data.split, "summary": summary, "cases": found.cases,
            "tokens": found.tokens,
        });
        print(&result.to_string());
        return Ok(());
    }
    for (name, protocol) in [("transunet", &summary.transunet), ("strict", &summary.strict)] {
        let figure = |value: Option<f64>| value.map_or("-".to_owned(), |v| format!("{v:.4}"));
        let interval = protocol.dice_interval;
        print(&format!(
            "{name:<10} Dice {}{}  HD95 {} voxels, {} mm",
            figure(protocol.dice),
            interval.map_or(String::new(), |(low, high)| format!(" ({low:.4} to {high:.4})")),
            figure(protocol.hd95_vox),
            figure(protocol.hd95_mm)
        ));
        for (class, class_name) in data.labels.names[1..].iter().enumerate() {
            let left_out = protocol.left_out[class];
            let note = if left_out > 0 { format!("  ({left_out} cases left out)") } else { String::new() };
            let (dice, hd95) = (protocol.per_class_dice[class], protocol.per_class_hd95_vox[class]);
            print(&format!("  {class_name:<18} {}  {}{note}", figure(dice), figure(hd95)));
        }
    }
    Ok(())
}

fn benchmark_command(arguments: &EvaluateArgs, device: &burn::tensor::Device) -> Result<()> {
    /// Timed rounds.
    const RUNS: usize = 7;
    let (checkpoint, data) = checkpoint_and_data(arguments, device)?;
    let config = &checkpoint.info.model;
    let n_points = config.encoder.pause_points.len();
    let mut settings = vec![("never".to_owned(), PauseSettings::never())];
    let thresholds = match &arguments.pause_threshold[..] {
        [] => &[0.02, 0.1, 0.4][..],
        given => given,
    };
    for &tau in thresholds {
        settings.push((format!("tau {tau}"), pause_settings(&[tau], n_points)));
    }
    let timed: Vec<PauseSettings> = settings.iter().map(|(_, s)| s.clone()).collect();
    let timings = throughput::measure(
        &checkpoint.model,
        config,
        &data.evaluate,
        &timed,
        arguments.batch_size,
        RUNS,
        Scope::NetworkInputToLogits,
        device,
    )?;
    let never = timings[0].quantile(0.5);
    for ((label, _), timing) in settings.iter().zip(&timings) {
        let median = timing.quantile(0.5);
        if arguments.json {
            let result = serde_json::json!({
                "pause": label, "batch_size": arguments.batch_size, "ms_per_slice": median,
                "slices_per_s": 1e3 / median, "speed_up_over_never": never / median,
                "peak_memory_mib": timing.peak_memory_mib,
            });
            print(&result.to_string());
        } else {
            print(&format!(
                "{label:<12} {median:8.2} ms a slice ({:.2} to {:.2})  {:8.1} slices/s  {:5.2}x",
                timing.quantile(0.1),
                timing.quantile(0.9),
                1e3 / median,
                never / median
            ));
        }
    }
    Ok(())
}

fn bench_command(arguments: &BenchArgs, device: &burn::tensor::Device, origin: &Origin) -> Result<()> {
    /// Rounds of a run, and of a quick one.
    const ROUNDS: [usize; 2] = [11, 3];
    if let Some(id) = &arguments.memory_of {
        print(&bench::memory_of(id, device)?.map_or_else(String::new, |mib| format!("{mib:.1}")));
        return Ok(());
    }
    let options = bench::Options {
        only: arguments.only.clone(),
        peer: arguments.peer.clone(),
        rounds: arguments.rounds.unwrap_or(ROUNDS[usize::from(arguments.quick)]).max(1),
        all: arguments.all,
        memory: !arguments.no_memory,
        output: arguments.output.clone(),
    };
    let record = bench::run(&options, device, origin)?;
    if arguments.json {
        print(&serde_json::to_string(&record)?);
    } else {
        print(&bench::summary(&record));
    }
    Ok(())
}

fn checkpoint_and_data(
    arguments: &EvaluateArgs,
    device: &burn::tensor::Device,
) -> Result<(Checkpoint, data::ExperimentData)> {
    let weights = arguments.weights.as_deref();
    let checkpoint = Checkpoint::load_with(&arguments.model, weights, device)?;
    let experiment = Experiment::read(&arguments.config, &[])?;
    let data = data::load(&experiment, arguments.data.as_deref())?;
    if data.labels != checkpoint.info.labels {
        bail!(
            "the model tells {:?} apart, the data set has {:?}",
            checkpoint.info.labels.names,
            data.labels.names
        );
    }
    Ok((checkpoint, data))
}

fn reproduce(arguments: &ReproduceArgs, device: burn::tensor::Device, origin: Origin) -> Result<()> {
    progress::catch_interrupt()?;
    let given = Path::new(&arguments.suite);
    let file = if given.extension().is_some_and(|e| e == "toml") {
        given.to_owned()
    } else {
        arguments.configs.join("suites").join(format!("{}.toml", arguments.suite))
    };
    let name = file.file_stem().and_then(|n| n.to_str()).unwrap_or("suite").to_owned();
    let (suite, mut experiments) = Suite::read(&file, &arguments.overrides)?;
    if let Some(only) = &arguments.only {
        let known: Vec<String> = experiments.iter().map(|e| e.id.clone()).collect();
        experiments.retain(|experiment| &experiment.id == only);
        if experiments.is_empty() {
            bail!("the suite {name} has no experiment {only:?}; it has: {}", known.join(", "));
        }
    }
    for experiment in &mut experiments {
        experiment.find_weights(arguments.weights.as_deref())?;
    }
    let folder = arguments.output.clone().unwrap_or_else(|| Path::new("runs").join(&name));
    let workspace = Workspace {
        folder: folder.clone(),
        data: arguments.data.clone(),
        device,
        origin,
        resume: arguments.resume,
    };
    if !arguments.resume && arguments.only.is_none() && workspace.records().exists() {
        // Records of another run must not mix with these.
        std::fs::remove_dir_all(workspace.records())
            .with_context(|| format!("{} can't be removed", workspace.records().display()))?;
    }
    say(&format!("{}: {} experiments", suite.title, experiments.len()));
    for experiment in &mut experiments {
        experiment.seed = arguments.seed.unwrap_or(experiment.seed);
        suite::run(experiment, &workspace).with_context(|| format!("experiment {}", experiment.id))?;
    }
    let published = arguments.configs.join("published");
    let index = report::build(&workspace.records(), &published, &folder.join("report"))?;
    print(&index.display().to_string());
    Ok(())
}
