//! Speed and memory, measured side by side: the settings take turns within each round.

use anyhow::Result;
use fastersam_bench::machine::{peak_memory_mib, reset_peak_memory};
use fastersam_bench::timing::{Rounds, Timing, take_turns, timed};
use fastersam_pausing_encoder::PauseSettings;
use fastersam_records::Scope;
use ndarray::Axis;

use crate::trained_model::TrainedModel;

/// Slices that a measurement runs over.
const SLICES: usize = 16;

/// Times of one setting, and the memory that it took.
#[derive(Clone, Debug)]
pub struct Throughput {
    /// Seconds of a pass over all slices.
    timing: Timing,
    n_slices: usize,
    /// Peak memory of the process over the warm-up, MiB.
    pub peak_memory_mib: Option<f64>,
}

impl Throughput {
    /// A quantile of the rounds, milliseconds a slice.
    #[must_use]
    pub fn ms_per_slice(&self, share: f64) -> f64 {
        1e3 * self.timing.quantile(share) / self.n_slices as f64
    }

    /// Timed rounds.
    #[must_use]
    pub fn rounds(&self) -> usize {
        self.timing.seconds.len()
    }
}

/// One of the things that take turns.
#[derive(Clone, Copy, Debug)]
pub struct Contender<'a> {
    /// A trained model on its device. Those that take turns have the same cases to score.
    pub trained: &'a TrainedModel<'a>,
    /// What pauses.
    pub settings: &'a PauseSettings,
}

/// Times every setting of a model on the same slices of the cases to score, `rounds` rounds, after one to warm up.
///
/// # Errors
/// Where a setting does not fit the model, or the user interrupts.
pub fn measure(
    trained: &TrainedModel<'_>,
    settings: &[&PauseSettings],
    batch_size: usize,
    rounds: usize,
    scope: Scope,
) -> Result<Vec<Throughput>> {
    let contenders: Vec<_> = settings.iter().map(|&settings| Contender { trained, settings }).collect();
    take_turns_on(&contenders, batch_size, rounds, scope)
}

/// Times models on several devices, and their settings, on the same slices.
///
/// # Errors
/// As [`measure`].
pub fn take_turns_on(
    contenders: &[Contender<'_>],
    batch_size: usize,
    rounds: usize,
    scope: Scope,
) -> Result<Vec<Throughput>> {
    let Some(first) = contenders.first() else { return Ok(Vec::new()) };
    let cases = &first.trained.data.evaluate;
    // Slices from the middle of all cases in turn, whole batches of them.
    let n_slices = SLICES.div_ceil(batch_size) * batch_size;
    let slices: Vec<_> = (0..n_slices)
        .map(|i| {
            let case = &cases[i % cases.len()];
            let n = case.image.len_of(Axis(0));
            case.image.index_axis(Axis(0), (n / 4 + i / cases.len()) % n)
        })
        .collect();
    let prepared = |contender: &Contender<'_>| -> Vec<_> {
        let segmenter = &contender.trained.segmenter;
        slices.chunks(batch_size).map(|batch| segmenter.prepare(batch)).collect()
    };
    let batches: Vec<Vec<_>> = contenders.iter().map(prepared).collect();
    let pass = |index: usize| -> Result<()> {
        let Contender { trained, settings } = contenders[index];
        let segmenter = &trained.segmenter;
        for (batch, slices) in batches[index].iter().zip(slices.chunks(batch_size)) {
            match scope {
                Scope::NetworkInputToLogits => {
                    let output = segmenter.model().forward(batch.clone(), settings)?;
                    // Reading one value waits for devices that run behind.
                    let _ = output.logits.slice([0..1, 0..1, 0..1, 0..1]).into_data();
                }
                Scope::VoxelsToClassMap => {
                    let (maps, _) = segmenter.classify(segmenter.prepare(slices), settings)?;
                    for (map, slice) in maps.iter().zip(slices) {
                        let (rows, cols) = slice.dim();
                        let _ = fastersam_volume::resample::zoom_nearest(map.view(), [rows, cols]);
                    }
                }
            }
        }
        Ok(())
    };
    let mut peaks = vec![None; contenders.len()];
    let title = format!("{} timing, batch {batch_size}", first.trained.experiment.id);
    let rounds = Rounds { timed: rounds, warm_up: 1, title: &title };
    let timings = take_turns(contenders.len(), rounds, |index, counts| {
        reset_peak_memory();
        let (result, seconds) = timed(|| pass(index));
        result?;
        if !counts {
            peaks[index] = peak_memory_mib();
        }
        Ok(seconds)
    })?;
    let throughput = |(timing, peak_memory_mib)| Throughput { timing, n_slices, peak_memory_mib };
    Ok(timings.into_iter().zip(peaks).map(throughput).collect())
}
