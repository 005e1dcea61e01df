//! Where the time goes from a scan's file to the file of its class map, on a phantom of the size of a real
//! scan's slices.

use std::path::Path;
use std::time::Instant;

use anyhow::Result;
use burn::tensor::Device;
use fastersam::{FasterSam, Preset, Segmenter};
use fastersam_datasets::phantom::{Acquisition, Phantom};
use fastersam_datasets::{Scan, write_image_volume};
use fastersam_pausing_encoder::PauseSettings;
use ndarray::{Array3, ArrayView2, Axis};

use super::case::{Case, Pause, preset_name};
use super::ours::Models;
use fastersam_progress;
use fastersam_records::{BenchScope, EndToEnd, EndToEndRow, Program};

/// Seed of the phantom.
const SEED: u64 = 2026;
/// Side of its slices, pixels, as Synapse has them.
const NATIVE_SIDE: usize = 512;

const PARTS: [&str; 9] = [
    "read and decompress the file",
    "orient and scale",
    "resample to the network's input size",
    "CNN branch",
    "encoder",
    "decoder",
    "upsample and pick the class",
    "resize to the native size",
    "compress and write the file",
];
/// Not a part but all of it, as `fastersam segment` does it: the next batch is resampled while one is
/// computed.
const WHOLE: &str = "end to end";

/// A model and how it is used.
struct Workflow<'a> {
    model: &'a FasterSam,
    segmenter: Segmenter<'a>,
    settings: PauseSettings,
    batch: usize,
}

/// Measures the parts for both batch sizes, without pausing and with stage 0.
pub fn measure(rounds: usize, models: &mut Models, device: &Device) -> Result<EndToEnd> {
    let case = Case {
        program: Program::FasterSam,
        scope: BenchScope::Model,
        preset: Preset::VitB,
        input: 224,
        batch: 8,
        pause: Pause::Never,
    };
    let (model, config) = models.whole(&case, device)?;
    let folder = tempfile::tempdir()?;
    let (source, target) = (folder.path().join("scan.nii.gz"), folder.path().join("classes.nii.gz"));
    let phantom = Phantom::Abdomen.acquire(SEED, 0, NATIVE_SIDE);
    let orientation = Acquisition::ORIENTATION;
    write_image_volume(&source, &phantom.raw, phantom.spacing_mm, orientation)?;

    let kinds: Vec<(Pause, usize)> =
        [Pause::Never, Pause::StageZero].into_iter().flat_map(|pause| [(pause, 1), (pause, 8)]).collect();
    let mut rows = Vec::new();
    for &(pause, batch_size) in &kinds {
        rows.extend(PARTS.iter().chain([&WHOLE]).map(|&part| EndToEndRow {
            part: part.to_owned(),
            is_whole: part == WHOLE,
            batch_size,
            pause: pause.label().to_owned(),
            ms_per_slice: Vec::new(),
        }));
    }
    let (n_slices, height, width) = phantom.raw.dim();
    let bar = progress::bar("end to end", (rounds + 1) * kinds.len(), "passes");
    // The first round only warms up.
    for round in 0..=rounds {
        for (&(pause, batch), rows) in kinds.iter().zip(rows.chunks_exact_mut(PARTS.len() + 1)) {
            let workflow = Workflow {
                model: &model,
                segmenter: Segmenter::new(&model, &config, batch, device.clone()),
                settings: pause.settings(&config.encoder.pause_points),
                batch,
            };
            let mut seconds = workflow.in_parts(&source, &target)?.to_vec();
            seconds.push(workflow.whole(&source, &target)?);
            if round > 0 {
                for (row, seconds) in rows.iter_mut().zip(seconds) {
                    row.ms_per_slice.push(1e3 * seconds / n_slices as f64);
                }
            }
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    Ok(EndToEnd {
        preset: preset_name(case.preset).to_owned(),
        input_size: config.input_size(),
        scan: [n_slices, height, width],
        scan_mib: std::fs::metadata(&source)?.len() as f64 / f64::from(1 << 20),
        rows,
    })
}

impl Workflow<'_> {
    /// Part by part; the seconds of each.
    fn in_parts(&self, source: &Path, target: &Path) -> Result<[f64; PARTS.len()]> {
        let mut seconds = [0.0; PARTS.len()];
        let mut last = Instant::now();
        let mut lap = |part: usize| {
            let now = Instant::now();
            seconds[part] += (now - last).as_secs_f64();
            last = now;
        };
        let scan = Scan::read(source)?;
        lap(0);
        let (mut volume, _) = scan.oriented(Acquisition::ORIENTATION);
        Phantom::Abdomen.intensity().scale(&mut volume);
        lap(1);
        let mut classes = Array3::zeros(volume.dim());
        let slices: Vec<ArrayView2<f32>> = volume.outer_iter().collect();
        let targets = classes.axis_chunks_iter_mut(Axis(0), self.batch);
        for (slices, target) in slices.chunks(self.batch).zip(targets) {
            let images = self.segmenter.prepare(slices);
            lap(2);
            let conv = self.model.conv_branch.as_ref().map(|branch| branch.forward(images.clone()));
            lap(3);
            let normal = self.model.normalise(images);
            let encoded = self.model.encoder.forward(normal, conv.as_ref(), &self.settings)?;
            lap(4);
            let skips = conv.map(|features| (features.stride4, features.stride8));
            let decoded = self.model.decoder.forward(encoded.embedding, skips)?;
            lap(5);
            let maps = self.segmenter.class_maps(decoded.masks);
            lap(6);
            Segmenter::to_native_size(&maps, target);
            lap(7);
        }
        let classes = scan.to_file_axes(&classes, Acquisition::ORIENTATION);
        scan.write_classes(target, &classes)?;
        lap(8);
        Ok(seconds)
    }

    /// All of it in one go; the seconds.
    fn whole(&self, source: &Path, target: &Path) -> Result<f64> {
        let started = Instant::now();
        let scan = Scan::read(source)?;
        let (mut volume, _) = scan.oriented(Acquisition::ORIENTATION);
        Phantom::Abdomen.intensity().scale(&mut volume);
        let classes = self.segmenter.segment(&volume, &self.settings)?.classes;
        scan.write_classes(target, &scan.to_file_axes(&classes, Acquisition::ORIENTATION))?;
        Ok(started.elapsed().as_secs_f64())
    }
}
