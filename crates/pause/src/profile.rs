//! Names of pause settings.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::settings::PauseError;

/// What a model's pause setting is called: `fast`, `half-the-macs`. One to 32 of a-z, 0-9, `-` and `_`, a letter first, so
/// that no name is mistaken for a threshold or a table; `never` and `recommended` mean something else already.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ProfileName(String);

impl ProfileName {
    const MAX_LEN: usize = 32;
    const RESERVED: [&str; 2] = ["never", "recommended"];

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ProfileName {
    type Err = PauseError;

    fn from_str(text: &str) -> Result<Self, PauseError> {
        let is_part = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
        let is_name = text.starts_with(|c: char| c.is_ascii_lowercase())
            && text.len() <= Self::MAX_LEN
            && text.chars().all(is_part);
        if !is_name {
            return Err(PauseError(format!(
                "{text:?} can't be the name of a pause setting: give at most {} of a-z, 0-9, - and _, a letter first",
                Self::MAX_LEN
            )));
        }
        if Self::RESERVED.contains(&text) {
            return Err(PauseError(format!("`{text}` means another pause setting already; choose another name")));
        }
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for ProfileName {
    type Error = PauseError;

    fn try_from(text: String) -> Result<Self, PauseError> {
        text.parse()
    }
}

impl From<ProfileName> for String {
    fn from(name: ProfileName) -> Self {
        name.0
    }
}

impl fmt::Display for ProfileName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_words_that_mean_nothing_else() {
        for name in ["fast", "x", "half-the-macs", "less_than_0-1", &"a".repeat(32)] {
            assert_eq!(name.parse::<ProfileName>().unwrap().to_string(), name);
        }
        for text in ["", "0.1", "-fast", "Fast", "fast ", "a.b", "a,b", "a=b", "schnell\u{e4}", &"a".repeat(33)] {
            let PauseError(message) = text.parse::<ProfileName>().unwrap_err();
            assert!(message.contains("at most 32"), "{message}");
        }
        for text in ["never", "recommended"] {
            let PauseError(message) = text.parse::<ProfileName>().unwrap_err();
            assert!(message.contains("choose another name"), "{message}");
        }
        assert!(serde_json::from_str::<ProfileName>("\"a b\"").is_err());
    }
}
