//! Speed and memory, measured side by side: the settings take turns within each round.

use std::time::Instant;

use anyhow::Result;
use fastersam_pausing_encoder::PauseSettings;
use ndarray::Axis;

use crate::trained_model::TrainedModel;
use fastersam_bench::machine::{peak_memory_mib, reset_peak_memory};
use fastersam_progress as progress;
use fastersam_records::Scope;

/// Slices that a measurement runs over.
const SLICES: usize = 16;

/// Times of one setting.
#[derive(Clone, Debug)]
pub struct Timing {
    /// Milliseconds a slice, one value a round, ascending.
    pub ms_per_slice: Vec<f64>,
    /// Peak memory of the process over the first round, MiB.
    pub peak_memory_mib: Option<f64>,
}

impl Timing {
    /// A quantile of the rounds.
    #[must_use]
    pub fn quantile(&self, share: f64) -> f64 {
        let last = self.ms_per_slice.len().saturating_sub(1);
        self.ms_per_slice.get((share * last as f64).round() as usize).copied().unwrap_or(f64::NAN)
    }
}

/// Times every setting on the same slices of the cases to score, `runs` rounds, after one to warm up.
///
/// # Errors
/// Where a setting does not fit the model, or the user interrupts.
pub fn measure(
    trained: &TrainedModel<'_>,
    settings: &[&PauseSettings],
    batch_size: usize,
    runs: usize,
    scope: Scope,
) -> Result<Vec<Timing>> {
    let cases = &trained.data.evaluate;
    let segmenter = trained.segmenter.clone().with_batch_size(batch_size);
    // Slices from the middle of all cases in turn, whole batches of them.
    let n_slices = SLICES.div_ceil(batch_size) * batch_size;
    let slices: Vec<_> = (0..n_slices)
        .map(|i| {
            let case = &cases[i % cases.len()];
            let n = case.image.len_of(Axis(0));
            case.image.index_axis(Axis(0), (n / 4 + i / cases.len()) % n)
        })
        .collect();
    let batches: Vec<_> = slices.chunks(batch_size).map(|batch| segmenter.prepare(batch)).collect();
    let title = format!("{} timing, batch {batch_size}", trained.experiment.id);
    let bar = progress::bar(&title, (runs + 1) * settings.len(), "runs");
    let mut timings = vec![Timing { ms_per_slice: Vec::new(), peak_memory_mib: None }; settings.len()];
    for round in 0..=runs {
        for (setting, timing) in settings.iter().copied().zip(&mut timings) {
            if progress::interrupted() {
                anyhow::bail!("interrupted");
            }
            reset_peak_memory();
            let started = Instant::now();
            for (batch, slices) in batches.iter().zip(slices.chunks(batch_size)) {
                match scope {
                    Scope::NetworkInputToLogits => {
                        let output = segmenter.model().forward(batch.clone(), setting)?;
                        // Reading one value waits for devices that run behind.
                        let _ = output.logits.slice([0..1, 0..1, 0..1, 0..1]).into_data();
                    }
                    Scope::VoxelsToClassMap => {
                        let (maps, _) = segmenter.classify(segmenter.prepare(slices), setting)?;
                        for (map, slice) in maps.iter().zip(slices) {
                            let (rows, cols) = slice.dim();
                            let _ = fastersam_datasets::resample::zoom_nearest(map.view(), [rows, cols]);
                        }
                    }
                }
            }
            let ms = started.elapsed().as_secs_f64() * 1e3 / n_slices as f64;
            if round == 0 {
                timing.peak_memory_mib = peak_memory_mib();
            } else {
                timing.ms_per_slice.push(ms);
            }
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    for timing in &mut timings {
        timing.ms_per_slice.sort_by(f64::total_cmp);
    }
    Ok(timings)
}
