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

    /// The threshold, the same at all `n_points` pause points: the smallest that saves enough, or for a loss
    /// of Dice the largest that loses no more. `None` where even the extreme one does not meet the budget.
    ///
    /// Cost falls and the loss of Dice rises with the threshold; where the latter does not quite, the
    /// result still meets the budget.
    ///
    /// # Errors
    /// Those of `measure`.
    pub fn solve<E>(
        &self,
        n_points: usize,
        mut measure: impl FnMut(&PauseSettings) -> Result<Outcome, E>,
    ) -> Result<Option<f32>, E> {
        // 0 pauses nothing; at 1 all tokens pause but those that the head can't tell anything about.
        let meets_with_more = !matches!(self, Self::DiceLoss(_));
        let mut meets = |tau: f32| -> Result<bool, E> {
            let settings = match tau {
                0.0 => PauseSettings::never(),
                tau => PauseSettings::threshold(vec![tau; n_points]),
            };
            Ok(self.is_met(&measure(&settings)?))
        };
        let (best, other) = if meets_with_more { (1.0, 0.0) } else { (0.0, 1.0) };
        if !meets(best)? {
            return Ok(None);
        }
        if meets(other)? {
            return Ok(Some(other));
        }
        // One end meets the budget, the other does not.
        let log = |tau: f32| f64::from(tau).max(SMALLEST).ln();
        let (mut met, mut unmet) = (log(best), log(other));
        let mut found = best;
        for _ in 0..STEPS {
            let middle = f64::midpoint(met, unmet);
            let tau = middle.exp() as f32;
            if meets(tau)? {
                (met, found) = (middle, tau);
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
        let tau = match &settings.policy {
            PausePolicy::Threshold { tau } => {
                assert_eq!(tau.len(), 3);
                f64::from(tau[0])
            }
            _ => 0.0,
        };
        let macs_share = 1.0 - 0.7 * tau.powf(0.25);
        Ok(Outcome { macs_share, slices_per_second: 10.0 / macs_share, dice_loss: 0.1 * tau })
    }

    #[track_caller]
    fn check(budget: Budget, expected: f64) {
        let Ok(found) = budget.solve(3, measure);
        let tau = found.unwrap_or(f32::NAN);
        assert!((f64::from(tau) / expected - 1.0).abs() < 0.01, "{budget:?}: {tau}, not {expected}");
        let Ok(measured) = measure(&PauseSettings::threshold(vec![tau; 3]));
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
        assert_eq!(Budget::MacsShare(1.0).solve(3, measure), Ok(Some(0.0)));
        assert_eq!(Budget::DiceLoss(0.5).solve(3, measure), Ok(Some(1.0)));
        assert_eq!(Budget::MacsShare(0.1).solve(3, measure), Ok(None));
        assert_eq!(Budget::SlicesPerSecond(50.0).solve(3, measure), Ok(None));
    }

    #[test]
    fn errors_of_the_measurement_come_back() {
        assert_eq!(Budget::MacsShare(0.5).solve(3, |_| Err("no slices")), Err("no slices"));
    }
}
