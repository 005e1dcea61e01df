//! Which pause setting suits a trained model: measured on its calibration cases, never on those that are scored.

use anyhow::Result;
use fastersam::{Budget, Outcome};
use fastersam_metrics::{CaseScores, summarise};
use fastersam_pausing_encoder::PauseSettings;
use fastersam_records::Scope;
use fastersam_volume::Components;

use crate::evaluate::score;
use crate::throughput;
use crate::trained_model::TrainedModel;

/// Rounds in which a threshold is timed.
const ROUNDS: usize = 3;

/// What a setting came to on the calibration cases.
#[derive(Clone, Copy, Debug)]
pub struct Calibrated {
    /// Mean Dice (`transunet` protocol).
    pub dice: f64,
    /// Share of the encoder's multiply-accumulates that it saves.
    pub macs_saved: f64,
}

/// Scores a setting on the calibration cases.
///
/// # Errors
/// Where the setting does not fit the model, or the user interrupts.
pub fn measure(trained: &TrainedModel<'_>, settings: &PauseSettings, batch_size: usize) -> Result<Calibrated> {
    let found = trained.evaluate(&trained.data.calibrate, settings, batch_size, "calibrating")?;
    Ok(Calibrated {
        // Nothing was scored where no case has any class.
        dice: summarise(&found.cases).transunet.dice.unwrap_or(0.0),
        macs_saved: trained.cost(&found.tokens, settings.context).encoder_macs_saved,
    })
}

/// The classes whose mean Dice (`strict` protocol) on the calibration cases is higher where only the largest connected
/// component is kept, as nnU-Net chooses it.
///
/// # Errors
/// As [`measure`].
pub fn keep_largest(
    trained: &TrainedModel<'_>,
    settings: &PauseSettings,
    batch_size: usize,
) -> Result<Vec<String>> {
    let cases = &trained.data.calibrate;
    let found = trained.evaluate(cases, settings, batch_size, "calibrating")?;
    let n_classes = trained.config.n_classes();
    let mut kept = Vec::with_capacity(cases.len());
    for (case, segmentation) in cases.iter().zip(&found.segmentations) {
        let mut classes = segmentation.classes.clone();
        // To drop a part of one class changes no other.
        for class in 1..=u8::try_from(n_classes - 1)? {
            Components::of_class(classes.view(), class).keep_largest(classes.view_mut());
        }
        kept.push(score(case, &classes, n_classes)?);
    }
    let dice = |cases: &[CaseScores]| summarise(cases).strict.per_class_dice;
    let names = trained.class_names().into_iter().zip(dice(&found.cases).into_iter().zip(dice(&kept)));
    Ok(names.filter(|(_, (all, largest))| largest > all).map(|(name, _)| name).collect())
}

/// The index of the setting that saves most among those that lose at most `dice_tolerance` against the first.
///
/// # Errors
/// As [`measure`].
pub fn choose(
    trained: &TrainedModel<'_>,
    settings: &[PauseSettings],
    dice_tolerance: f64,
    batch_size: usize,
) -> Result<usize> {
    let mut found = Vec::with_capacity(settings.len());
    for setting in settings {
        found.push(measure(trained, setting, batch_size)?);
    }
    let is_close = |calibrated: &Calibrated| found[0].dice - calibrated.dice <= dice_tolerance;
    let close = found.iter().enumerate().filter(|(_, calibrated)| is_close(calibrated));
    // The first of those that save as much.
    let best =
        close.fold(
            (0, 0.0),
            |best, (index, calibrated)| {
                if calibrated.macs_saved > best.1 { (index, calibrated.macs_saved) } else { best }
            },
        );
    Ok(best.0)
}

/// Thresholds that just meet a budget, and what they and `never` came to.
#[derive(Clone, Debug)]
pub struct Solution {
    /// The setting.
    pub settings: PauseSettings,
    /// What it came to.
    pub found: Calibrated,
    /// What `never` came to.
    pub never: Calibrated,
}

/// The thresholds that just meet a budget, beside the other options of `base`; `None` where none do.
///
/// # Errors
/// As [`measure`].
pub fn solve(
    trained: &TrainedModel<'_>,
    budget: &Budget,
    base: &PauseSettings,
    batch_size: usize,
) -> Result<Option<Solution>> {
    let never = measure(trained, &PauseSettings::never(), batch_size)?;
    let threshold = budget.solve(base, |settings| {
        if matches!(budget, Budget::SlicesPerSecond(_)) {
            let scope = Scope::NetworkInputToLogits;
            let found = throughput::measure(trained, &[settings], batch_size, ROUNDS, scope)?;
            let slices_per_second = 1e3 / found[0].ms_per_slice(0.5);
            return anyhow::Ok(Outcome { slices_per_second, ..Outcome::default() });
        }
        let found = measure(trained, settings, batch_size)?;
        let (macs_share, dice_loss) = (1.0 - found.macs_saved, never.dice - found.dice);
        Ok(Outcome { macs_share, dice_loss, ..Outcome::default() })
    })?;
    let Some(threshold) = threshold else { return Ok(None) };
    let settings = base.with_thresholds([threshold]);
    let found = measure(trained, &settings, batch_size)?;
    Ok(Some(Solution { settings, found, never }))
}
