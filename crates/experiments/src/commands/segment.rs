//! `fastersam segment`

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use burn::tensor::Device;
use clap::Args;
use fastersam::Segmenter;
use fastersam::checkpoint::{self, Checkpoint};
use fastersam_datasets::Scan;
use fastersam_pausing_encoder::PauseSettings;
use serde_json::json;

use super::Pausing;
use crate::cli::print;
use crate::progress::{self, say};
use crate::report::NOTICE;

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
    let Checkpoint { info, model, .. } =
        Checkpoint::load_with(&arguments.model, arguments.weights.as_deref(), device)?;
    let settings = match &arguments.pausing.pause_threshold {
        None => PauseSettings::never(),
        Some(thresholds) => {
            thresholds.setting(&info.model.encoder.pause_points, info.recommended_thresholds.as_deref())?.settings
        }
    };
    let model = model.prepacked();
    let (mut volume, _) = scan.oriented(info.orientation);
    info.intensity.scale(&mut volume);
    let started = Instant::now();
    let segmenter = Segmenter::new(&model, &info.model, arguments.batch_size, device.clone());
    let bar = progress::bar("segmenting", volume.dim().0, "slices");
    let classes = segmenter.segment_with(&volume, &settings, |n| bar.inc(n as u64))?.classes;
    bar.finish_and_clear();
    let seconds = started.elapsed().as_secs_f64();

    // The names first: a label map never lies without them.
    let names = output.with_file_name(format!("{}_labels.json", stem(&output)));
    let table: BTreeMap<usize, &String> = info.labels.names.iter().enumerate().collect();
    checkpoint::write_atomically(&names, serde_json::to_string_pretty(&table)?.as_bytes())?;
    scan.write_classes(&output, &scan.to_file_axes(&classes, info.orientation))?;

    let voxel_ml = scan.spacing_mm.iter().product::<f64>() / 1000.0;
    let volumes_ml = info.labels.names.iter().enumerate().skip(1).map(|(class, name)| {
        let n_voxels = classes.iter().filter(|&&c| usize::from(c) == class).count();
        (name, n_voxels as f64 * voxel_ml)
    });
    if arguments.json {
        let volumes: serde_json::Map<_, _> = volumes_ml.map(|(name, ml)| (name.clone(), json!(ml))).collect();
        let result = json!({
            "segmentation": output, "labels": names, "seconds": seconds, "volume_ml": volumes, "notice": NOTICE,
        });
        print(&result.to_string());
    } else {
        for (name, ml) in volumes_ml {
            say(&format!("{name:<20} {ml:>10.1} ml"));
        }
        say(&format!("{} slices in {seconds:.2} s; label names in {}", volume.dim().0, names.display()));
        say(NOTICE);
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
