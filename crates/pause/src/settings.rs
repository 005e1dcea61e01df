//! What a user chooses at run time: which tokens pause, and where. No retraining is needed.

use serde::{Deserialize, Serialize};

use crate::written::Written;

/// Which tokens pause at each pause point: one value a point, or one value for all of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum PausePolicy {
    /// None.
    #[default]
    Never,
    /// Those whose criterion is below the threshold, in [0, 1]; each image keeps its own number. 0 is never.
    Threshold(Vec<f64>),
    /// All but the `ceil(ratio * active)` with the highest criterion, in each image; the ratio, in [0, 1], is a
    /// share of the tokens that are active at the point.
    KeepRatio(Vec<f64>),
}

/// How hard a token is, from the class probabilities that a pause head gives it. High is hard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Criterion {
    /// Entropy divided by log C, in [0, 1] (PAUMER, arXiv 2311.00586).
    #[default]
    Entropy,
    /// 1 - largest probability (DToP, arXiv 2308.01045).
    MaxProbability,
    /// 1 - (largest - second largest probability).
    Margin,
    /// A uniform draw for each place: the control.
    Random {
        /// Seed of the draws.
        seed: u64,
    },
    /// Values that the caller gives for every token, for analysis only.
    Oracle,
}

impl Criterion {
    /// Its name, as it is written.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Entropy => "entropy",
            Self::MaxProbability => "max_probability",
            Self::Margin => "margin",
            Self::Random { .. } => "random",
            Self::Oracle => "oracle",
        }
    }
}

/// Whether active tokens still attend to paused ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Context {
    /// Active tokens attend to active tokens.
    #[default]
    None,
    /// They also attend to keys and values of the paused tokens' frozen features.
    FrozenKv,
}

impl Context {
    /// Its name, as it is written.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::FrozenKv => "frozen_kv",
        }
    }
}

/// Everything about pausing that can change from call to call.
///
/// It is written, in TOML, on the command line and in records, as a table with at most one of `pause_threshold` and
/// `keep_ratio` (a number, or a list with one number a pause point), and `criterion`, `min_active`,
/// `keep_per_class` and `context` where they are not the defaults.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct PauseSettings {
    /// Which tokens pause.
    pub policy: PausePolicy,
    /// How hard a token is.
    pub criterion: Criterion,
    /// At least this many tokens of each image stay active.
    pub min_active: usize,
    /// This many of the most confident tokens of each predicted class stay as context (DToP).
    pub keep_per_class: usize,
    /// What active tokens see of paused ones.
    pub context: Context,
    /// Score the heads even where nothing can pause (training, analysis). Never written.
    pub score_heads: bool,
    /// The values of [`Criterion::Oracle`]: one a token, image after image. Never written.
    pub oracle: Option<Vec<f32>>,
}

/// Pause settings that can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("pause settings: {0}")]
pub struct PauseError(pub String);

impl PauseSettings {
    /// Nothing pauses.
    #[must_use]
    pub fn never() -> Self {
        Self::default()
    }

    /// Tokens with an entropy below the threshold pause; one value a pause point, or one for all.
    #[must_use]
    pub fn threshold(thresholds: impl Into<Vec<f64>>) -> Self {
        Self { policy: PausePolicy::Threshold(thresholds.into()), ..Self::default() }
    }

    /// The given share of the active tokens goes on; one value a pause point, or one for all.
    #[must_use]
    pub fn keep_ratio(ratios: impl Into<Vec<f64>>) -> Self {
        Self { policy: PausePolicy::KeepRatio(ratios.into()), ..Self::default() }
    }

    /// The same settings with these thresholds as the policy.
    #[must_use]
    pub fn with_thresholds(&self, thresholds: impl Into<Vec<f64>>) -> Self {
        Self { policy: PausePolicy::Threshold(thresholds.into()), ..self.clone() }
    }

    /// The policy's value at the pause point with this index; `None` for `never`.
    #[must_use]
    pub fn value_at(&self, point: usize) -> Option<f64> {
        match &self.policy {
            PausePolicy::Never => None,
            PausePolicy::Threshold(values) | PausePolicy::KeepRatio(values) => match values[..] {
                [value] => Some(value),
                _ => values.get(point).copied(),
            },
        }
    }

    /// Whether a token can pause at the point with this index.
    #[must_use]
    pub fn can_pause_at(&self, point: usize) -> bool {
        let value = self.value_at(point);
        match self.policy {
            PausePolicy::Never => false,
            PausePolicy::Threshold(_) => value.is_some_and(|threshold| threshold > 0.0),
            PausePolicy::KeepRatio(_) => value.is_some_and(|ratio| ratio < 1.0),
        }
    }

    /// Those of a model's pause points at which something can pause.
    #[must_use]
    pub fn used_points(&self, pause_points: &[usize]) -> Vec<usize> {
        let used = pause_points.iter().enumerate().filter(|(index, _)| self.can_pause_at(*index));
        used.map(|(_, &point)| point).collect()
    }

    /// Checks what needs no model: that the values are in [0, 1].
    ///
    /// # Errors
    /// A value is not.
    pub fn validate_values(&self) -> Result<(), PauseError> {
        let (name, values) = match &self.policy {
            PausePolicy::Never => return Ok(()),
            PausePolicy::Threshold(values) => ("pause threshold", values),
            PausePolicy::KeepRatio(values) => ("keep ratio", values),
        };
        match values.iter().find(|value| !(0.0..=1.0).contains(*value)) {
            Some(value) => Err(PauseError(format!("the {name} {value} is not in [0, 1]"))),
            None if values.is_empty() => Err(PauseError(format!("no {name} is given"))),
            None => Ok(()),
        }
    }

    /// Checks the settings against the number of pause points of a model, and of tokens in a batch.
    ///
    /// # Errors
    /// The number of values or a value is wrong.
    pub fn validate(&self, n_points: usize, n_tokens: usize) -> Result<(), PauseError> {
        self.validate_values()?;
        let (name, values) = match &self.policy {
            PausePolicy::Never => return Ok(()),
            PausePolicy::Threshold(values) => ("pause thresholds", values),
            PausePolicy::KeepRatio(values) => ("keep ratios", values),
        };
        if n_points == 0 {
            return Err(PauseError("the model has no pause points".to_owned()));
        }
        if values.len() != 1 && values.len() != n_points {
            return Err(PauseError(format!(
                "{} {name} for {n_points} pause points; give one for all or one for each",
                values.len()
            )));
        }
        if self.criterion == Criterion::Oracle {
            let found = self.oracle.as_ref().map_or(0, Vec::len);
            if found != n_tokens {
                return Err(PauseError(format!(
                    "the criterion `oracle` needs one value a token: {n_tokens}, not {found}"
                )));
            }
        }
        Ok(())
    }
}
