//! What a user chooses at run time: which tokens pause, and where. No retraining is needed.

use serde::{Deserialize, Serialize};

use crate::error::EncoderError;

/// Which tokens pause at each pause point. One value a point.
/// Written as `policy = { policy = "threshold", tau = [0.1, 0.05] }`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "policy", rename_all = "snake_case", try_from = "WrittenPolicy")]
pub enum PausePolicy {
    /// None.
    #[default]
    Never,
    /// Those whose criterion is below tau; each image keeps its own number. 0 is never.
    Threshold {
        /// In [0, 1], one a pause point.
        tau: Vec<f32>,
    },
    /// All but the `ceil(ratio * active)` with the highest criterion, in each image.
    KeepRatio {
        /// In [0, 1], a share of the tokens that are active at the point.
        ratio: Vec<f64>,
    },
}

/// A policy as it is written. Read by way of this, because serde does not refuse superfluous keys
/// beside a tag whose variant has no fields.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenPolicy {
    policy: String,
    tau: Option<Vec<f32>>,
    ratio: Option<Vec<f64>>,
}

impl TryFrom<WrittenPolicy> for PausePolicy {
    type Error = String;

    fn try_from(written: WrittenPolicy) -> Result<Self, String> {
        let WrittenPolicy { policy, tau, ratio } = written;
        match (policy.as_str(), tau, ratio) {
            ("never", None, None) => Ok(Self::Never),
            ("threshold", Some(tau), None) => Ok(Self::Threshold { tau }),
            ("keep_ratio", None, Some(ratio)) => Ok(Self::KeepRatio { ratio }),
            ("never", ..) => Err("the policy `never` takes neither `tau` nor `ratio`".to_owned()),
            ("threshold", ..) => Err("the policy `threshold` takes the key `tau` and no other".to_owned()),
            ("keep_ratio", ..) => Err("the policy `keep_ratio` takes the key `ratio` and no other".to_owned()),
            _ => Err(format!("no policy `{policy}`; there are never, threshold and keep_ratio")),
        }
    }
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

/// Everything about pausing that can change from call to call.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PauseSettings {
    /// Which tokens pause.
    #[serde(default)]
    pub policy: PausePolicy,
    /// How hard a token is.
    #[serde(default)]
    pub criterion: Criterion,
    /// At least this many tokens of each image stay active.
    #[serde(default)]
    pub min_active: usize,
    /// This many of the most confident tokens of each predicted class stay as context (DToP).
    #[serde(default)]
    pub keep_per_class: usize,
    /// What active tokens see of paused ones.
    #[serde(default)]
    pub context: Context,
    /// Score the heads even where nothing can pause (training, analysis).
    #[serde(default)]
    pub score_heads: bool,
    /// The criterion [`Criterion::Oracle`]: one value a token, image after image.
    #[serde(skip)]
    pub oracle: Option<Vec<f32>>,
}

impl PauseSettings {
    /// Nothing pauses.
    #[must_use]
    pub fn never() -> Self {
        Self::default()
    }

    /// Tokens with an entropy below `tau` pause; one value a pause point.
    #[must_use]
    pub fn threshold(tau: impl Into<Vec<f32>>) -> Self {
        Self { policy: PausePolicy::Threshold { tau: tau.into() }, ..Self::default() }
    }

    /// The given share of the active tokens goes on; one value a pause point.
    #[must_use]
    pub fn keep_ratio(ratio: impl Into<Vec<f64>>) -> Self {
        Self { policy: PausePolicy::KeepRatio { ratio: ratio.into() }, ..Self::default() }
    }

    /// Whether a token can pause at the point with this index.
    #[must_use]
    pub fn can_pause_at(&self, point: usize) -> bool {
        match &self.policy {
            PausePolicy::Never => false,
            PausePolicy::Threshold { tau } => tau.get(point).is_some_and(|&t| t > 0.0),
            PausePolicy::KeepRatio { ratio } => ratio.get(point).is_some_and(|&r| r < 1.0),
        }
    }

    /// Checks the settings against the number of pause points and of tokens in the batch.
    ///
    /// # Errors
    /// Where the number of values or a value is wrong.
    pub fn validate(&self, n_points: usize, n_tokens: usize) -> Result<(), EncoderError> {
        if self.criterion == Criterion::Oracle && self.policy != PausePolicy::Never {
            let found = self.oracle.as_ref().map_or(0, Vec::len);
            if found != n_tokens {
                return Err(EncoderError::Settings(format!(
                    "the criterion `oracle` needs one value a token: {n_tokens}, not {found}"
                )));
            }
        }
        let check = |name: &str, values: &[f64]| {
            if values.len() != n_points {
                return Err(EncoderError::Settings(format!(
                    "{} values of {name} for {n_points} pause points",
                    values.len()
                )));
            }
            match values.iter().find(|v| !(0.0..=1.0).contains(*v)) {
                Some(value) => Err(EncoderError::Settings(format!("{name} {value} is not in [0, 1]"))),
                None => Ok(()),
            }
        };
        match &self.policy {
            PausePolicy::Never => Ok(()),
            PausePolicy::Threshold { tau } => {
                check("pause threshold", &tau.iter().map(|&t| f64::from(t)).collect::<Vec<_>>())
            }
            PausePolicy::KeepRatio { ratio } => check("keep ratio", ratio),
        }
    }
}
