//! Pause settings with a name: what a sweep tries, and what a user asks for.

use std::str::FromStr;

use anyhow::{Result, bail};
use fastersam_pausing_encoder::{PausePolicy, PauseSettings};

use fastersam_records::PauseRecord;

/// A pause setting of a model.
#[derive(Clone, Debug)]
pub struct Setting {
    /// What tables call it: `never`, `tau 0.02`.
    pub label: String,
    /// The pause points that it uses; the others of the model are idle.
    pub points: Vec<usize>,
    /// What the encoder is told.
    pub settings: PauseSettings,
}

impl Setting {
    /// Nothing pauses.
    #[must_use]
    pub fn never(points: &[usize]) -> Self {
        Self { label: "never".to_owned(), points: points.to_vec(), settings: PauseSettings::never() }
    }

    /// One threshold at the points `used`; the other points of the model are idle.
    #[must_use]
    pub fn threshold(tau: f32, used: &[usize], all: &[usize]) -> Self {
        let at = |point: &usize| if used.contains(point) { tau } else { 0.0 };
        Self {
            label: format!("tau {tau}"),
            points: used.to_vec(),
            settings: PauseSettings::threshold(all.iter().map(at).collect::<Vec<f32>>()),
        }
    }

    /// One threshold a pause point. A point whose threshold is 0 is idle; nowhere above 0 is `never`.
    #[must_use]
    pub fn thresholds(tau: &[f32], all: &[usize]) -> Self {
        let used: Vec<(f32, usize)> =
            tau.iter().copied().zip(all.iter().copied()).filter(|(tau, _)| *tau > 0.0).collect();
        let Some((first, _)) = used.first() else { return Self::never(all) };
        let label = if used.iter().all(|(tau, _)| tau == first) {
            format!("tau {first}")
        } else {
            let each: Vec<String> = used.iter().map(|(tau, _)| tau.to_string()).collect();
            format!("tau {}", each.join(" / "))
        };
        Self {
            label,
            points: used.iter().map(|(_, point)| *point).collect(),
            settings: PauseSettings::threshold(tau),
        }
    }

    /// What the terminal calls it.
    #[must_use]
    pub fn name(&self) -> String {
        let from = if self.points.first() == Some(&0) { " from stage 0" } else { "" };
        format!("{}{from}", self.label)
    }

    /// The thresholds at all pause points of the model, or none where nothing pauses.
    #[must_use]
    pub fn tau(&self) -> Option<Vec<f32>> {
        match &self.settings.policy {
            PausePolicy::Threshold { tau } => Some(tau.clone()),
            PausePolicy::Never | PausePolicy::KeepRatio { .. } => None,
        }
    }

    /// What a record says of it. `all` are the pause points of the model; `chosen_on` names the cases that a
    /// recommended setting was chosen on.
    #[must_use]
    pub fn record(&self, all: &[usize], chosen_on: Option<&str>) -> PauseRecord {
        let used = |values: Vec<f64>| -> Vec<f64> {
            let used = values.into_iter().zip(all).filter(|(_, point)| self.points.contains(point));
            used.map(|(value, _)| value).collect()
        };
        let (policy, values) = match &self.settings.policy {
            PausePolicy::Never => ("never", Vec::new()),
            PausePolicy::Threshold { tau } => {
                // f32 as it was written, not as its nearest f64.
                let exact = |t: &f32| t.to_string().parse().unwrap_or(f64::from(*t));
                ("threshold", used(tau.iter().map(exact).collect()))
            }
            PausePolicy::KeepRatio { ratio } => ("keep_ratio", used(ratio.clone())),
        };
        PauseRecord {
            label: self.label.clone(),
            pause_points: self.points.clone(),
            policy: policy.to_owned(),
            values,
            criterion: "entropy".to_owned(),
            context: "none".to_owned(),
            recommended: chosen_on.is_some(),
            chosen_on: chosen_on.map(str::to_owned),
        }
    }
}

/// Thresholds as a user writes them: `0.1`, `0.1,0.05,0.05`, or `recommended`.
#[derive(Clone, Debug, PartialEq)]
pub enum Thresholds {
    /// One for all pause points, or one a point.
    Given(Vec<f32>),
    /// Those that the calibration of the checkpoint found.
    Recommended,
}

impl FromStr for Thresholds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "recommended" {
            return Ok(Self::Recommended);
        }
        let number = |part: &str| -> Result<f32, String> {
            let value = part.trim().parse::<f32>().ok().filter(|value| (0.0..=1.0).contains(value));
            value.ok_or_else(|| format!("{part:?} is neither a number from 0 to 1 nor `recommended`"))
        };
        text.split(',').map(number).collect::<Result<_, _>>().map(Self::Given)
    }
}

impl Thresholds {
    /// The setting of a model with these pause points; `recommended` is what its checkpoint says.
    ///
    /// # Errors
    /// Where the number of thresholds is wrong, or the checkpoint recommends none.
    pub fn setting(&self, all: &[usize], recommended: Option<&[f32]>) -> Result<Setting> {
        let tau = match self {
            Self::Given(tau) => tau.clone(),
            Self::Recommended => match recommended {
                Some(tau) => tau.to_vec(),
                None => bail!(
                    "the checkpoint has no recommended pause thresholds; `fastersam calibrate` finds them. Give \
                     numbers with --pause-threshold, for instance 0.1"
                ),
            },
        };
        match tau[..] {
            [_] if all.is_empty() => bail!("the model has no pause points; leave --pause-threshold out"),
            [tau] => Ok(Setting::thresholds(&vec![tau; all.len()], all)),
            _ if tau.len() == all.len() => Ok(Setting::thresholds(&tau, all)),
            _ => bail!(
                "{} pause thresholds for the {} pause points {all:?}; give one for all or one for each",
                tau.len(),
                all.len()
            ),
        }
    }
}
