//! `fastersam segment`

mod one;
mod outputs;
mod scans;
mod source;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use burn::tensor::Device;
use clap::Args;
use fastersam::{Checkpoint, Intensity, SegmentOptions, Segmenter, WeightPrecision};
use fastersam_progress::{self as progress, say};
use fastersam_records::NOTICE;
use serde_json::json;

use super::{Batching, Pausing, count};
use crate::output::print;
use one::Task;
use outputs::{Destination, Job};
use source::Source;

/// What to segment, and with what.
#[derive(Debug, Args)]
pub struct SegmentArgs {
    /// The scans, .nii or .nii.gz (NIfTI-1 or NIfTI-2), in any orientation, or a DICOM series: its folder or a .zip of it;
    /// other folders stand for all scans in them, text files (.txt) for the scans that they list, one a line
    #[arg(required = true, value_name = "SCAN")]
    scans: Vec<PathBuf>,
    /// The series to be segmented, where a DICOM folder or archive holds several; without it they are listed
    #[arg(long, value_name = "UID-OR-NUMBER")]
    series: Option<String>,
    /// The trained model: a one-file model, or the folder of a run or of its checkpoint; it says all that is needed
    #[arg(long, short, value_name = "PATH")]
    model: PathBuf,
    /// The backbone's weight file, or the folder of all weight files, where they lie elsewhere than in training
    #[arg(long, value_name = "PATH")]
    weights: Option<PathBuf>,
    #[command(flatten)]
    destination: Destination,
    #[command(flatten)]
    pausing: Pausing,
    /// Scale intensities otherwise than the checkpoint says: window=LOW..HIGH, percentiles=LOW..HIGH, clip-top=PERCENTILE,
    /// or unit (they are in 0 to 1 already)
    #[arg(long, value_name = "SCALING", allow_hyphen_values = true)]
    intensity: Option<Intensity>,
    /// Accept scans of which more than a tenth is NaN or infinite
    #[arg(long)]
    allow_invalid: bool,
    /// Keep the largest connected component of a class and drop the others: of the classes that calibration found it better
    /// for, or of these
    #[arg(long, value_name = "CLASS,...", num_args = 0..=1, default_missing_value = "", value_delimiter = ',')]
    keep_largest: Option<Vec<String>>,
    #[command(flatten)]
    batching: Batching,
    /// Print JSON, one line a scan
    #[arg(long)]
    json: bool,
}

/// Segments scans, writes the label maps and the names of their labels, and prints where they are. A scan that can't be
/// segmented does not stop the others.
///
/// # Errors
/// Where no scan is given, the checkpoint can't be read, results are there already or can't be written, or a scan failed.
pub fn run(arguments: &SegmentArgs, device: &Device, weights: WeightPrecision) -> Result<()> {
    let scans = scans::collect(&arguments.scans)?;
    let (jobs, n_skipped) = arguments.destination.plan(&scans, arguments.weights.as_deref())?;
    if n_skipped > 0 {
        say(&format!("{n_skipped} of {} segmented already, skipping", count(scans.len(), "scan")));
    }
    if jobs.is_empty() {
        return Ok(());
    }
    if let [job] = &jobs[..] {
        // What is wrong with the only scan is said at once.
        Source::open(&job.scan, arguments.series.as_deref())?;
    }
    let checkpoint = Checkpoint::load_with(&arguments.model, arguments.weights.as_deref(), device)?;
    let recommended = checkpoint.info.recommended.clone();
    let options = SegmentOptions {
        pausing: arguments
            .pausing
            .settings_or_recommended(recommended.as_ref(), &checkpoint.info.pause_profiles)?,
        allow_invalid: arguments.allow_invalid,
        intensity: arguments.intensity.clone(),
        probabilities: arguments.destination.extras.save_probabilities,
    };
    if let Some(found) =
        recommended.filter(|found| arguments.pausing.is_default() && found.settings == options.pausing)
    {
        let points = &checkpoint.info.model.encoder.pause_points;
        say(&format!(
            "pausing as recommended: {}, chosen on {}; `--pause never` computes every token",
            found.settings.full_label(points),
            found.chosen_on
        ));
    }
    let task = Task {
        keep_largest: kept_classes(arguments.keep_largest.as_deref(), &checkpoint)?,
        weights_sha256: checkpoint.weights_sha256.clone(),
        segmenter: Segmenter::of(checkpoint, weights).with_batch_size(arguments.batching.batch_size),
        options,
        extras: arguments.destination.extras,
        series: arguments.series.clone(),
        json: arguments.json,
    };
    match &jobs[..] {
        [job] => task.run(job)?,
        jobs => run_all(&task, jobs)?,
    }
    if !arguments.json {
        say(NOTICE);
    }
    Ok(())
}

/// Several scans, with a word about each.
fn run_all(task: &Task, jobs: &[Job]) -> Result<()> {
    progress::catch_interrupt()?;
    let started = Instant::now();
    let mut failed = Vec::new();
    for (at, job) in jobs.iter().enumerate() {
        if progress::interrupted() {
            bail!("stopped after {at} of {}; `--skip-existing` continues", count(jobs.len(), "scan"));
        }
        if let Err(error) = task.run(job) {
            let reason = format!("{error:#}");
            say(&format!("error: {reason}"));
            if task.json {
                print(
                    &json!({ "scan": job.scan.to_string_lossy(), "error": reason, "notice": NOTICE }).to_string(),
                )?;
            }
            failed.push(job.scan.display().to_string());
        }
        let done = at + 1;
        let per_scan = started.elapsed().as_secs_f64() / done as f64;
        let left = Duration::from_secs_f64((per_scan * (jobs.len() - done) as f64).round());
        say(&format!("{done} of {}, {per_scan:.1} s a scan, {} left", count(jobs.len(), "scan"), minutes(left)));
    }
    match failed.len() {
        0 => Ok(()),
        n => bail!("{n} of {} could not be segmented:\n  {}", count(jobs.len(), "scan"), failed.join("\n  ")),
    }
}

/// The classes of which only the largest component is kept.
fn kept_classes(asked: Option<&[String]>, checkpoint: &Checkpoint) -> Result<Vec<u8>> {
    let info = &checkpoint.info;
    let names = match asked {
        None => return Ok(Vec::new()),
        Some([only]) if only.is_empty() => match &info.keep_largest {
            Some(found) => found,
            None => bail!(
                "the checkpoint does not say of which classes the largest component is to be kept; `fastersam calibrate` \
                 finds that out, or give them: --keep-largest={}",
                info.labels.names[1..].join(",")
            ),
        },
        Some(names) => names,
    };
    let class = |name: &String| {
        info.labels.class(name).ok_or_else(|| {
            anyhow::anyhow!("the model has no class `{name}`; choose of {}", info.labels.names[1..].join(", "))
        })
    };
    names.iter().map(class).collect()
}

fn minutes(time: Duration) -> String {
    match time.as_secs() {
        seconds @ ..120 => format!("{seconds} s"),
        seconds => format!("{} min", seconds / 60),
    }
}
