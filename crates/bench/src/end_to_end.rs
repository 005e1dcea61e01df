//! Where the time goes from a scan's file to the file of its label map, on a phantom of the size of a real
//! scan's slices. The stages are those that [`Segmenter::segment_file`] marks while it runs.

use std::time::Instant;

use anyhow::{Context, Result};
use burn::tensor::Device;
use fastersam::{
    CheckpointInfo, ModelConfig, PrepackedModel, Preset, ScanFile, SegmentOptions, Segmenter, VolumeSegmenter,
    WeightPrecision,
};
use fastersam_datasets::phantom::{Acquisition, Phantom};
use fastersam_progress as progress;
use fastersam_records::{BenchScope, EndToEnd, EndToEndRow, Program};
use fastersam_volume::write_image_volume;
use tracing::info_span;

use super::ours::Models;
use super::spans;
use super::workload::{Pause, Workload, preset_name};

/// Seed of the phantom.
const SEED: u64 = 2026;
/// Side of its slices, pixels, as Synapse has them.
const NATIVE_SIDE: usize = 512;

/// Spans, and what the table calls them. Resampling runs beside the computation of the batch before it, so that the
/// stages add up to more than the whole.
const STAGES: [(&str, &str); 10] = [
    ("read_file", "read the header"),
    ("survey", "look at all voxels"),
    ("slices", "unpack and scale slices (beside the batch before)"),
    ("resample", "resample to the network's input (beside the batch before)"),
    ("cnn_branch", "CNN branch"),
    ("encoder", "encoder"),
    ("decoder", "decoder"),
    ("class_map", "upscale and choose classes"),
    ("native_size", "resample to the native size"),
    ("write_file", "pack and write the file"),
];
const WHOLE: &str = "end to end";

/// Measures the stages for both batch sizes, without pausing and with stage 0.
pub fn measure(rounds: usize, models: &mut Models, device: &Device) -> Result<EndToEnd> {
    let workload = Workload {
        program: Program::FasterSam,
        scope: BenchScope::Model,
        preset: Preset::VitB,
        input: 224,
        batch: 8,
        pause: Pause::Never,
        precision: WeightPrecision::F32,
    };
    let (model, config) = models.whole(&workload, device)?;
    let folder = tempfile::tempdir()?;
    let (source, target) = (folder.path().join("scan.nii.gz"), folder.path().join("labels.nii.gz"));
    let phantom = Phantom::Abdomen.acquire(SEED, 0, NATIVE_SIDE);
    write_image_volume(&source, &phantom.raw, phantom.spacing_mm, Acquisition::ORIENTATION)?;
    let segmenter = segmenter(model, config.clone());

    let settings: Vec<(Pause, usize)> =
        [Pause::Never, Pause::StageZero].into_iter().flat_map(|pause| [(pause, 1), (pause, 8)]).collect();
    let mut rows = Vec::new();
    for &(pause, batch_size) in &settings {
        let parts = STAGES.iter().map(|(_, part)| *part).chain([WHOLE]);
        rows.extend(parts.map(|part| EndToEndRow {
            part: part.to_owned(),
            is_whole: part == WHOLE,
            batch_size,
            pause: pause.label().to_owned(),
            ms_per_slice: Vec::new(),
        }));
    }
    let (n_slices, height, width) = phantom.raw.dim();
    let bar = progress::bar("end to end", (rounds + 1) * settings.len(), "passes");
    // The first round only warms up.
    for round in 0..=rounds {
        for (&(pause, batch), rows) in settings.iter().zip(rows.chunks_exact_mut(STAGES.len() + 1)) {
            let segmenter = segmenter.clone().with_batch_size(batch);
            let pausing = pause.settings(&config.encoder.pause_points);
            let started = Instant::now();
            let (result, stages) = spans::timed(|| -> Result<()> {
                let mut file = info_span!("read_file").in_scope(|| ScanFile::open(&source))?;
                let options = SegmentOptions { pausing: pausing.clone(), ..SegmentOptions::default() };
                let labels = segmenter.segment_file(&mut file, &options, |_| {})?;
                info_span!("write_file").in_scope(|| labels.write(&target))?;
                Ok(())
            });
            let whole = started.elapsed().as_secs_f64();
            result?;
            if round > 0 {
                for (row, (span, part)) in rows.iter_mut().zip(STAGES) {
                    let seconds = stages.get(span).with_context(|| format!("{part} was not timed"))?;
                    row.ms_per_slice.push(1e3 * seconds / n_slices as f64);
                }
                rows[STAGES.len()].ms_per_slice.push(1e3 * whole / n_slices as f64);
            }
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    Ok(EndToEnd {
        preset: preset_name(workload.preset).to_owned(),
        input_size: config.input_size(),
        scan: [n_slices, height, width],
        scan_mib: std::fs::metadata(&source)?.len() as f64 / f64::from(1 << 20),
        rows,
    })
}

/// What segments scans like the phantom's with a model whose weights were drawn.
fn segmenter(model: PrepackedModel, config: ModelConfig) -> Segmenter {
    let (phantom, name) = (Phantom::Abdomen, "phantom abdomen".to_owned());
    let info = CheckpointInfo::new(config, phantom.labels(), phantom.intensity(), Acquisition::ORIENTATION, name);
    Segmenter::new(info, VolumeSegmenter::new(model))
}
