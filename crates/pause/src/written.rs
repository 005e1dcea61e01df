//! How pause settings are written: as a table, or in short as thresholds.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::settings::{Context, Criterion, PauseError, PausePolicy, PauseSettings};

/// The table. One policy is one key, so that none can contradict another.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Written {
    /// Tokens whose criterion is below this value, from 0 to 1, pause; one value for all pause points, or one for each.
    #[serde(skip_serializing_if = "Option::is_none")]
    pause_threshold: Option<Values>,
    /// This share of the active tokens, from 0 to 1, goes on; one value for all pause points, or one for each.
    #[serde(skip_serializing_if = "Option::is_none")]
    keep_ratio: Option<Values>,
    criterion: Criterion,
    min_active: usize,
    keep_per_class: usize,
    context: Context,
}

/// One value for all pause points, or one a point.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Values {
    One(f64),
    Each(Vec<f64>),
}

impl From<Values> for Vec<f64> {
    fn from(values: Values) -> Self {
        match values {
            Values::One(value) => vec![value],
            Values::Each(values) => values,
        }
    }
}

impl From<Vec<f64>> for Values {
    fn from(values: Vec<f64>) -> Self {
        match values[..] {
            [value] => Self::One(value),
            _ => Self::Each(values),
        }
    }
}

impl TryFrom<Written> for PauseSettings {
    type Error = PauseError;

    fn try_from(written: Written) -> Result<Self, PauseError> {
        let Written { pause_threshold, keep_ratio, criterion, min_active, keep_per_class, context } = written;
        let policy = match (pause_threshold, keep_ratio) {
            (None, None) => PausePolicy::Never,
            (Some(values), None) => PausePolicy::Threshold(values.into()),
            (None, Some(values)) => PausePolicy::KeepRatio(values.into()),
            (Some(_), Some(_)) => {
                return Err(PauseError("give either `pause_threshold` or `keep_ratio`, not both".to_owned()));
            }
        };
        let settings = Self { policy, criterion, min_active, keep_per_class, context, ..Self::default() };
        settings.validate_values()?;
        Ok(settings)
    }
}

impl From<PauseSettings> for Written {
    fn from(settings: PauseSettings) -> Self {
        let PauseSettings { policy, criterion, min_active, keep_per_class, context, .. } = settings;
        let (pause_threshold, keep_ratio) = match policy {
            PausePolicy::Never => (None, None),
            PausePolicy::Threshold(values) => (Some(values.into()), None),
            PausePolicy::KeepRatio(values) => (None, Some(values.into())),
        };
        Self { pause_threshold, keep_ratio, criterion, min_active, keep_per_class, context }
    }
}

/// As a user writes them: `never`; thresholds, `0.02` or `0.1,0.05,0.05`; or the table, `keep_ratio = 0.5, context =
/// "frozen_kv"`, with or without its braces.
impl FromStr for PauseSettings {
    type Err = PauseError;

    fn from_str(text: &str) -> Result<Self, PauseError> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Line {
            settings: PauseSettings,
        }
        let text = text.trim();
        if text == "never" {
            return Ok(Self::never());
        }
        let settings = if text.contains('=') {
            let table = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or(text);
            let read = toml::from_str::<Line>(&format!("settings = {{ {table} }}"));
            read.map_err(|error| PauseError(error.message().trim_start_matches("pause settings: ").to_owned()))?
                .settings
        } else {
            let number = |part: &str| part.trim().parse::<f64>();
            let thresholds = text.split(',').map(number).collect::<Result<Vec<f64>, _>>().map_err(|_| {
                PauseError(format!(
                    "{text:?} is neither `never`, nor numbers from 0 to 1, nor a table such as `keep_ratio = 0.5`"
                ))
            })?;
            Self::threshold(thresholds)
        };
        settings.validate_values()?;
        Ok(settings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: PauseSettings) {
        let read: PauseSettings = text.parse().unwrap();
        assert_eq!(read, expected, "{text}");
        // Into a record and back.
        let json = serde_json::to_string(&read).unwrap();
        assert_eq!(serde_json::from_str::<PauseSettings>(&json).unwrap(), expected, "{json}");
    }

    #[test]
    fn what_is_written_comes_back_unchanged() {
        check("never", PauseSettings::never());
        check("0.02", PauseSettings::threshold([0.02]));
        check("0.1, 0.05,0.05", PauseSettings::threshold([0.1, 0.05, 0.05]));
        check("pause_threshold = 0.1", PauseSettings::threshold([0.1]));
        let settings = PauseSettings {
            criterion: Criterion::Random { seed: 3 },
            context: Context::FrozenKv,
            min_active: 4,
            keep_per_class: 2,
            ..PauseSettings::keep_ratio([0.5, 1.0])
        };
        check(
            "{ keep_ratio = [0.5, 1], criterion = { random = { seed = 3 } }, context = \"frozen_kv\", min_active = 4, \
             keep_per_class = 2 }",
            settings,
        );
    }

    #[track_caller]
    fn refused(text: &str, word: &str) {
        let error = text.parse::<PauseSettings>().unwrap_err().to_string();
        assert!(error.starts_with("pause settings: ") && error.contains(word), "{text}: {error}");
    }

    #[test]
    fn what_can_not_be_meant_is_refused() {
        refused("fast", "neither");
        refused("1.5", "1.5 is not in [0, 1]");
        refused("nan", "NaN is not in");
        refused("", "neither");
        refused("0.1,,0.2", "neither");
        refused("tau = 0.1", "tau");
        refused("pause_threshold = 0.1, keep_ratio = 0.5", "not both");
        refused("pause_threshold = []", "no pause threshold");
        refused("keep_ratio = -1", "-1 is not in");
        refused("criterion = \"guess\"", "guess");
        // Nothing can slip out of the table into a second key.
        refused("keep_ratio = 0.5 }\nx = {", "");
    }
}
