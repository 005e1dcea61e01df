//! The command line.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::{Args, Parser, Subcommand};
use fastersam::WeightPrecision;
use fastersam_device::Precision;
use fastersam_experiments::provenance::{Origin, Program};
use fastersam_experiments::threads;

use crate::commands::published_folder;
use crate::commands::{
    bench, calibrate, compare, data, devices, evaluate, export, inspect, regress, reproduce, score, segment, train,
};
use crate::output::print;

/// Segments medical scans with a Segment Anything encoder that pauses tokens which are already well
/// classified, and reproduces the experiments of its paper.
///
/// A reconstruction from the paper's abstract; not the authors' code, and not a medical device.
#[derive(Debug, Parser)]
#[command(name = "fastersam", bin_name = "fastersam", version, arg_required_else_help = true, after_help = EXAMPLES)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    machine: Machine,
}

/// This program, as it was built; see `build.rs`.
const PROGRAM: Program = Program {
    version: env!("CARGO_PKG_VERSION"),
    commit: env!("FASTERSAM_COMMIT"),
    burn_version: env!("FASTERSAM_BURN_VERSION"),
};

const EXAMPLES: &str = "\
Examples:
  fastersam reproduce                       train, score, time and draw on built-in phantoms
  fastersam segment scan.nii.gz --model runs/smoke/phantom-abdomen/checkpoints
  fastersam reproduce --suite cpu-quick --data DIR      the same on real scans in DIR
  fastersam COMMAND --help                  what a command takes";

#[derive(Debug, Args)]
#[command(next_help_heading = "Machine")]
struct Machine {
    /// Where to compute: flex (this CPU), cuda, cuda:N, wgpu, wgpu:N, libtorch, libtorch:N; see `devices`
    #[arg(long, global = true, default_value = "flex", value_name = "NAME")]
    device: String,
    /// Numbers to compute with: on this CPU f32, bf16 or int8, on a GPU f32, bf16 or f16; training is f32
    #[arg(long, global = true, default_value = "f32", value_name = "NAME")]
    precision: Precision,
    /// Number of CPU threads [default: all]
    #[arg(long, global = true, value_name = "N")]
    threads: Option<usize>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Segment a scan: a NIfTI file in, a NIfTI label map of the same orientation and spacing out
    Segment(segment::SegmentArgs),
    /// Train a model as an experiment file says
    Train(train::TrainArgs),
    /// Score a checkpoint on an experiment's data, and keep the result as a record
    Evaluate(evaluate::EvaluateArgs),
    /// Score label maps of any tool against true ones: both protocols, distances, worst cases first
    Score(score::ScoreArgs),
    /// Compare two evaluations case by case: difference, interval, p-value
    Compare(compare::CompareArgs),
    /// Find the pause threshold that just meets a budget (cost, speed or loss of Dice), and note it in the checkpoint
    Calibrate(calibrate::CalibrateArgs),
    /// Time a checkpoint, or encoder and model at all sizes and pause settings, alone or beside PyTorch
    Bench(bench::BenchArgs),
    /// Write a trained model as one file, to be used and handed on without its run
    Export(export::ExportArgs),
    /// List the devices that this build and this machine have
    Devices(devices::DevicesArgs),
    /// Show the card of a trained model, or what a file with pre-trained weights is and whether it fits a model
    Inspect(inspect::InspectArgs),
    /// Import, check and describe data sets, write phantoms
    #[command(subcommand)]
    Data(data::DataCommand),
    /// Run a suite of experiments and write its report; with no options, on built-in phantoms
    Reproduce(reproduce::ReproduceArgs),
    /// Measure a fixed suite of figures, and hold them against a committed baseline
    Regress(regress::RegressArgs),
    /// Draw the report of saved records again, without running a model
    Report {
        /// Folder of a run, with `records/` in it: runs/SUITE, or runs/ID of `train`
        run: PathBuf,
        /// Folder with published results [default: configs/published if that is here, else those built into the program]
        #[arg(long, value_name = "FOLDER")]
        published: Option<PathBuf>,
    },
}

impl Cli {
    /// Runs the command.
    ///
    /// # Errors
    /// Whatever went wrong, with what to do about it.
    pub fn run(self) -> Result<()> {
        if let Command::Bench(arguments) = &self.command
            && arguments.runs_alone()
        {
            return arguments.run_alone();
        }
        let threads = threads::set(self.machine.threads)?;
        let mut device = fastersam_device::open(&self.machine.device)?;
        let trains = matches!(self.command, Command::Train(_) | Command::Reproduce(_) | Command::Calibrate(_));
        if trains && self.machine.precision != Precision::F32 {
            bail!("models are trained and calibrated in f32; --precision is for segment, evaluate and bench");
        }
        fastersam_device::set_precision(&mut device, &self.machine.device, self.machine.precision)?;
        let described = fastersam_device::described(&self.machine.device, &device, self.machine.precision);
        let weights = match self.machine.precision {
            Precision::F32 | Precision::F16 => WeightPrecision::F32,
            Precision::Bf16 => WeightPrecision::Bf16,
            Precision::Int8 => WeightPrecision::Int8,
        };
        let origin = Origin { program: PROGRAM, device: described, threads, weights };
        match self.command {
            Command::Segment(arguments) => segment::run(&arguments, &device, weights),
            Command::Train(arguments) => train::run(&arguments, &device, &origin),
            Command::Evaluate(arguments) => evaluate::run(&arguments, &device, &origin),
            Command::Devices(arguments) => devices::run(&arguments),
            Command::Score(arguments) => score::run(&arguments, &origin),
            Command::Compare(arguments) => print(&compare::compare(&arguments)?),
            Command::Calibrate(arguments) => calibrate::run(&arguments, &device, &origin),
            Command::Bench(arguments) => bench::run(&arguments, &device, &origin),
            Command::Export(arguments) => export::run(&arguments, &device, &origin),
            Command::Inspect(arguments) => print(&inspect::inspect(&arguments, &device, &origin)?),
            Command::Data(command) => data::run(&command, print),
            Command::Regress(arguments) => regress::run(&arguments, &device, &origin),
            Command::Reproduce(arguments) => reproduce::run(&arguments, device, origin),
            Command::Report { run, published } => {
                let published = published_folder(published.as_deref());
                let index =
                    fastersam_report::build(&run.join("records"), published.as_deref(), &run.join("report"))?;
                print(&index.display().to_string())
            }
        }
    }
}
