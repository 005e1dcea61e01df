//! The policy `budget`: a threshold solved on validation slices, so that a model meets a wanted cost, speed
//! or loss of quality without being trained again.
//!
//! This module searches; what a threshold costs is measured by the caller, who has the slices and the clock.

use fastersam_pausing_encoder::PauseSettings;
use serde::{Deserialize, Serialize};

/// What has to be met. Written as `{ macs_share = 0.5 }`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Budget {
    /// At most this share of the encoder's multiply-accumulates under `never`.
    MacsShare(f64),
    /// At least this many slices a second.
    SlicesPerSecond(f64),
    /// At most this much less mean Dice than under `never`.
    DiceLoss(f64),
}

/// What a pause setting came to on the validation slices. Only the figure of the budget is looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Outcome {
    /// Share of the encoder's multiply-accumulates under `never`.
    pub macs_share: f64,
    /// Slices a second.
    pub slices_per_second: f64,
    /// Mean Dice under `never` less the setting's.
    pub dice_loss: f64,
}

/// The smallest threshold that is tried. Of a trained head's entropies many are smaller, but pausing by
/// such differences is pausing by noise.
const SMALLEST: f64 = 1e-4;
/// Halvings of the range from [`SMALLEST`] to 1, which is searched by its logarithm: to 0.2 %.
const STEPS: usize = 12;

impl Budget {
    /// Whether a setting meets it.
    #[must_use]
    pub fn is_met(&self, measured: &Outcome) -> bool {
        match *self {
            Self::MacsShare(share) => measured.macs_share <= share,
            Self::SlicesPerSecond(speed) => measured.slices_per_second >= speed,
            Self::DiceLoss(loss) => measured.dice_loss <= loss,
        }
    }

    /// The threshold, the same at all pause points, beside the other options of `base`: the smallest that saves enough, or for a loss
    /// of Dice the largest that loses no more. `None` where even the extreme one does not meet the budget.
    ///
    /// Cost falls and the loss of Dice rises with the threshold; where the latter does not quite, the
    /// result still meets the budget.
    ///
    /// # Errors
    /// Those of `measure`.
    pub fn solve<E>(
        &self,
        base: &PauseSettings,
        mut measure: impl FnMut(&PauseSettings) -> Result<Outcome, E>,
    ) -> Result<Option<f64>, E> {
        // 0 pauses nothing; at 1 all tokens pause but those that the head can't tell anything about.
        let meets_with_more = !matches!(self, Self::DiceLoss(_));
        let mut meets =
            |threshold: f64| -> Result<bool, E> { Ok(self.is_met(&measure(&base.with_thresholds([threshold]))?)) };
        let (best, other) = if meets_with_more { (1.0, 0.0) } else { (0.0, 1.0) };
        if !meets(best)? {
            return Ok(None);
        }
        if meets(other)? {
            return Ok(Some(other));
        }
        // One end meets the budget, the other does not.
        let log = |threshold: f64| threshold.max(SMALLEST).ln();
        let (mut met, mut unmet) = (log(best), log(other));
        let mut found = best;
        for _ in 0..STEPS {
            let middle = f64::midpoint(met, unmet);
            let threshold = middle.exp();
            if meets(threshold)? {
                (met, found) = (middle, threshold);
            } else {
                unmet = middle;
            }
        }
        Ok(Some(found))
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use fastersam_pausing_encoder::PausePolicy;

    use super::*;

    /// A model whose cost and quality are smooth functions of the threshold.
    fn measure(settings: &PauseSettings) -> Result<Outcome, Infallible> {
        let threshold = match &settings.policy {
            PausePolicy::Threshold(thresholds) => thresholds[0],
            _ => 0.0,
        };
        assert_eq!(settings.min_active, 2, "the base's options");
        let macs_share = 1.0 - 0.7 * threshold.powf(0.25);
        Ok(Outcome { macs_share, slices_per_second: 10.0 / macs_share, dice_loss: 0.1 * threshold })
    }

    fn base() -> PauseSettings {
        PauseSettings { min_active: 2, ..PauseSettings::never() }
    }

    #[track_caller]
    fn check(budget: Budget, expected: f64) {
        let Ok(found) = budget.solve(&base(), measure);
        let threshold = found.unwrap_or(f64::NAN);
        assert!((threshold / expected - 1.0).abs() < 0.01, "{budget:?}: {threshold}, not {expected}");
        let Ok(measured) = measure(&base().with_thresholds([threshold]));
        assert!(budget.is_met(&measured), "{budget:?}: {measured:?}");
    }

    #[test]
    fn the_threshold_just_meets_the_budget() {
        check(Budget::MacsShare(0.5), (0.5_f64 / 0.7).powi(4));
        check(Budget::SlicesPerSecond(20.0), (0.5_f64 / 0.7).powi(4));
        check(Budget::DiceLoss(0.005), 0.05);
    }

    #[test]
    fn a_budget_that_is_met_anyway_or_never() {
        assert_eq!(Budget::MacsShare(1.0).solve(&base(), measure), Ok(Some(0.0)));
        assert_eq!(Budget::DiceLoss(0.5).solve(&base(), measure), Ok(Some(1.0)));
        assert_eq!(Budget::MacsShare(0.1).solve(&base(), measure), Ok(None));
        assert_eq!(Budget::SlicesPerSecond(50.0).solve(&base(), measure), Ok(None));
    }

    #[test]
    fn errors_of_the_measurement_come_back() {
        assert_eq!(Budget::MacsShare(0.5).solve(&base(), |_| Err("no slices")), Err("no slices"));
    }
}
