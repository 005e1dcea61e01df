//! `fastersam segment`

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use burn::tensor::Device;
use clap::Args;
use fastersam::{Checkpoint, Scan, Segmenter, stem};
use serde_json::json;

use super::Pausing;
use crate::output::print;
use fastersam_progress::{self as progress, say};
use fastersam_records::NOTICE;

/// What to segment, and with what.
#[derive(Debug, Args)]
pub struct SegmentArgs {
    /// The scan, .nii or .nii.gz, in any orientation
    scan: PathBuf,
    /// Checkpoint: the folder `checkpoints` that training wrote, or one in it; it says all that is needed
    #[arg(long, short, value_name = "FOLDER")]
    model: PathBuf,
    /// The backbone's weight file, or the folder of all weight files, where they lie elsewhere than in training
    #[arg(long, value_name = "PATH")]
    weights: Option<PathBuf>,
    /// Where to write the label map; the labels' names go beside it [default: SCAN_segmentation.nii.gz]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    pausing: Pausing,
    /// Slices at a time
    #[arg(long, default_value_t = 8, value_name = "N")]
    batch_size: usize,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Segments a scan, writes the label map and the names of its labels, and prints where they are.
///
/// # Errors
/// Where the scan or the checkpoint can't be read, or the files can't be written.
pub fn run(arguments: &SegmentArgs, device: &Device) -> Result<()> {
    let output = arguments.output.clone().unwrap_or_else(|| default_output(&arguments.scan));
    check_output(&output)?;
    let scan = Scan::read(&arguments.scan)?;
    let checkpoint = Checkpoint::load_with(&arguments.model, arguments.weights.as_deref(), device)?;
    let pausing = arguments.pausing.settings(checkpoint.info.recommended.as_ref())?;
    let segmenter = Segmenter::from(checkpoint).with_batch_size(arguments.batch_size);
    let started = Instant::now();
    let n_slices = scan.oriented_shape(segmenter.info().orientation)[0];
    let bar = progress::bar("segmenting", n_slices, "slices");
    let found = segmenter.segment_scan_with(&scan, &pausing, |n| bar.inc(n as u64))?;
    bar.finish_and_clear();
    let seconds = started.elapsed().as_secs_f64();
    let names = found.write(&output)?;
    let volumes_ml = found.volumes_ml();
    if arguments.json {
        let volumes: serde_json::Map<_, _> = volumes_ml.map(|(name, ml)| (name.to_owned(), json!(ml))).collect();
        let result = json!({
            "segmentation": output, "labels": names, "seconds": seconds, "volume_ml": volumes, "notice": NOTICE,
        });
        print(&result.to_string())?;
    } else {
        for (name, ml) in volumes_ml {
            say(&format!("{name:<20} {ml:>10.1} ml"));
        }
        say(&format!("{} slices in {seconds:.2} s; label names in {}", n_slices, names.display()));
        say(NOTICE);
        print(&output.display().to_string())?;
    }
    Ok(())
}

fn default_output(scan: &Path) -> PathBuf {
    scan.with_file_name(format!("{}_segmentation.nii.gz", stem(scan)))
}

/// Before minutes of work: the label map can be written where the user wants it.
fn check_output(output: &Path) -> Result<()> {
    let name = output.to_string_lossy();
    if !name.ends_with(".nii") && !name.ends_with(".nii.gz") {
        bail!("the label map is a NIfTI file: give --output a name that ends in .nii.gz or .nii, not {name}");
    }
    let folder = output.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::metadata(folder).ok().filter(std::fs::Metadata::is_dir).with_context(|| {
        format!("the folder {} for the label map does not exist; make it first", folder.display())
    })?;
    Ok(())
}
