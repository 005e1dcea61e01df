//! Scoring a model: slice by slice to volumes, volumes to scores, scores to a record.

use anyhow::Result;
use fastersam::segment::SlicePauses;
use fastersam::{ModelConfig, VolumeSegmenter};
use fastersam_datasets::Case;
use fastersam_metrics::{CaseScores, score_case, summarise};
use fastersam_pausing_encoder::PauseSettings;
use fastersam_volume::resample::zoom_nearest;
use ndarray::{Array3, ArrayView2, Axis};

use fastersam_progress as progress;
use fastersam_records::TokenRecord;

/// What an evaluation found.
#[derive(Clone, Debug)]
pub struct Evaluation {
    /// Scores of each case.
    pub cases: Vec<CaseScores>,
    /// Where the tokens were.
    pub tokens: TokenRecord,
    /// The class map of each case, and where its slices' tokens paused.
    pub segmentations: Vec<fastersam::segment::Segmentation>,
}

/// Scores a class map of a case.
///
/// # Errors
/// Where the shapes differ.
pub fn score(case: &Case, classes: &Array3<u8>, n_classes: usize) -> Result<CaseScores> {
    let flat = |array: &Array3<u8>| array.iter().copied().collect::<Vec<u8>>();
    Ok(score_case(
        &case.id,
        &flat(classes),
        &flat(&case.label),
        case.label.shape(),
        case.spacing_mm.as_ref().map(|spacing| &spacing[..]),
        n_classes,
    )?)
}

/// Segments and scores the cases under one pause setting.
///
/// # Errors
/// Where the settings don't fit the model, or the user interrupts.
pub fn evaluate(
    segmenter: &VolumeSegmenter,
    config: &ModelConfig,
    cases: &[Case],
    settings: &PauseSettings,
    title: &str,
) -> Result<Evaluation> {
    let n_slices = cases.iter().map(|case| case.image.len_of(Axis(0))).sum();
    let bar = progress::bar(title, n_slices, "slices");
    let mut scores = Vec::with_capacity(cases.len());
    let mut segmentations = Vec::with_capacity(cases.len());
    let mut tally = TokenTally::new(config);
    for case in cases {
        if progress::interrupted() {
            anyhow::bail!("interrupted");
        }
        let segmentation = segmenter.segment(&case.image, settings)?;
        scores.push(score(case, &segmentation.classes, config.n_classes())?);
        for (slice, pauses) in segmentation.slices.iter().enumerate() {
            tally.add(pauses, case.label.index_axis(Axis(0), slice));
        }
        bar.inc(case.image.len_of(Axis(0)) as u64);
        segmentations.push(segmentation);
    }
    bar.finish_and_clear();
    Ok(Evaluation { cases: scores, tokens: tally.finish(), segmentations })
}

/// Mean Dice (`transunet` protocol) without pausing.
///
/// # Errors
/// As [`evaluate`].
pub fn mean_dice(segmenter: &VolumeSegmenter, config: &ModelConfig, cases: &[Case]) -> Result<Option<f64>> {
    let found = evaluate(segmenter, config, cases, &PauseSettings::never(), "validation")?;
    Ok(summarise(&found.cases).transunet.dice)
}

/// Counts tokens by where they paused, and how often the head that paused them was right.
struct TokenTally {
    grid: usize,
    patch_size: usize,
    input_size: usize,
    n_classes: usize,
    n_slices: usize,
    paused: Vec<u64>,
    right: Vec<u64>,
}

impl TokenTally {
    fn new(config: &ModelConfig) -> Self {
        let points = config.encoder.pause_points.len();
        Self {
            grid: config.grid(),
            patch_size: config.encoder.patch_size,
            input_size: config.input_size(),
            n_classes: config.n_classes(),
            n_slices: 0,
            paused: vec![0; points],
            right: vec![0; points],
        }
    }

    fn add(&mut self, pauses: &SlicePauses, label: ArrayView2<u8>) {
        self.n_slices += 1;
        if pauses.paused_at.iter().all(|&at| at == 0) {
            return;
        }
        let label = zoom_nearest(label, [self.input_size, self.input_size]);
        for (token, (&at, &class)) in pauses.paused_at.iter().zip(&pauses.paused_class).enumerate() {
            let Some(point) = usize::from(at).checked_sub(1) else { continue };
            let (row, col) = (token / self.grid * self.patch_size, token % self.grid * self.patch_size);
            let mut counts = vec![0_u32; self.n_classes.max(256)];
            for r in row..row + self.patch_size {
                for c in col..col + self.patch_size {
                    counts[usize::from(label[(r, c)])] += 1;
                }
            }
            let majority = (0..counts.len()).fold(0, |best, c| if counts[c] > counts[best] { c } else { best });
            self.paused[point] += 1;
            self.right[point] += u64::from(majority == usize::from(class));
        }
    }

    fn finish(self) -> TokenRecord {
        let n_tokens = self.grid * self.grid;
        let all = (self.n_slices * n_tokens).max(1) as f64;
        let mut active = all;
        let mut shares = Vec::new();
        for &paused in &self.paused {
            active -= paused as f64;
            shares.push(active / all);
        }
        let accuracy = self
            .paused
            .iter()
            .zip(&self.right)
            .map(|(&paused, &right)| (paused > 0).then(|| right as f64 / paused as f64))
            .collect();
        TokenRecord { n_tokens, active_share_after_stage: shares, head_accuracy_on_paused: accuracy }
    }
}
