//! The setting that is recommended for a model, and what it was chosen on.

use serde::{Deserialize, Serialize};

use crate::settings::PauseSettings;

/// The cases that a setting was chosen on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CalibrationCases {
    /// Which cases they are, in words: `the valid split`, `10 patients held out of train`.
    pub cases: String,
    /// Whether the model was trained on them as well. Its scores on them, and so the setting, then flatter it.
    pub trained_on: bool,
}

impl std::fmt::Display for CalibrationCases {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.cases)?;
        if self.trained_on {
            formatter.write_str(" (the model was trained on them as well)")?;
        }
        Ok(())
    }
}

/// A setting with what it was chosen on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recommendation {
    /// The setting.
    pub settings: PauseSettings,
    /// The cases.
    pub chosen_on: CalibrationCases,
}
